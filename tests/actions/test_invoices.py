"""Invoices and drafts: what a verb stores, posts and tells; what is fixed and what is refused."""

from datetime import date, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from billsmith.actions import customers, invoices
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.customers import ExternalIdTaken
from billsmith.actions.invoices import InvoiceNotFound, NewInvoice
from billsmith.actions.saving import CustomerNotFound
from billsmith.clock import FixedClock
from billsmith.core.customers import Customer
from billsmith.core.discounts import Discount
from billsmith.core.ids import CustomerId, shard_of, show_id
from billsmith.core.invoices import Adjustment, InvoiceDetails, InvoiceNotDraft, Item
from billsmith.core.invoicing import DateInvalid, PayoutNegative
from billsmith.core.lines.items import AmountMismatch
from billsmith.core.money import AmountTooLarge
from billsmith.core.periods import Period
from billsmith.core.taxes import Tax
from billsmith.core.tenants import Tenant
from billsmith.core.text import UnusableText
from billsmith.store.pool import Pool
from tests.actions.made import credit, customer, draft, events, invoice, last_sequence, refused, told, transfers
from tests.conftest import NOON

TODAY = date(2026, 3, 15)
FULL = InvoiceDetails(
    items=(
        Item(
            "Bandwidth", None, Decimal("100.5"), "GB", Decimal("0.123456789012"), Period(date(2026, 2, 1), TODAY),
            "big", "traffic", Tax(Decimal("19.00")), Discount(percent=Decimal(10)),
        ),
        Item("Setup", 5000, tax=Tax(Decimal(7), inclusive=True), discount=Discount(amount_minor=500)),
        Item("A line to read", 0),
    ),
    adjustments=(Adjustment(-250, "goodwill"),),
    title="Hosting March",
    memo="Thank you,\nSteve",
    period=Period(date(2026, 2, 1), date(2026, 3, 1)),
    issued_on=date(2026, 3, 1),
    due_on=date(2026, 3, 31),
    external_id="march",
    external_number="R-77",
    metadata={"order": "7"},
    tags=("b", "a"),
)  # fmt: skip


async def test_a_finalised_invoice_is_stored_numbered_posted_and_told(
    context: Context, call: Call, tim: Customer, tenant: Tenant, pool: Pool
) -> None:
    start = await last_sequence(context, tenant)
    made = (await invoices.create_invoice(context, call, NewInvoice(tim.id, FULL))).fresh
    read = await invoices.get_invoice(context, tenant, made.invoice.id)
    assert read == made
    kept = made.invoice
    assert (kept.status, kept.collection_state, kept.version, made.number) == ("open", "no_method", 1, "INV-000001")
    assert (kept.issued_on, kept.due_on, kept.finalised_at) == (date(2026, 3, 1), date(2026, 3, 31), NOON)
    assert (kept.title, kept.memo, kept.external_id, kept.external_number) == (
        "Hosting March", "Thank you,\nSteve", "march", "R-77",
    )  # fmt: skip
    assert [line.description for line in made.lines] == ["Bandwidth", "Setup", "A line to read", "goodwill"]
    first = made.lines[0]
    assert (first.quantity, first.unit_price, first.tax_percent) == (
        Decimal("100.5"), Decimal("0.123456789012"), Decimal("19.00"),
    )  # fmt: skip
    assert (first.time_zone, first.volume, first.category) == ("Europe/Berlin", "big", "traffic")
    posted = await transfers(pool, tenant)
    assert sum(amount if debit == "receivable" else -amount for _, debit, _, amount in posted) == kept.total_minor
    assert kept.balance_minor == kept.total_minor == sum(line.total_minor for line in made.lines)
    assert await told(context, tenant, start) == ["invoice.finalised"]
    balances = await customers.get_balances(context, tenant, [tim.id])
    assert balances[tim.id]["EUR"].receivable_minor == kept.total_minor


@pytest.mark.parametrize(("currency", "amount"), [("JPY", 1), ("KWD", 1234567), ("CLF", 10**15 - 1), ("EUR", 0)])
async def test_every_currency_and_size_comes_back_as_it_went_in(
    context: Context, call: Call, tim: Customer, currency: str, amount: int
) -> None:
    made = await invoice(context, call, tim, amount, currency=currency)
    assert await invoices.get_invoice(context, call.tenant, made.invoice.id) == made
    assert (made.invoice.total_minor, made.invoice.currency) == (amount, currency)


async def test_a_total_of_zero_is_paid_at_once(context: Context, call: Call, tim: Customer, pool: Pool) -> None:
    start = await last_sequence(context, call.tenant)
    made = await invoice(context, call, tim, 0)
    assert (made.invoice.status, made.invoice.settled_at, made.invoice.version) == ("paid", NOON, 2)
    assert await transfers(pool, call.tenant) == []
    assert await told(context, call.tenant, start) == ["invoice.finalised", "invoice.paid"]


async def test_a_payout_is_owed_to_the_customer(context: Context, call: Call, tim: Customer, pool: Pool) -> None:
    await invoice(context, call, tim, 700, direction="payout")
    assert await transfers(pool, call.tenant) == [("payout_billed", "payout_cost", "payable", 700)]
    async with refused(pool, call.tenant, PayoutNegative):
        await invoice(context, call, tim, -700, direction="payout")


async def test_dates_follow_from_the_tenants_terms_and_the_customers_day(
    context: Context, call: Call, clock: FixedClock
) -> None:
    clock.at = NOON + timedelta(hours=11, minutes=30)  # 23:30 UTC: the 16th in Berlin and Auckland, the 15th in Rio
    far = await customer(context, call, time_zone="Pacific/Auckland", terms_days=0)
    near = await customer(context, call, time_zone="America/Sao_Paulo")
    dates = [
        (made.invoice.issued_on, made.invoice.due_on)
        for made in (
            await invoice(context, call, far, 1), await invoice(context, call, near, 1),
            await invoice(context, call, near, 1, terms_days=7),
        )
    ]  # fmt: skip
    assert dates == [
        (date(2026, 3, 16), date(2026, 3, 16)), (TODAY, date(2026, 4, 14)), (TODAY, date(2026, 3, 22)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("details", "error"),
    [
        (InvoiceDetails(amount_minor=10**15), AmountTooLarge),
        (InvoiceDetails(items=(Item("a", 1), Item("b", 2)), amount_minor=4), AmountMismatch),
        (InvoiceDetails(amount_minor=1, issued_on=TODAY + timedelta(days=1)), DateInvalid),
        (InvoiceDetails(amount_minor=1, issued_on=TODAY, due_on=TODAY - timedelta(days=1)), DateInvalid),
        (InvoiceDetails(amount_minor=1, external_id="a\x00b"), UnusableText),
        (InvoiceDetails(amount_minor=1, external_id="\ud800"), UnusableText),
        (InvoiceDetails(amount_minor=1, title="\x07"), UnusableText),
        (InvoiceDetails(amount_minor=1, metadata={"a" * 41: ""}), UnusableText),
    ],
)
async def test_what_can_not_be_is_refused_and_changes_nothing(
    context: Context, call: Call, tim: Customer, pool: Pool, details: InvoiceDetails, error: type
) -> None:
    async with refused(pool, call.tenant, error):
        await invoices.create_invoice(context, call, NewInvoice(tim.id, details))


async def test_an_unknown_customer_is_refused(context: Context, call: Call, other: Call, pool: Pool) -> None:
    theirs = await customer(context, other)
    for unknown in (CustomerId(uuid4()), theirs.id):
        async with refused(pool, call.tenant, CustomerNotFound):
            await invoices.create_invoice(context, call, NewInvoice(unknown, InvoiceDetails(amount_minor=1)))


async def test_an_external_id_is_unique_per_customer_and_the_holder_is_named(
    context: Context, call: Call, tim: Customer, pool: Pool
) -> None:
    # Written with other code points it is still the same name.
    first = await invoice(context, call, tim, 100, external_id="m\u00e4rz")
    for name in ("m\u00e4rz", "ma\u0308rz"):
        async with refused(pool, call.tenant, ExternalIdTaken, match=show_id("invoice", first.invoice.id)):
            await invoice(context, call, tim, 100, external_id=name)
    await invoice(context, call, await customer(context, call), 100, external_id="m\u00e4rz")
    other = await draft(context, call, tim, external_id="april")
    async with refused(pool, call.tenant, ExternalIdTaken):
        await invoices.edit_draft(
            context, call, other.invoice.id, lambda _: InvoiceDetails(amount_minor=1, external_id="ma\u0308rz")
        )


async def test_a_draft_is_kept_edited_and_finalised_without_a_trace_in_the_ledger_before(
    context: Context, call: Call, tim: Customer, pool: Pool
) -> None:
    await credit(context, call, tim, 50)
    start = await last_sequence(context, call.tenant)
    posted = await transfers(pool, call.tenant)
    made = await draft(context, call, tim)
    assert (made.number, made.seller, made.invoice.balance_minor, made.invoice.version) == (None, None, 0, 1)
    edited = (await invoices.edit_draft(context, call, made.invoice.id, lambda _: FULL)).fresh
    assert (edited.invoice.id, edited.invoice.version, len(edited.lines)) == (made.invoice.id, 2, 4)
    assert await transfers(pool, call.tenant) == posted
    done = (await invoices.finalise_invoice(context, call, made.invoice.id)).fresh
    assert (done.number, done.lines) == ("INV-000001", edited.lines)
    assert (done.invoice.credit_applied_minor, done.invoice.created_at) == (50, made.invoice.created_at)
    assert await told(context, call.tenant, start) == [
        "invoice.drafted", "invoice.updated", "invoice.finalised", "credit.drawn", "invoice.credit_applied",
    ]  # fmt: skip


async def test_a_deleted_draft_is_gone_and_takes_no_number(
    context: Context, call: Call, tim: Customer, pool: Pool
) -> None:
    made = await draft(context, call, tim, external_id="march")
    assert (await invoices.delete_draft(context, call, made.invoice.id)).fresh == made
    with pytest.raises(InvoiceNotFound):
        await invoices.get_invoice(context, call.tenant, made.invoice.id)
    assert await pool.fetchval("SELECT count(*) FROM invoice_lines WHERE tenant_id = $1", call.tenant.id) == 0
    assert (await invoice(context, call, tim, 1, external_id="march")).number == "INV-000001"
    (deleted,) = [event for event in await events(context, call.tenant) if event.type == "invoice.deleted"]
    assert (deleted.object_version, deleted.data["lines"][0]["description"]) == (2, "Hosting")


async def test_a_finalised_invoice_stays_as_it_is_but_for_its_labels(
    context: Context, call: Call, tim: Customer, pool: Pool
) -> None:
    made = await invoice(context, call, tim, 100)
    id_ = made.invoice.id
    for act in (
        lambda: invoices.edit_draft(context, call, id_, lambda _: FULL),
        lambda: invoices.delete_draft(context, call, id_),
        lambda: invoices.finalise_invoice(context, call, id_),
    ):
        async with refused(pool, call.tenant, InvoiceNotDraft):
            await act()
    async with refused(pool, call.tenant, UnusableText):
        await invoices.relabel_invoice(context, call, id_, None, ("UPPER",))
    labelled = (await invoices.relabel_invoice(context, call, id_, {"a": "b"}, ("x",))).fresh
    assert (labelled.invoice.metadata, labelled.invoice.tags, labelled.invoice.version) == ({"a": "b"}, ("x",), 2)
    assert labelled.lines == made.lines
    left = (await invoices.relabel_invoice(context, call, id_, None, None)).fresh
    assert (left.invoice.metadata, left.invoice.tags) == ({"a": "b"}, ("x",))


async def test_per_customer_numbers_are_series_of_their_own(context: Context) -> None:
    from billsmith.actions import tenants
    from billsmith.core.tenants import NewTenant, TenantSettings

    given = NewTenant(name="Own", currency="EUR", settings=TenantSettings(numbers_per="customer", number_digits=3))
    call = Call(await tenants.create_tenant(context, given, "test", "req_test"), "test", "req_test")
    one = await customer(context, call, number_prefix="ONE-")
    two = await customer(context, call)
    numbers = [(await invoice(context, call, owner, 1)).number for owner in (one, two, one, two)]
    assert numbers[::2] == ["ONE-001", "ONE-002"]
    assert [str(number)[-4:] for number in numbers[1::2]] == ["-001", "-002"]
    assert shard_of(one.id) == shard_of((await invoice(context, call, one, 1)).invoice.id)


async def test_an_invoice_that_is_not_there_is_not_found(context: Context, call: Call, pool: Pool) -> None:
    nowhere = uuid4()
    for act in (
        lambda: invoices.get_invoice(context, call.tenant, nowhere),
        lambda: invoices.edit_draft(context, call, nowhere, lambda _: FULL),
        lambda: invoices.delete_draft(context, call, nowhere),
        lambda: invoices.finalise_invoice(context, call, nowhere),
        lambda: invoices.relabel_invoice(context, call, nowhere, {}, ()),
    ):
        async with refused(pool, call.tenant, InvoiceNotFound):
            await act()
