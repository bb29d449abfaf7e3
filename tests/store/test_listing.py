"""Lists: every filter alone and combined, pages that are complete and without repeats, and what is too broad."""

import asyncio
import itertools
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import msgspec
import pytest

from billsmith.actions import customers, invoices
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.invoices import NewInvoice
from billsmith.clock import FixedClock
from billsmith.core.customers import Customer
from billsmith.core.invoices import Document, InvoiceDetails
from billsmith.core.tenants import Tenant
from billsmith.ids import IdMaker
from billsmith.store import listing
from billsmith.store.invoices import list_documents
from billsmith.store.labels import labels_of, metadata_label, tag_label
from billsmith.store.listing import Filters, FilterTooBroad, Range
from billsmith.store.pool import Pool
from tests.actions.made import credit, customer, draft, invoice
from tests.conftest import NOON

DAY = timedelta(days=1)


@pytest.fixture
def timed(context: Context, clock: FixedClock) -> Context:
    """A context whose ids tell the time of the test's clock, as real ones tell the real time."""
    return msgspec.structs.replace(context, ids=IdMaker(clock.wall))


@pytest.fixture
async def owners(timed: Context, call: Call) -> list[Customer]:
    return [await customer(timed, call, name=name) for name in ("Ada", "Ben", "Cyd")]


@pytest.fixture
async def many(timed: Context, call: Call, owners: list[Customer], clock: FixedClock) -> list[Document]:
    """Sixty invoices of three customers over sixty days, of every kind there is."""
    draw = random.Random(7)
    made = []
    for n in range(60):
        clock.at = NOON + n * DAY / 2
        details = InvoiceDetails(
            amount_minor=draw.choice([0, 100, -50, 10_000]),
            currency=draw.choice(["EUR", "USD"]),
            external_id=None if n % 3 else f"doc-{n % 6}-{n}",
            issued_on=draw.choice([None, date(2026, 3, 1)]),
            terms_days=draw.choice([0, 10, None]),
            tags=tuple(draw.sample(["red", "blue", "hidden"], draw.randint(0, 2))),
            metadata={"plan": draw.choice(["gold", "tin"])} if n % 2 else {},
        )
        given = NewInvoice(draw.choice(owners).id, details, draft=draw.random() < 0.2)
        made.append((await invoices.create_invoice(timed, call, given)).fresh)
    found = await list_documents(timed.pool, call.tenant.id, Filters(100, hidden=True), lines=True)
    assert len(found) == 60
    return found


Keep = Callable[[Any], bool]


def conditions(owners: list[Customer], many: list[Document]) -> dict[str, tuple[dict[str, Any], Keep]]:
    """Filters by name: what is asked for, and which invoices that should leave."""
    at, day = NOON + 12 * DAY, date(2026, 3, 27)
    named = next(one.invoice for one in many if one.invoice.external_id and one.invoice.customer_id == owners[0].id)
    return {
        "customer": ({"customer_id": owners[0].id}, lambda one: one.customer_id == owners[0].id),
        "status": ({"equal": {"status": "open"}}, lambda one: one.status == "open"),
        "draft": ({"equal": {"status": "draft"}}, lambda one: one.status == "draft"),
        "state": ({"equal": {"collection_state": "no_method"}}, lambda one: one.collection_state == "no_method"),
        "currency": ({"equal": {"currency": "USD"}}, lambda one: one.currency == "USD"),
        "external": (
            {"customer_id": owners[0].id, "equal": {"external_id": named.external_id}},
            lambda one: one.id == named.id,
        ),
        "created from": ({"ranges": {"created_at": Range(gte=at)}}, lambda one: one.created_at >= at),
        "created after": ({"ranges": {"created_at": Range(gt=at)}}, lambda one: one.created_at > at),
        "created to": ({"ranges": {"created_at": Range(lte=at)}}, lambda one: one.created_at <= at),
        "created within": (
            {"ranges": {"created_at": Range(gte=at - DAY, lt=at + DAY)}},
            lambda one: at - DAY <= one.created_at < at + DAY,
        ),
        "issued from": (
            {"ranges": {"issued_on": Range(gte=day)}},
            lambda one: bool(one.issued_on and one.issued_on >= day),
        ),
        "due before": ({"ranges": {"due_on": Range(lt=day)}}, lambda one: bool(one.due_on and one.due_on < day)),
        "finalised": (
            {"ranges": {"finalised_at": Range(gt=at)}},
            lambda one: bool(one.finalised_at and one.finalised_at > at),
        ),
        "tag": ({"tags": ("red",)}, lambda one: "red" in one.tags),
        "tags": ({"tags": ("red", "blue")}, lambda one: {"red", "blue"} <= set(one.tags)),
        "metadata": ({"metadata": {"plan": "gold"}}, lambda one: one.metadata.get("plan") == "gold"),
        "hidden": ({"hidden": True}, lambda one: True),
    }  # fmt: skip


def merged(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Several filters as one; those that name the same thing in two ways are left out by the test."""
    together: dict[str, Any] = {}
    for part in parts:
        for name, value in part.items():
            both = isinstance(value, dict) and name in together
            together[name] = {**together[name], **value} if both else value
    return together


def clash(parts: list[dict[str, Any]]) -> bool:
    asked = [(name, value) for part in parts for name, value in part.items()]
    keys = [(name, key) for name, value in asked for key in (value if isinstance(value, dict) else [""])]
    return len(keys) != len(set(keys))


async def test_every_filter_alone_and_every_two_and_three_of_them_leave_what_they_say(
    timed: Context, call: Call, owners: list[Customer], many: list[Document], pool: Pool
) -> None:
    known = conditions(owners, many)
    sets = [names for size in (0, 1, 2, 3) for names in itertools.combinations(known, size)]
    tried = 0
    for names in sets:
        parts = [known[name][0] for name in names]
        if clash(parts):
            continue
        keeps = [known[name][1] for name in names]
        shown = [one for one in many if "hidden" in names or "hidden" not in one.invoice.tags]
        expected = [one.invoice.id for one in shown if all(keep(one.invoice) for keep in keeps)]
        found = await list_documents(pool, call.tenant.id, Filters(100, **merged(parts)), lines=False)
        assert [one.invoice.id for one in found] == expected, names
        tried += 1
    assert tried > 400


async def test_pages_are_complete_and_without_repeats_in_both_orders(
    many: list[Document], call: Call, pool: Pool
) -> None:
    by_issue = sorted(
        (one for one in many if one.invoice.issued_on), key=lambda one: (one.invoice.issued_on, one.invoice.id)
    )[::-1]
    for limit, (order, expected) in itertools.product((1, 7, 59, 60, 100), (("created", many), ("issued", by_issue))):
        filters = Filters(limit, hidden=True, order=order)  # type: ignore[arg-type]
        assert await every_page(pool, call.tenant, filters) == [one.invoice.id for one in expected]


async def every_page(pool: Pool, tenant: Tenant, filters: Filters) -> list[Any]:
    seen: list[Any] = []
    while True:
        page = await list_documents(pool, tenant.id, filters, lines=False)
        seen += [one.invoice.id for one in page[: filters.limit]]
        if len(page) <= filters.limit:
            return seen
        last = page[filters.limit - 1].invoice
        filters = msgspec.structs.replace(filters, after_id=last.id, after_issued_on=last.issued_on)


async def test_pages_read_while_others_write_lose_and_repeat_nothing(
    timed: Context, call: Call, owners: list[Customer], many: list[Document], pool: Pool
) -> None:
    before = [one.invoice.id for one in many if one.invoice.issued_on]
    done = asyncio.Event()

    async def write() -> None:
        while not done.is_set():
            await invoice(timed, call, owners[0], 1, issued_on=date(2026, 3, 1))

    writing = asyncio.create_task(write())
    try:
        for order in ("created", "issued", "created", "issued"):
            seen = await every_page(pool, call.tenant, Filters(5, hidden=True, order=order))  # type: ignore[arg-type]
            assert len(seen) == len(set(seen))
            assert set(before) <= set(seen)
    finally:
        done.set()
        await writing


async def test_bounds_at_the_ends_of_time_are_no_error(many: list[Document], call: Call, pool: Pool) -> None:
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    for at, from_there, up_to_there in ((first, 60, 0), (last, 0, 60)):
        for bound, expected in (("gte", from_there), ("lte", up_to_there)):
            span = Range(**{bound: at})
            filters = Filters(100, hidden=True, ranges={"created_at": span})
            assert len(await list_documents(pool, call.tenant.id, filters, lines=False)) == expected


@pytest.mark.parametrize("text", ["a\x00b", "\ud800"])
async def test_a_text_that_can_not_be_stored_matches_nothing(
    many: list[Document], owners: list[Customer], call: Call, pool: Pool, text: str
) -> None:
    for filters in (
        Filters(5, equal={"currency": text}),
        Filters(5, customer_id=owners[0].id, equal={"external_id": text}),
        Filters(5, metadata={"plan": text}),
        Filters(5, metadata={text: "gold"}),
        Filters(5, tags=(text,)),
    ):
        assert await list_documents(pool, call.tenant.id, filters, lines=False) == []


async def test_metadata_is_found_however_its_letters_are_put_together(
    timed: Context, call: Call, owners: list[Customer], pool: Pool
) -> None:
    made = await draft(timed, call, owners[0], metadata={"café": "é"})
    for key, value in (("cafe\u0301", "e\u0301"), ("caf\u00e9", "\u00e9")):
        found = await list_documents(pool, call.tenant.id, Filters(5, metadata={key: value}), lines=True)
        assert found == [made]


async def test_another_tenant_sees_none_of_them(many: list[Document], owners: list[Customer], pool: Pool) -> None:
    stranger = IdMaker(lambda: NOON).new(5)
    for filters in (Filters(5), Filters(5, customer_id=owners[0].id), Filters(5, tags=("red",))):
        assert await list_documents(pool, stranger, filters, lines=False) == []  # type: ignore[arg-type]


async def test_an_external_id_without_its_customer_is_too_broad(call: Call, pool: Pool) -> None:
    with pytest.raises(FilterTooBroad):
        await list_documents(pool, call.tenant.id, Filters(5, equal={"external_id": "a"}), lines=False)


async def test_labels_that_match_too_much_need_a_customer_too(
    timed: Context, call: Call, owners: list[Customer], pool: Pool, database_url: str
) -> None:
    made = await draft(timed, call, owners[0], tags=("common",), metadata={"plan": "gold"})
    owner = await asyncpg.connect(database_url)
    try:
        columns = await owner.fetchval(
            "SELECT string_agg(column_name, ', ') FROM information_schema.columns"
            " WHERE table_name = 'invoices' AND column_name NOT IN ('id', 'balance_minor')"
        )
        await owner.execute(
            f"INSERT INTO invoices (id, {columns}) SELECT md5(n::text || id)::uuid, {columns}"
            f" FROM invoices, generate_series(1, {listing.BROADEST}) AS n WHERE invoices.id = '{made.invoice.id}'"
        )
    finally:
        await owner.close()
    for broad in ({"tags": ("common",)}, {"metadata": {"plan": "gold"}}):
        with pytest.raises(FilterTooBroad):
            await list_documents(pool, call.tenant.id, Filters(5, **broad), lines=False)
        narrow = Filters(5, customer_id=owners[0].id, **broad)
        await list_documents(pool, call.tenant.id, narrow, lines=False)  # not too broad
        narrower = Filters(5, ranges={"created_at": Range(lt=NOON - DAY)}, ids_tell_time=False, **broad)
        assert await list_documents(pool, call.tenant.id, narrower, lines=False) == []
    await pool.execute("DELETE FROM invoice_lines WHERE tenant_id = $1", call.tenant.id)
    await pool.execute("DELETE FROM invoices WHERE tenant_id = $1", call.tenant.id)


async def test_labels_are_found_through_their_index(
    timed: Context, call: Call, owners: list[Customer], pool: Pool
) -> None:
    statement = listing._Statement("SELECT id FROM invoices WHERE tenant_id = $1", call.tenant.id)
    listing._conditions(statement, "invoices", call.tenant.id, Filters(5, tags=("red",), hidden=True, abandoned=True))
    async with pool.acquire() as connection, connection.transaction():
        # A table of the same shape, full enough that a plan is worth choosing.
        await connection.execute(
            "CREATE TEMPORARY TABLE invoices (LIKE public.invoices INCLUDING INDEXES) ON COMMIT DROP"
        )
        columns = "shard, id, tenant_id, customer_id, status, direction, currency, line_count, net_minor, tax_minor"
        rest = "total_minor, metadata, tags, version, created_at, labels"
        zeros = ", ".join(
            f"{name}" for name in (
                "paid_minor", "credit_applied_minor", "credit_noted_minor", "written_off_minor", "voided_minor",
                "moved_to_credit_minor", "absorbed_minor", "refunded_minor", "attempt_count", "unrecoverable_minor",
                "balance_minor",
            )
        )  # fmt: skip
        await connection.execute(
            f"INSERT INTO invoices ({columns}, {rest}, {zeros})"
            f" SELECT 1, md5(n::text)::uuid, '{call.tenant.id}', '{owners[0].id}', 'open', 'charge', 'EUR', 1, 1, 0,"
            " 1, '{}', '{}', 1, '2026-01-01', ARRAY[n]::bigint[], 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1"
            " FROM generate_series(1, 20000) AS n; ANALYZE invoices"
        )
        plan = await connection.fetch(f"EXPLAIN {statement.text}", *statement.values)
    assert any("labels" in row[0] and "Index Scan" in row[0] for row in plan), "\n".join(row[0] for row in plan)


async def test_customers_and_credits_are_listed_with_their_filters(
    timed: Context, call: Call, owners: list[Customer], pool: Pool
) -> None:
    from billsmith.actions import credits

    tagged = await customer(timed, call, name="Dan", tags=("red", "hidden"), metadata={"plan": "gold"}, external_id="d")
    tenant = call.tenant
    listed = await customers.list_customers(timed, tenant, Filters(10))
    assert listed == owners[::-1]
    assert (await customers.list_customers(timed, tenant, Filters(10, hidden=True)))[0] == tagged
    for filters in (
        Filters(10, hidden=True, tags=("red",)),
        Filters(10, hidden=True, metadata={"plan": "gold"}),
        Filters(10, hidden=True, equal={"external_id": "d"}),
    ):
        assert await customers.list_customers(timed, tenant, filters) == [tagged]
    page = await customers.list_customers(timed, tenant, Filters(1, after_id=owners[2].id))
    assert page == [owners[1], owners[0]]
    granted = [await credit(timed, call, owner, 100) for owner in owners]
    assert await credits.list_credits(timed, tenant, Filters(10)) == granted[::-1]
    assert await credits.list_credits(timed, tenant, Filters(10, customer_id=owners[1].id)) == [granted[1]]


def test_labels_tell_tenants_keys_and_values_apart() -> None:
    one, two = IdMaker(lambda: NOON).many(2, 0)
    assert labels_of(one, ("a",), {"k": "v"}) == [tag_label(one, "a"), metadata_label(one, "k", "v")]
    hashes = {
        tag_label(one, "a"), tag_label(two, "a"), tag_label(one, "b"), metadata_label(one, "a", ""),
        metadata_label(one, "", "a"), metadata_label(one, "k", "v"), metadata_label(two, "k", "v"),
    }  # fmt: skip
    assert len(hashes) == 7
    assert all(-(2**63) <= value < 2**63 for value in hashes)


@pytest.mark.parametrize("limit", [1, 7, 60])
async def test_a_span_of_days_is_read_day_by_day_and_whole(
    timed: Context, call: Call, owners: list[Customer], clock: FixedClock, limit: int
) -> None:
    """Days with one and with very many invoices, early ones made late and late ones made early."""
    draw = random.Random(limit)
    days = [date(2026, 4, 1) + timedelta(days=draw.choice([0, 0, 0, draw.randint(1, 80)])) for _ in range(400)]
    for start in range(0, 400, 100):
        clock.at = NOON + start * DAY / 100
        given = [
            NewInvoice(
                draw.choice(owners).id,
                InvoiceDetails(amount_minor=100, due_on=day, tags=draw.choice([(), (), ("hidden",)])),
            )
            for day in days[start : start + 100]
        ]
        await invoices.create_invoices(timed, call, given)
    everything = await list_documents(timed.pool, call.tenant.id, Filters(1000, hidden=True), lines=False)
    first, later = date(2026, 4, 1), date(2026, 4, 21)
    for bounds in (Range(gte=first), Range(lt=later), Range(gt=first, lte=later), Range(gt=date(2027, 1, 1))):
        for made in ({}, {"created_at": Range(lt=NOON + 2 * DAY)}):
            wanted = [
                one.invoice.id
                for one in everything
                if "hidden" not in one.invoice.tags
                and one.invoice.due_on is not None
                and _within(one.invoice.due_on, bounds)
                and (not made or one.invoice.created_at < NOON + 2 * DAY)
            ]
            filters = Filters(limit, ranges={"due_on": bounds, **made})
            found: list[Any] = []
            while True:
                page = await list_documents(timed.pool, call.tenant.id, filters, lines=False)
                found += [one.invoice.id for one in page[:limit]]
                if len(page) <= limit:
                    break
                filters = msgspec.structs.replace(filters, after_id=found[-1])
            assert found == wanted


def _within(day: date, bounds: Range) -> bool:
    return (
        (bounds.gte is None or day >= bounds.gte)
        and (bounds.gt is None or day > bounds.gt)
        and (bounds.lte is None or day <= bounds.lte)
        and (bounds.lt is None or day < bounds.lt)
    )
