"""What always holds, checked from raw tables by code that shares nothing with the source: rows are loaded and counted.

Every test that moves money ends with `await assert_holds(connection, tenant.id)`. A further invariant is one function
below or in money_invariants.py, listed in INVARIANTS, and one planted error in tests/verify/ that it must name.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import AsyncExitStack
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg

from tests import money_invariants as money
from tests.raw_rows import (
    ACCOUNTS,
    BILLED,
    CHANGEABLE,
    CREDIT_FIGURES,
    INVOICE_FIGURES,
    MIRRORED,
    SETTLING,
    Connection,
    Pool,
    Row,
    Rows,
    grouped,
    into,
)  # fmt: skip

Finalised: TypeAlias = dict[UUID, str]
"""Finalised invoices with everything that is fixed about them, as text."""


async def check(
    database: Connection | Pool, tenant_id: UUID | None = None, earlier: Finalised | None = None
) -> list[str]:
    """Every breach as a sentence that begins with the invariant's name; of one tenant, or of all.

    `earlier` is what `finalised` gave before; those invoices must read the same now.
    """
    async with AsyncExitStack() as stack:
        connection: Any = database
        if isinstance(database, asyncpg.Pool):
            connection = await stack.enter_async_context(database.acquire())
        if not connection.is_in_transaction():
            await stack.enter_async_context(connection.transaction(isolation="repeatable_read", readonly=True))
        rows = Rows(**{table: await _load(connection, table, tenant_id) for table in Rows.__dataclass_fields__})
        now = {} if earlier is None else await finalised(connection, tenant_id)
    breaches = [f"{name}: {breach}" for name, invariant in INVARIANTS.items() for breach in invariant(rows)]
    return breaches + [f"{UNCHANGED}: {breach}" for breach in _changed(earlier or {}, now)]


async def assert_holds(
    database: Connection | Pool, tenant_id: UUID | None = None, earlier: Finalised | None = None
) -> None:
    """Fails with every breach there is."""
    breaches = await check(database, tenant_id, earlier)
    assert not breaches, "\n".join(breaches)


async def finalised(database: Connection | Pool, tenant_id: UUID | None = None) -> Finalised:
    """The finalised invoices as they are now, to be given to `check` later."""
    rows = await database.fetch(
        """
        SELECT id, jsonb_strip_nulls(to_jsonb(invoices) - $2::text[])::text
            || ' number ' || coalesce(number, 'none') || (
            SELECT coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(lines)) ORDER BY line_no), '[]')::text
            FROM invoice_lines AS lines
            WHERE lines.shard = invoices.shard AND lines.invoice_id = invoices.id
        ) AS fixed
        FROM invoices
        LEFT JOIN invoice_numbers AS numbers ON numbers.invoice_id = id AND numbers.tenant_id = invoices.tenant_id
        WHERE finalised_at IS NOT NULL AND ($1::uuid IS NULL OR invoices.tenant_id = $1)
        """,
        tenant_id,
        list(CHANGEABLE),
    )
    return {row["id"]: row["fixed"] for row in rows}


async def _load(connection: Connection, table: str, tenant_id: UUID | None) -> list[Row]:
    column = "id" if table == "tenants" else "tenant_id"
    return await connection.fetch(f"SELECT * FROM {table} WHERE $1::uuid IS NULL OR {column} = $1", tenant_id)


# ---------------------------------------------------------------------------------------------------------- the ledger


def _each_transfer_is_between_its_accounts(rows: Rows) -> Iterator[str]:
    for row in rows.transfers:
        debit, credit = row["debit"], row["credit"]
        debits, credits_ = ACCOUNTS.get(row["kind"], ((), ()))
        fits = debit in debits and credit in credits_
        mirrored = row["kind"] in MIRRORED and credit in debits and debit in credits_
        elsewhere = row["to_customer_id"] not in (None, row["customer_id"])
        # Credit that moves to the parent stays on its account, and nothing else goes to another customer.
        if (
            row["amount_minor"] <= 0
            or not (fits or mirrored)
            or (debit == credit or elsewhere) != (row["kind"] == "credit_moved" and debit == credit and elsewhere)
        ):
            yield f"transfer {row['id']} ({row['kind']}) moves {row['amount_minor']} from {debit} to {credit}"


def _balances_are_the_sums_of_transfers(rows: Rows) -> Iterator[str]:
    moved: Counter[tuple[UUID, str, str]] = Counter()
    for row in rows.transfers:
        if row["customer_id"] is None:
            continue  # nobody's yet
        moved[row["customer_id"], row["currency"], row["debit"]] += row["amount_minor"]
        moved[row["to_customer_id"] or row["customer_id"], row["currency"], row["credit"]] -= row["amount_minor"]
    stored = {(row["customer_id"], row["currency"]): row for row in rows.customer_balances}
    for customer_id, currency in stored.keys() | {key[:2] for key in moved}:
        balance = stored.get((customer_id, currency))
        ledger = tuple(
            sign * moved[customer_id, currency, account]
            for account, sign in (("receivable", 1), ("customer_credit", -1), ("payable", -1))
        )
        kept = balance and (balance["receivable_minor"], balance["credit_minor"], balance["payable_minor"])
        if kept != ledger:
            yield f"customer {customer_id} in {currency} has {kept}, its transfers come to {ledger}"
        if min(ledger) < 0:
            yield f"customer {customer_id} in {currency} has a negative balance: {ledger}"


def _balances_are_what_invoices_and_credits_leave(rows: Rows) -> Iterator[str]:
    left: Counter[tuple[UUID, str, str]] = Counter()
    for row in rows.invoices:
        column = "receivable_minor" if row["direction"] == "charge" else "payable_minor"
        left[row["customer_id"], row["currency"], column] += row["balance_minor"]
    for row in rows.credits:
        left[row["customer_id"], row["currency"], "credit_minor"] += row["remaining_minor"] + row["reserved_minor"]
    for row in rows.customer_balances:
        for column in ("receivable_minor", "credit_minor", "payable_minor"):
            left[row["customer_id"], row["currency"], column] -= row[column]
    for (customer_id, currency, column), difference in left.items():
        if difference:
            yield f"customer {customer_id} in {currency}: {column} is {difference} short of its documents"


# --------------------------------------------------------------------------------------------------------- documents


def _totals_are_the_sums_of_lines(rows: Rows) -> Iterator[str]:
    lines = grouped(rows.invoice_lines, "invoice_id")
    for row in rows.invoices:
        of_invoice = lines.pop(row["id"], [])
        for column in ("net_minor", "tax_minor", "total_minor"):
            added = sum(line[column] for line in of_invoice)
            if row[column] != added:
                yield f"invoice {row['id']} has {column} {row[column]}, its lines come to {added}"
        numbers = sorted(line["line_no"] for line in of_invoice)
        if numbers != list(range(1, row["line_count"] + 1)):
            yield f"invoice {row['id']} should have {row['line_count']} lines, has {numbers}"
    yield from (f"lines of invoice {invoice_id}, which is not there" for invoice_id in lines)


def _lines_add_up(rows: Rows) -> Iterator[str]:
    for row in rows.invoice_lines:
        base = row["amount_minor"] - row["discount_minor"]
        untaxed = row["total_minor"] if row["tax_inclusive"] else row["net_minor"]
        taxed = row["tax_percent"] is not None or row["tax_minor"] == 0
        within = abs(row["discount_minor"]) <= abs(row["amount_minor"]) and row["discount_minor"] * base >= 0
        if row["net_minor"] + row["tax_minor"] != row["total_minor"] or untaxed != base or not taxed or not within:
            yield f"line {row['line_no']} of invoice {row['invoice_id']} does not add up"


def _invoices_are_what_was_posted(rows: Rows) -> Iterator[str]:
    transfers = grouped(rows.transfers, "invoice_id")
    for row in rows.invoices:
        posted: Counter[str] = Counter(dict.fromkeys(SETTLING, 0))
        balance = total = 0
        account, side = ("receivable", 1) if row["direction"] == "charge" else ("payable", -1)
        for transfer in transfers.get(row["id"], []):
            if transfer["kind"] in INVOICE_FIGURES:
                figure, of, sign = INVOICE_FIGURES[transfer["kind"]]
                posted[figure] += sign * into(transfer, of)
            signed = side * into(transfer, account)
            balance += signed
            total += signed if transfer["kind"] in BILLED else 0
        different = [f"{figure} {row[figure]}" for figure in SETTLING if row[figure] != posted[figure]]
        if different or balance != row["balance_minor"] or total != (row["total_minor"] if row["finalised_at"] else 0):
            yield f"invoice {row['id']} is not what was posted: balance {balance}, total {total}, {different}"
        if row["finalised_at"] is None and row["id"] in transfers:
            yield f"draft {row['id']} has transfers"


def _each_line_was_posted_once(rows: Rows) -> Iterator[str]:
    drafts = {row["id"] for row in rows.invoices if row["finalised_at"] is None}
    posted: dict[tuple[UUID, int], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for transfer in rows.transfers:
        if transfer["line_no"] is not None and transfer["kind"] in BILLED:
            signed = into(transfer, "receivable") - into(transfer, "payable")
            posted[transfer["invoice_id"], transfer["line_no"]][transfer["kind"]].append(signed)
    for row in rows.invoice_lines:
        found = posted.pop((row["invoice_id"], row["line_no"]), {})
        parts = {"net_billed": row["net_minor"], "tax_billed": row["tax_minor"], "payout_billed": row["total_minor"]}
        names = ("payout_billed",) if "payout_billed" in found else ("net_billed", "tax_billed")
        ought = {name: [parts[name]] for name in names if parts[name]}
        if row["invoice_id"] not in drafts and found != ought:
            yield f"line {row['line_no']} of invoice {row['invoice_id']} was posted as {dict(found)}, should be {ought}"
    yield from (f"line {line_no} of invoice {id_} was posted and is not there" for id_, line_no in posted)


def _states_follow_from_balances(rows: Rows) -> Iterator[str]:
    for row in rows.invoices:
        balance = row["total_minor"] - sum(row[figure] for figure in SETTLING) if row["finalised_at"] else 0
        ended = row["finalised_at"] is not None and balance == 0
        holds = {
            "draft": row["finalised_at"] is None,
            "open": balance > 0,
            "paid": ended and row["rebill"] is None and not row["written_off_minor"],
            "void": ended and row["voided_minor"] == row["total_minor"] - row["credit_noted_minor"],
            "uncollectible": ended and row["written_off_minor"] > 0,
        }.get(row["status"], True)
        if not holds or balance != row["balance_minor"] or balance < 0 or ended != (row["settled_at"] is not None):
            yield f"invoice {row['id']} is {row['status']} with a balance of {balance}, stored {row['balance_minor']}"


def _credits_are_what_was_posted(rows: Rows) -> Iterator[str]:
    transfers = grouped(rows.transfers, "credit_id")
    reserved: Counter[UUID] = Counter()
    for row in rows.refunds:
        if row["status"] == "pending" and row["invoice_id"] is None and row["credit_id"] is not None:
            reserved[row["credit_id"]] += row["amount_minor"]
    for row in rows.credits:
        posted: Counter[str] = Counter()
        for transfer in transfers.pop(row["id"], []):
            if transfer["kind"] == "credit_moved":
                posted["moved_minor"] += transfer["amount_minor"]
                continue
            figure, sign = CREDIT_FIGURES.get(transfer["kind"], ("unknown", 0))
            posted[figure] += sign * into(transfer, "customer_credit")
        if row["source"] == "moved":
            posted["amount_minor"] = row["amount_minor"]  # its transfer names the child's credit
        figures = {
            **dict.fromkeys((figure for figure, _ in CREDIT_FIGURES.values()), 0), "moved_minor": 0, **posted,
            "reserved_minor": reserved.pop(row["id"], 0),
        }  # fmt: skip
        gone = sum(amount for figure, amount in figures.items() if figure not in ("amount_minor", "unknown"))
        figures["remaining_minor"] = figures["amount_minor"] - gone
        wrong = any(figures[column] != row[column] for column in figures if column != "unknown")
        if figures["remaining_minor"] < 0 or wrong:
            yield f"credit {row['id']} is not what was posted: {figures}"
    yield from (f"transfers of credit {credit_id}, which is not there" for credit_id in transfers)
    yield from (f"refunds of credit {credit_id}, which is not there" for credit_id in reserved)


def _numbers_have_no_gaps(rows: Rows) -> Iterator[str]:
    following = {(row["tenant_id"], row["series"]): row["next_sequence"] for row in rows.number_series}
    taken: dict[tuple[UUID, str], list[int]] = defaultdict(list)
    for row in (*rows.invoice_numbers, *rows.credit_note_numbers):
        taken[row["tenant_id"], row["series"]].append(row["sequence"])
    for key in following.keys() | taken.keys():
        if sorted(taken[key]) != list(range(1, following.get(key, 0))):
            yield f"series {key[1]} of tenant {key[0]} goes on at {following.get(key)}, has {sorted(taken[key])}"
    numbers = Counter(row["invoice_id"] for row in rows.invoice_numbers)
    unnumbered = {"draft", "awaiting_payment", "abandoned"}
    for row in rows.invoices:
        found = numbers.pop(row["id"], 0)
        if found != (row["status"] not in unnumbered):
            yield f"invoice {row['id']} is {row['status']} and has {found} numbers"
    yield from (f"the number of invoice {invoice_id}, which is not there" for invoice_id in numbers)
    notes = Counter(row["credit_note_id"] for row in rows.credit_note_numbers)
    notes.subtract(row["id"] for row in rows.credit_notes)
    yield from (f"credit note {id_} has {1 + times} numbers" for id_, times in notes.items() if times)
    for found_numbers in (rows.invoice_numbers, rows.credit_note_numbers):
        texts = Counter((row["tenant_id"], row["number"]) for row in found_numbers)
        yield from (f"{number} is printed {times} times" for (_, number), times in texts.items() if times > 1)


# ------------------------------------------------------------------------------------------------------------- events


def _events_are_numbered_without_gaps(rows: Rows) -> Iterator[str]:
    following = {row["tenant_id"]: row["next_sequence"] for row in rows.event_series}
    taken = grouped(rows.event_numbers, "tenant_id")
    for tenant in rows.tenants:
        found = sorted(row["sequence"] for row in taken.pop(tenant["id"], []))
        if found != list(range(1, following.get(tenant["id"], 0))):
            yield f"tenant {tenant['id']} goes on at {following.get(tenant['id'])}, has {len(found)} events"
    yield from (f"numbered events of tenant {tenant_id}, which is not there" for tenant_id in taken)


def _each_event_is_told_once(rows: Rows) -> Iterator[str]:
    places = Counter(_told(rows))
    for row in rows.events:
        found = places.pop(row["id"], 0)
        if found != 1:
            yield f"event {row['id']} ({row['type']}) is told {found} times"
    yield from (f"event {event_id} is told and is not there" for event_id in places)


def _events_tell_every_version_in_order(rows: Rows) -> Iterator[str]:
    events = {row["id"]: row for row in rows.events}
    versions: dict[UUID, list[int]] = defaultdict(list)
    ended = {row["object_id"] for row in rows.events if row["type"] == "invoice.deleted"}
    for event_id in _told(rows):
        if event_id in events:
            versions[events[event_id]["object_id"]].append(events[event_id]["object_version"])
    objects = [
        *rows.invoices, *rows.customers, *rows.credits, *rows.tenants, *rows.payments, *rows.disputes,
        *rows.credit_notes, *rows.write_offs, *rows.payment_methods, *rows.gateway_accounts, *rows.catalogs,
        *rows.subscriptions,
    ]  # fmt: skip
    refunds = {row["id"]: row for row in rows.refunds}
    operations = {row["id"] for row in rows.operations}
    stored = {row["id"]: row["version"] for row in objects}
    stored |= {row["id"]: 1 if row["revoked_at"] is None else 2 for row in rows.api_keys}
    # Methods and accounts may be put there by a test's stage; what was told of them is right all the same.
    made = {row["id"] for row in (*rows.payment_methods, *rows.gateway_accounts)}
    stored = {id_: version for id_, version in stored.items() if id_ not in made or id_ in versions}
    for object_id in stored.keys() | versions.keys() | refunds.keys():
        told = versions.get(object_id, [])
        if object_id in operations:
            continue  # told when it starts and when it ends
        if object_id in refunds:  # how often it was sent is not told
            if told != sorted(set(told)) or not told or told[-1] > refunds[object_id]["version"]:
                yield f"refund {object_id} is at version {refunds[object_id]['version']}, told as {told}"
            continue
        if told != list(range(1, len(told) + 1)):
            yield f"the versions of {object_id} are told as {told}"
        if stored.get(object_id) != (None if object_id in ended else len(told)):
            yield f"{object_id} is at version {stored.get(object_id)}, told are {len(told)}"


# ------------------------------------------------------------------------------------------------------ subscriptions


def _timelines_begin_with_their_creation(rows: Rows) -> Iterator[str]:
    """Entries stand at 1, 2, 3 …, the first is the creation and the only one, and it is never undone."""
    entries = grouped(rows.subscription_changes, "subscription_id")
    for row in rows.subscriptions:
        timeline = sorted(entries.get(row["id"], ()), key=lambda entry: entry["position"])
        created = [entry["position"] for entry in timeline if entry["kind"] == "created" and not entry["undone_at"]]
        if [entry["position"] for entry in timeline] != list(range(1, len(timeline) + 1)) or created != [1]:
            yield f"the timeline of subscription {row['id']} has {len(timeline)} entries, created at {created}"
        elif timeline[0]["billing_on"] != row["starts_on"]:
            yield f"subscription {row['id']} starts on {row['starts_on']}, by its timeline {timeline[0]['billing_on']}"


def _groups_have_one_base_of_one_customer(rows: Rows) -> Iterator[str]:
    for group_id, members in grouped(rows.subscriptions, "group_id").items():
        kinds = sorted(row["product_kind"] for row in members)
        leads = [kind for kind in kinds if kind != "add_on"]
        if len(leads) != 1 or (leads == ["standalone"] and len(kinds) > 1):
            yield f"group {group_id} has {kinds}"
        if len({row["customer_id"] for row in members}) > 1:
            yield f"group {group_id} is of several customers"


def _what_is_over_waits_for_nothing(rows: Rows) -> Iterator[str]:
    """What is cancelled or expired changes no more by itself, and nothing of a deleted customer's is billed or used."""
    deleted = {row["id"] for row in rows.customers if row["deleted_at"]}
    billing = {row["subscription_id"]: row for row in rows.subscription_billing}
    for row in rows.subscriptions:
        over = row["status"] in ("cancelled", "expired")
        if over and row["next_change_at"] is not None:
            yield f"subscription {row['id']} is {row['status']} and changes at {row['next_change_at']}"
        of_runs = billing.get(row["id"])
        waits = of_runs is not None and not (of_runs["next_bill_on"] is of_runs["rework_from_on"] is None)
        if row["customer_id"] in deleted and (waits or not over):
            yield f"subscription {row['id']} is {row['status']}, its customer deleted"


def _how_far_runs_have_come_is_known(rows: Rows) -> Iterator[str]:
    known = {row["subscription_id"] for row in rows.subscription_billing}
    yield from (f"subscription {row['id']} has no billing" for row in rows.subscriptions if row["id"] not in known)


# ------------------------------------------------------------------------------------------------------------ tenants


def _nothing_crosses_tenants(rows: Rows) -> Iterator[str]:
    """What a row names is there, of the same tenant and of the same customer."""
    tenants = {row["id"] for row in rows.tenants}
    customers = {row["id"]: row for row in rows.customers}
    invoices = {row["id"]: row for row in rows.invoices}
    credits_ = {row["id"]: row for row in rows.credits}
    payments = {row["id"]: row for row in rows.payments}
    causes = {row["id"]: row for row in rows.causes}
    subscriptions = {row["id"]: row for row in rows.subscriptions}
    owned = {
        "invoice": (rows.invoices, {"customer_id": customers}),
        "line": (rows.invoice_lines, {"invoice_id": invoices}),
        "balance": (rows.customer_balances, {"customer_id": customers}),
        "credit": (rows.credits, {"customer_id": customers, "invoice_id": invoices}),
        "number": (rows.invoice_numbers, {"invoice_id": invoices}),
        "method": (rows.payment_methods, {"customer_id": customers}),
        "payment": (rows.payments, {"customer_id": customers}),
        "attempt": (rows.attempts, {"customer_id": customers}),
        "share": (rows.attempt_invoices, {"invoice_id": invoices}),
        "draw": (rows.credit_draws, {"invoice_id": invoices, "credit_id": credits_}),
        "allocation": (rows.allocations, {"customer_id": customers, "invoice_id": invoices}),
        "refund": (rows.refunds, {"customer_id": customers}),
        "dispute": (rows.disputes, {"customer_id": customers, "payment_id": payments}),
        "credit note": (rows.credit_notes, {"customer_id": customers, "invoice_id": invoices}),
        "write-off": (rows.write_offs, {"customer_id": customers, "invoice_id": invoices}),
        "event": (rows.events, {"customer_id": customers, "cause_id": causes}),
        "customer": (rows.customers, {"parent_id": customers}),
        "subscription": (rows.subscriptions, {"customer_id": customers}),
        "billing": (rows.subscription_billing, {"subscription_id": subscriptions}),
        "change": (rows.subscription_changes, {"subscription_id": subscriptions}),
        "transfer": (
            rows.transfers,
            {"customer_id": customers, "invoice_id": invoices, "credit_id": credits_, "cause_id": causes},
        ),
    }
    for kind, (children, parents) in owned.items():
        for row in children:
            if row["tenant_id"] not in tenants:
                yield f"{kind} {_name(row)} is of tenant {row['tenant_id']}, which is not there"
            for column, known in parents.items():
                if row[column] is not None and not _belongs(row, known.get(row[column])):
                    yield f"{kind} {_name(row)} names {column} {row[column]}, which is not its own"


def _rows_live_in_their_shard(rows: Rows) -> Iterator[str]:
    placed = {
        "id": [
            *rows.customers,
            *rows.invoices,
            *rows.transfers,
            *rows.credits,
            *rows.events,
            *rows.payments,
            *rows.attempts,
            *rows.allocations,
            *rows.refunds,
            *rows.disputes,
            *rows.credit_notes,
            *rows.write_offs,
            *rows.payment_methods,
            *rows.subscriptions,
        ],
        "customer_id": [*rows.customer_balances, *rows.transfers, *rows.invoices, *rows.credits, *rows.subscriptions],
        "group_id": rows.subscriptions,
        "subscription_id": [*rows.subscription_changes, *rows.subscription_billing],
        "invoice_id": rows.invoice_lines,
        "event_id": rows.event_numbers,
    }
    for column, found in placed.items():
        yield from (
            f"{column} {row[column]} in shard {row['shard']}"
            for row in found
            if row[column] is not None and _shard(row[column]) != row["shard"]
        )


Invariant: TypeAlias = Callable[[Rows], Iterable[str]]

INVARIANTS: dict[str, Invariant] = {
    "debits are credits": _each_transfer_is_between_its_accounts,
    "balances are the sums of transfers": _balances_are_the_sums_of_transfers,
    "balances are what documents leave": _balances_are_what_invoices_and_credits_leave,
    "totals are lines": _totals_are_the_sums_of_lines,
    "lines add up": _lines_add_up,
    "invoices are what was posted": _invoices_are_what_was_posted,
    "lines are posted once": _each_line_was_posted_once,
    "states follow from balances": _states_follow_from_balances,
    "credits are what was posted": _credits_are_what_was_posted,
    "draws are what was posted": money.draws_are_what_was_posted,
    "payments are what was posted": money.payments_are_what_was_posted,
    "refunded is within captured": money.refunds_stay_within_what_was_captured,
    "refunds are what was posted": money.refunds_are_what_was_posted,
    "credit notes are what was posted": money.credit_notes_are_what_was_posted,
    "write-offs are what was posted": money.write_offs_are_what_was_posted,
    "disputes are what was posted": money.disputes_are_what_was_posted,
    "at most one live charge per invoice": money.at_most_one_live_charge_per_invoice,
    "numbers have no gaps": _numbers_have_no_gaps,
    "events have no gaps": _events_are_numbered_without_gaps,
    "one event per fact": _each_event_is_told_once,
    "events tell every version": _events_tell_every_version_in_order,
    "timelines begin with their creation": _timelines_begin_with_their_creation,
    "groups have one base of one customer": _groups_have_one_base_of_one_customer,
    "what is over waits for nothing": _what_is_over_waits_for_nothing,
    "how far runs have come is known": _how_far_runs_have_come_is_known,
    "nothing crosses tenants": _nothing_crosses_tenants,
    "rows live in their shard": _rows_live_in_their_shard,
}
UNCHANGED = "finalised invoices never change"


def _changed(earlier: Finalised, now: Finalised) -> Iterator[str]:
    for invoice_id, fixed in earlier.items():
        if now.get(invoice_id) != fixed:
            yield f"invoice {invoice_id} was {fixed}, is {now.get(invoice_id)}"


def _told(rows: Rows) -> Iterator[UUID]:
    """The events in the order of the sequence: those numbered, then those that wait."""
    for row in sorted(rows.event_numbers, key=lambda row: (row["tenant_id"], row["sequence"])):
        yield row["event_id"]
    for row in sorted(rows.outbox, key=lambda row: row["position"]):
        yield from row["event_ids"]


def _belongs(child: Row, parent: Row | None) -> bool:
    """Whether the parent is there, of the child's tenant and, if it is a customer's, of the same customer."""
    if parent is None or parent["tenant_id"] != child["tenant_id"]:
        return False
    columns = {"customer_id", "currency"} & set(child.keys()) & set(parent.keys())
    return "customer_id" not in columns or all(child[column] == parent[column] for column in columns)


def _name(row: Row) -> str:
    return " ".join(str(row[column]) for column in ("id", "invoice_id", "line_no", "customer_id") if column in row)


def _shard(id_: UUID) -> int:
    return id_.int % 1024
