"""Collecting: what is due is charged, what somebody asks for is charged now, a new method supersedes the plan."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from billsmith.actions.calls import Begun, Call, Outcome, carry_out, carry_out_in_steps
from billsmith.actions.context import Context
from billsmith.actions.money.attempts import LEASE, Sending, new_ids, send_and_record
from billsmith.actions.money.recovery import recover_first
from billsmith.actions.money.sweeping import in_halves, of_each_tenant
from billsmith.actions.saving import (
    InvoiceNotFound,
    Standings,
    lock_standing,
    lock_standings,
    record_facts,
    save,
)
from billsmith.core.collecting.plans import begun, collectable, default_given, held, method_given, method_of
from billsmith.core.collecting.stopping import stopped
from billsmith.core.decisions import Decision, Standing, invoice_changed
from billsmith.core.facts import Fact
from billsmith.core.ids import CustomerId, InvoiceId, find_id, show_id
from billsmith.core.invoices import Document, Invoice
from billsmith.core.payments.methods import GatewayAccount, GatewayAccountUnusable, PaymentMethod
from billsmith.core.payments.payment import Attempt, NotCollectable, Payment
from billsmith.core.tenants import Tenant
from billsmith.errors import BillsmithError, NotFound, Unavailable
from billsmith.store import customers as customer_rows
from billsmith.store import invoices as invoice_rows
from billsmith.store.events import Cause
from billsmith.store.invoices import DueInvoice, Uncollectable
from billsmith.store.money import payment_methods as method_rows
from billsmith.store.pool import Connection

SWEEP = 3000
"""Invoices looked at in one go of the sweep."""
BATCH = 100
"""Customers whose attempts begin, and are recorded, in one transaction."""
BATCHES_AT_ONCE = 12
"""No more, and no more than have twice the calls that the accounts bear at once: the next begin while those go on, and
none waits so long for its turn that its lease ends."""
PACED_SECONDS = 20
"""No more is begun at once than an account with a rate bears within this time, well inside the attempts' leases."""
LEFT_ALONE_FOR = timedelta(minutes=5)
"""Until an invoice whose gateway can't be reached is tried again."""
LONGEST_REASON = 200


class PaymentMethodNotFound(NotFound):
    """No such payment method of this customer."""

    code = "payment_method_not_found"


async def collect_invoice(context: Context, call: Call, id_: UUID) -> Outcome[Document]:
    """Charge what this invoice owes now, whatever the plan was. Raises NotCollectable, GatewayAccountUnusable."""

    async def begin(connection: Connection, cause: Cause) -> Begun[Document]:
        standing, invoice = await _lock(connection, call.tenant, id_)
        collectable(standing, invoice)
        _still_billed(standing, invoice)
        sendings, problems = await begin_charges(
            connection, context, cause, {standing.customer.id: standing}, [invoice], asked=True
        )
        if problems:
            raise problems[0]
        return await begun_document(connection, call.tenant, id_, sendings)

    await recover_first(context, call, invoice_ids=[id_])
    return await charge_in_steps(context, call, begin)


async def give_method(context: Context, call: Call, id_: UUID, method_id: UUID, *, default: bool) -> Outcome[Document]:
    """Collect this invoice with this method: at once, or after the charge that is under way.

    `default`: it is the customer's from now on, too. Raises PaymentMethodNotFound, PaymentMethodUnusable,
    NotCollectable.
    """

    async def begin(connection: Connection, cause: Cause) -> Begun[Document]:
        if default:
            found = await read_document(connection, call.tenant, id_)
            await lock_family(connection, call.tenant, found.invoice.customer_id)
        standing, invoice = await _lock(connection, call.tenant, id_)
        method = await method_for(connection, call.tenant, standing, method_id)
        decision = method_given(Decision(standing), invoice, method, cause.caused_at)
        await save(connection, context, cause, {standing.customer.id: standing}, [decision], {})
        if default:
            await make_default(connection, context, cause, decision.standing, method)
        document = await read_document(connection, call.tenant, id_)
        return await begin_scheduled(connection, context, cause, call.tenant, document)

    await recover_first(context, call, invoice_ids=[id_])
    return await charge_in_steps(context, call, begin)


async def hold_invoice(context: Context, call: Call, id_: UUID) -> Outcome[Document]:
    """Stop collecting this invoice until somebody asks for it. Raises NotCollectable."""

    async def verb(connection: Connection, cause: Cause) -> Document:
        standing, invoice = await _lock(connection, call.tenant, id_)
        decision = held(Decision(standing), invoice)
        await save(connection, context, cause, {standing.customer.id: standing}, [decision], {})
        return await read_document(connection, call.tenant, id_)

    return await carry_out(context, call, verb)


async def lock_family(connection: Connection, tenant: Tenant, id_: CustomerId) -> None:
    """Lock a customer together with the children it may have to pay for, in the house's order: before its default."""
    children = await customer_rows.waiting_children(connection, tenant.id, id_)
    if children:
        await customer_rows.lock_customers(connection, tenant.id, [id_, *children])


async def plan_waiting(connection: Connection, context: Context, cause: Cause, standing: Standing) -> None:
    """The customer of this standing has another default, or is collected again: what waited for that is due now.

    What its children owe, too, where they have no method of their own. It is planned here and charged by the next
    sweep.
    """
    tenant, customer = standing.tenant, standing.customer
    children = await customer_rows.waiting_children(connection, tenant.id, customer.id)
    standings = {customer.id: standing}
    if children:
        standings |= await lock_standings(connection, tenant, children)
    owed = await invoice_rows.owed_invoices(connection, tenant.id, standings)
    decisions = [
        default_given(Decision(one), owed.get(id_, []), cause.caused_at)
        for id_, one in standings.items()
        if one.customer.payment_method_id is None or id_ == customer.id
    ]
    if decisions := [decision for decision in decisions if decision.invoices]:
        await save(connection, context, cause, standings, decisions, {})


async def begin_charges(
    connection: Connection,
    context: Context,
    cause: Cause,
    standings: Standings,
    invoices: Sequence[Invoice],
    *,
    asked: bool = False,
) -> tuple[list[Sending], list[BillsmithError]]:
    """Begin an attempt for each of these locked invoices: what is to be sent after the commit, and what can't begin.

    A supplementary invoice that is waiting goes with the one it adjusts. Where a method or account can't be used the
    invoice gets another plan, unless somebody `asked` for it: then nothing is changed.
    """
    tenant_id = cause.tenant_id
    wanted = {invoice.id: method_of(standings[invoice.customer_id], invoice) for invoice in invoices}
    methods = await method_rows.get_methods(connection, tenant_id, {id_ for id_ in wanted.values() if id_ is not None})
    accounts = {account.id: account for account in await method_rows.list_accounts(connection, tenant_id)}
    decisions: dict[CustomerId, Decision] = {}
    sent: list[tuple[Attempt, Payment, PaymentMethod, GatewayAccount]] = []
    problems: list[BillsmithError] = []
    for group in _groups(invoices):
        first = group[0]
        decision = decisions.get(first.customer_id, Decision(standings[first.customer_id]))
        method_id = wanted[first.id]
        method = None if method_id is None else methods.get(method_id)
        problem = _problem(context, method, accounts, asked=asked)
        if problem is not None:
            problems.append(problem)
            if not asked:
                decisions[first.customer_id] = _replanned(decision, group, problem, cause)
            continue
        assert method is not None
        wall = context.clock.wall()
        decision = begun(
            decision, group, method, new_ids(context, first.customer_id), _fingerprint(group, method),
            cause.caused_at, wall, wall + LEASE,
        )  # fmt: skip
        decisions[first.customer_id] = decision
        attempt = next(row for row in reversed(decision.rows) if isinstance(row, Attempt))
        payment = next(row for row in reversed(decision.rows) if isinstance(row, Payment))
        sent.append((attempt, payment, method, accounts[method.gateway_account_id]))
    if decisions:
        await save(connection, context, cause, standings, list(decisions.values()), {})
    tenant = next(iter(standings.values())).tenant if standings else None
    return [Sending(tenant, *one) for one in sent if tenant is not None], problems


async def collect_due(context: Context) -> int:
    """Charge what is due for all who live in the real time; how many invoices were looked at."""
    due = await invoice_rows.collect_due(context.pool, context.clock.wall(), SWEEP)
    return await of_each_tenant(context, due, collect_these, "due")


async def collect_due_of(context: Context, call: Call) -> int:
    """Charge what is due of one tenant by its own clock; how many invoices were looked at."""
    due = await invoice_rows.collect_due(context.pool, context.clock.of(call.tenant), SWEEP, call.tenant.id)
    await collect_these(context, call, due)
    return len(due)


async def collect_these(context: Context, call: Call, due: Sequence[DueInvoice]) -> None:
    """Charge these invoices of one tenant, in batches; a batch that is refused is tried in halves.

    One that can't be charged is parked. No more are begun than can be sent in time: the rest is due at the next look.
    """
    accounts = [one for one in await method_rows.list_accounts(context.pool, call.tenant.id) if one.status == "active"]
    paces = [context.pacing.of(account.id, account.settings) for account in accounts]
    bearable = min((2 * pace.at_once // BATCH for pace in paces), default=BATCHES_AT_ONCE)
    room = asyncio.Semaphore(max(1, min(bearable, BATCHES_AT_ONCE)))

    async def batch(part: Sequence[DueInvoice]) -> None:
        async with room:
            await _collect_batch(context, call, part)

    most = min((turns for pace in paces if (turns := pace.room_in(PACED_SECONDS)) is not None), default=None)
    results = await asyncio.gather(*(batch(part) for part in _parts(due[:most])), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


async def list_uncollectable(
    context: Context, tenant: Tenant, after: CustomerId | None, limit: int
) -> list[Uncollectable]:
    """Which customers can't be charged, how much of theirs waits, and why (one row per currency and reason)."""
    return await invoice_rows.uncollectable_customers(context.pool, tenant.id, after, limit)


async def method_for(connection: Connection, tenant: Tenant, standing: Standing, method_id: UUID) -> PaymentMethod:
    """A method of this customer, or of the parent who pays. Raises PaymentMethodNotFound."""
    found = await method_rows.get_methods(connection, tenant.id, [method_id])
    return belonging(found.get(method_id), standing, method_id)


def belonging(method: PaymentMethod | None, standing: Standing, method_id: UUID) -> PaymentMethod:
    """The method, if it is this customer's or that of the parent who pays. Raises PaymentMethodNotFound."""
    if method is None or method.customer_id not in (standing.customer.id, standing.customer.parent_id):
        raise PaymentMethodNotFound(
            f"this customer has no payment method {show_id('payment_method', method_id)}", pointer="/payment_method"
        )
    return method


async def make_default(
    connection: Connection, context: Context, cause: Cause, standing: Standing, method: PaymentMethod
) -> Standing:
    """Make a method its customer's default, and plan what waited for one; the standing with the changed customer."""
    customer = replace(standing.customer, payment_method_id=method.id, version=standing.customer.version + 1)
    await customer_rows.update_customer(connection, customer)
    fact = Fact("customer.updated", customer.id, customer.version, customer, customer.id)
    await record_facts(connection, context, cause, [fact])
    standing = replace(standing, customer=customer)
    await plan_waiting(connection, context, cause, standing)
    return standing


async def read_document(connection: Connection, tenant: Tenant, id_: UUID) -> Document:
    """The invoice as it is. Raises InvoiceNotFound."""
    document = await invoice_rows.get_document(connection, tenant.id, id_)
    if document is None:
        raise InvoiceNotFound(f"there is no invoice {show_id('invoice', id_)}")
    return document


async def begin_scheduled(
    connection: Connection, context: Context, cause: Cause, tenant: Tenant, document: Document
) -> Begun[Document]:
    """The invoice as it is in this transaction, its charge begun if it is due."""
    id_ = document.invoice.id
    if not _is_due(document.invoice, cause):
        return Begun(document, show_id("invoice", id_))
    standing, invoice = await _lock(connection, tenant, id_)
    sendings, _ = await begin_charges(connection, context, cause, {standing.customer.id: standing}, [invoice])
    return await begun_document(connection, tenant, id_, sendings)


async def begun_document(
    connection: Connection, tenant: Tenant, id_: UUID, sendings: Sequence[Sending]
) -> Begun[Document]:
    """The invoice as it is in this transaction, and what is to be sent once it has committed."""
    return Begun(await read_document(connection, tenant, id_), show_id("invoice", id_), tuple(sendings))


async def charge_in_steps(
    context: Context, call: Call, begin: Callable[[Connection, Cause], Awaitable[Begun[Document]]]
) -> Outcome[Document]:
    """A verb about one invoice that may charge it: what `begin` left to be sent is sent and recorded, then answered."""

    async def go_on(begun_: Begun[Document]) -> None:
        await send_and_record(context, replace(call, keyed=None), begun_.later)

    async def reread(connection: Connection, subject: str) -> Document:
        return await read_document(connection, call.tenant, find_id("invoice", subject))

    return await carry_out_in_steps(context, call, begin, go_on=go_on, reread=reread)


async def _lock(connection: Connection, tenant: Tenant, id_: UUID) -> tuple[Standing, Invoice]:
    document = await read_document(connection, tenant, id_)
    standing = await lock_standing(connection, tenant, document.invoice.customer_id, owed=True)
    return standing, (await invoice_rows.lock_invoices(connection, tenant.id, [id_]))[id_]


async def _collect_batch(context: Context, call: Call, due: Sequence[DueInvoice]) -> None:
    sendings: list[Sending] = []

    async def begin(part: Sequence[DueInvoice]) -> int:
        async def verb(connection: Connection, cause: Cause) -> list[Sending]:
            return await _begin_due(connection, context, cause, call.tenant, part)

        begun_ = (await carry_out(context, call, verb)).fresh
        sendings.extend(begun_)
        return len(begun_)

    async def park(one: DueInvoice, error: Exception) -> None:
        await _park(context, call, one, error)

    try:
        await in_halves(due, begin, park)
    finally:
        await send_and_record(context, call, sendings)


async def _begin_due(
    connection: Connection, context: Context, cause: Cause, tenant: Tenant, due: Sequence[DueInvoice]
) -> list[Sending]:
    standings = await lock_standings(connection, tenant, {one.customer_id for one in due})
    locked = await invoice_rows.lock_invoices(connection, tenant.id, [one.id for one in due])
    ready = [invoice for invoice in locked.values() if _is_due(invoice, cause) and invoice.customer_id in standings]
    gone = [invoice for invoice in ready if _is_of_deleted(standings[invoice.customer_id], invoice)]
    for invoice in gone:
        decision = stopped(Decision(standings[invoice.customer_id]), invoice, "customer_deleted")
        await save(connection, context, cause, standings, [decision], {})
    sendings, _ = await begin_charges(
        connection, context, cause, standings, [invoice for invoice in ready if invoice not in gone]
    )
    return sendings


async def _park(context: Context, call: Call, one: DueInvoice, error: Exception) -> None:
    """An invoice that can't be collected stops no other: it is stopped, and shows up among those for review."""

    async def verb(connection: Connection, cause: Cause) -> None:
        standing, invoice = await _lock(connection, call.tenant, one.id)
        if not _is_due(invoice, cause):
            return
        decision = stopped(Decision(standing), invoice, "parked")
        await save(connection, context, cause, {standing.customer.id: standing}, [decision], {})

    because = f"its charge could not begin: {error}"[:LONGEST_REASON]
    await carry_out(context, replace(call, reason=because), verb)


def _is_due(invoice: Invoice, cause: Cause) -> bool:
    return (
        invoice.status == "open"
        and invoice.collection_state in ("scheduled", "retrying")
        and invoice.next_collect_at is not None
        and invoice.next_collect_at <= cause.caused_at
    )


def _is_of_deleted(standing: Standing, invoice: Invoice) -> bool:
    return standing.customer.deleted_at is not None and invoice.direction == "charge"


def _still_billed(standing: Standing, invoice: Invoice) -> None:
    if _is_of_deleted(standing, invoice):
        raise NotCollectable("this customer was deleted, and is never charged again")


def _parts(due: Sequence[DueInvoice]) -> list[list[DueInvoice]]:
    """Batches in which a customer is whole, so that no two transactions wait for one customer."""
    by_customer: dict[CustomerId, list[DueInvoice]] = {}
    for one in due:
        by_customer.setdefault(one.customer_id, []).append(one)
    parts: list[list[DueInvoice]] = [[]]
    for of_customer in by_customer.values():
        if len(parts[-1]) >= BATCH:
            parts.append([])
        parts[-1] += of_customer
    return [part for part in parts if part]


def _groups(invoices: Iterable[Invoice]) -> list[list[Invoice]]:
    """An invoice and those that supplement it are charged together: one payment, if currency and direction agree."""
    groups: dict[InvoiceId, list[Invoice]] = {}
    ordered = sorted(invoices, key=lambda invoice: (invoice.adjusts_id is not None, invoice.id.int))
    for invoice in ordered:
        adjusted = groups.get(invoice.adjusts_id) if invoice.adjusts_id is not None else None
        if adjusted is not None and (adjusted[0].currency, adjusted[0].direction) == (
            invoice.currency,
            invoice.direction,
        ):
            adjusted.append(invoice)
        else:
            groups[invoice.id] = [invoice]
    return list(groups.values())


class PaidByHand(NotCollectable):
    """The payment method is one that no gateway charges: somebody says when the money has come."""

    code = "paid_by_hand"


class GatewayResting(Unavailable):
    """The gateway could not be reached, or asked for patience: nothing is sent to it for a while."""

    code = "gateway_resting"


def _problem(
    context: Context, method: PaymentMethod | None, accounts: dict[Any, GatewayAccount], *, asked: bool
) -> BillsmithError | None:
    if method is not None and method.kind == "external":
        return PaidByHand("this is paid by hand: record the payment when it has come", pointer="/payment_method")
    if method is None or method.status != "active":
        state = "missing" if method is None else method.status
        return PaymentMethodNotFound(f"the payment method is {state}", pointer="/payment_method")
    account = accounts.get(method.gateway_account_id)
    if account is None or account.status == "closed":
        return PaymentMethodNotFound("the gateway account of this method is closed", pointer="/payment_method")
    if account.status == "paused":
        because = account.paused_because or account.status
        return GatewayAccountUnusable(f"the gateway account of this method can't be used: {because}")
    if not asked and context.pacing.of(account.id, account.settings).rests_seconds > PACED_SECONDS:
        return GatewayResting("the gateway can't be reached at the moment")
    return None


def _replanned(decision: Decision, group: Sequence[Invoice], problem: BillsmithError, cause: Cause) -> Decision:
    """What waits for a paused account stays due: it is looked at again as soon as that is resumed."""
    for invoice in group:
        plan: dict[str, Any]
        match problem:
            case PaidByHand():
                plan = {
                    "collection_state": "no_method",
                    "collection_reason": "external_method",
                    "next_collect_at": None,
                }
            case GatewayAccountUnusable():
                plan = {"collection_state": "scheduled", "collection_reason": "gateway_paused"}
            case GatewayResting():
                plan = {
                    "collection_state": "retrying",
                    "collection_reason": "not_submitted",
                    "next_collect_at": cause.caused_at + LEFT_ALONE_FOR,
                }
            case _:
                plan = {"collection_state": "failed", "collection_reason": "needs_new_method", "next_collect_at": None}
        changed = replace(invoice, version=invoice.version + 1, **plan)
        decision = invoice_changed(decision, changed, "invoice.collection_changed")
    return decision


def _fingerprint(group: Sequence[Invoice], method: PaymentMethod) -> bytes:
    told = [method.token, group[0].currency, str(sum(invoice.balance_minor for invoice in group))]
    told += [show_id("invoice", invoice.id) for invoice in group]
    return hashlib.sha256("\0".join(told).encode()).digest()
