"""Every field of every value comes back as it went in, with everything said and with as little as possible."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from billsmith.core.credits import Credit
from billsmith.core.customers import Customer
from billsmith.core.ids import (
    CauseId,
    CreditId,
    CustomerId,
    InvoiceId,
    PaymentId,
    PaymentMethodId,
    SnapshotId,
    TransferId,
)
from billsmith.core.invoices import Invoice, Line
from billsmith.core.ledger import Balance, Posting
from billsmith.core.parties import Address, Party, TaxId
from billsmith.core.payments.policy import CollectionPolicy
from billsmith.core.payments.results import Decline, DeclineBucket
from billsmith.core.tenants import Tenant
from billsmith.ids import IdMaker
from billsmith.store import customers, invoices, ledger, tenants
from billsmith.store.pool import Connection, Pool

IDS = IdMaker(lambda: datetime.now(UTC))
AT = datetime(2026, 3, 15, 23, 59, 59, 999999, tzinfo=UTC)
BIG = 10**15 - 1
ODD = "Ünïcode 🦉 'quoted' \"twice\" \\ %s {} \u202e"


POLICY = CollectionPolicy("on_update", (2, 4), "write_off", 9)
DECLINE = Decline(DeclineBucket.NEVER, "lost_card", "No.", "lost", "do not try again")


@pytest.fixture
async def open_transaction(pool: Pool) -> Any:
    """A connection in a transaction that comes to nothing."""
    async with pool.acquire() as connection:
        undone = connection.transaction()
        await undone.start()
        yield connection
        await undone.rollback()


def whole_customer(tenant: Tenant) -> Customer:
    parent, id_, snapshot = IDS.many(3, 1023)
    return Customer(
        CustomerId(id_), tenant.id, ODD, CustomerId(parent), ODD, ("a@example.com", "b@example.com"), "KWD",
        "Asia/Kuwait", "pt_BR", Address(ODD, "2", "City", "State", "0123", "KW"), (TaxId("a", ODD), TaxId("b", "2")),
        31, 3650, "P-", False, "off", False, True, PaymentMethodId(parent), POLICY,
        {ODD: ODD, "": ""}, ("a", "b"), SnapshotId(snapshot), 7, AT, AT,
    )  # fmt: skip


def bare_customer(tenant: Tenant) -> Customer:
    id_, snapshot = IDS.many(2, 1023)
    return Customer(
        CustomerId(id_), tenant.id, None, None, "A", (), "EUR", "UTC", "en", Address(), (), None, None, None,
        True, "on", True, False, None, None, {}, (), SnapshotId(snapshot), 1, AT, None,
    )  # fmt: skip


async def with_parent(connection: Connection, child: Customer) -> None:
    parent = replace(bare_customer_of(child), id=child.parent_id)
    await customers.insert_customers(connection, [parent, child])


def bare_customer_of(other: Customer) -> Customer:
    return replace(other, parent_id=None, external_id=None, snapshot_id=SnapshotId(IDS.new(1023)), deleted_at=None)


async def test_customers(open_transaction: Connection, tenant: Tenant) -> None:
    whole, bare = whole_customer(tenant), bare_customer(tenant)
    await with_parent(open_transaction, whole)
    await customers.insert_customers(open_transaction, [bare])
    found = await customers.get_customers(open_transaction, tenant.id, [whole.id, bare.id])
    assert found == {whole.id: whole, bare.id: bare}
    locked = await customers.lock_customers(open_transaction, tenant.id, [bare.id, whole.id, bare.id])
    assert locked == found


async def test_every_changeable_field_of_a_customer(open_transaction: Connection, tenant: Tenant) -> None:
    whole, bare = whole_customer(tenant), bare_customer(tenant)
    await customers.insert_customers(open_transaction, [bare])
    # Its id, owner, parent and birth stay; all else becomes what the whole one has.
    changed = replace(whole, id=bare.id, parent_id=None, created_at=bare.created_at)
    await customers.update_customer(open_transaction, changed)
    assert (await customers.get_customers(open_transaction, tenant.id, [bare.id]))[bare.id] == changed
    await customers.update_customer(open_transaction, bare)
    assert (await customers.get_customers(open_transaction, tenant.id, [bare.id]))[bare.id] == bare


def whole_line() -> Line:
    return Line(
        "usage", ODD, "category", Decimal("123456789012345.123456789012"), "GB", Decimal("-0.000000000001"), "volume",
        -BIG, -5, Decimal("33.333333333333"), Decimal("19.00"), False, -BIG + 5, -7, -BIG - 2, date(1970, 1, 1),
        date(8999, 12, 31), "Pacific/Auckland",
    )  # fmt: skip


def bare_line() -> Line:
    return Line(
        "one_off", "a", None, None, None, None, None, 0, 0, None, None, True, 0, 0, 0, None, None, None
    )  # fmt: skip


def whole_invoice(owner: Customer) -> Invoice:
    id_, seller, buyer = IDS.many(3, 1023)
    return Invoice(
        InvoiceId(id_), owner.tenant_id, owner.id, "open", "action_required", "charge", "KWD", ODD, "R-1", ODD, "a\nb",
        date(2026, 1, 1), date(2026, 2, 1), 14, date(2026, 2, 1), date(2026, 2, 15), 2, 100, 19, 119, 10, 20, 30, 4, 5,
        -6, -7, 3, PaymentMethodId(seller), POLICY, "STATEMENT", AT, 2, "awaiting_customer", DECLINE, InvoiceId(seller),
        InvoiceId(buyer), InvoiceId(id_), True, {ODD: ODD}, ("a", "b"), SnapshotId(seller), SnapshotId(buyer), 9,
        AT, AT, AT,
    )  # fmt: skip


def bare_invoice(owner: Customer) -> Invoice:
    return Invoice(
        InvoiceId(IDS.new(1023)), owner.tenant_id, owner.id, "draft", None, "payout", "EUR", None, None, None, None,
        None, None, None, None, None, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        None, None, None, None, 0, None, None, None, None, None, None, {}, (), None, None, 1, AT, None, None,
    )  # fmt: skip


async def test_invoices_with_lines_parties_and_numbers(open_transaction: Connection, tenant: Tenant) -> None:
    owner = bare_customer(tenant)
    await customers.insert_customers(open_transaction, [owner])
    whole, bare = whole_invoice(owner), bare_invoice(owner)
    seller, buyer = Party(ODD, Address(city=ODD), (TaxId("a", "1"),)), Party("Buyer")
    assert whole.seller_snapshot_id is not None
    assert whole.buyer_snapshot_id is not None
    await tenants.insert_snapshot(open_transaction, tenant.id, whole.seller_snapshot_id, seller)
    await tenants.insert_snapshot(open_transaction, tenant.id, whole.buyer_snapshot_id, buyer)
    lines = {whole.id: (whole_line(), bare_line()), bare.id: ()}
    await invoices.insert_invoices(open_transaction, [whole, bare], lines)
    one = await invoices.get_document(open_transaction, tenant.id, whole.id)
    assert one is not None
    assert (one.invoice, one.lines, one.number, one.seller, one.buyer) == (whole, lines[whole.id], None, seller, buyer)
    both = await invoices.get_documents(open_transaction, tenant.id, [bare.id, whole.id])
    assert (both[whole.id], both[bare.id].invoice, both[bare.id].lines, both[bare.id].seller) == (one, bare, (), None)
    without = await invoices.get_documents(open_transaction, tenant.id, [whole.id], lines=False)
    assert without[whole.id] == replace(one, lines=())
    assert await invoices.lock_invoices(open_transaction, tenant.id, [whole.id, bare.id]) == {
        whole.id: whole, bare.id: bare,
    }  # fmt: skip
    stored = await open_transaction.fetchval("SELECT balance_minor FROM invoices WHERE id = $1", whole.id)
    assert stored == whole.balance_minor
    exact = [(line.quantity, line.unit_price, str(line.tax_percent)) for line in one.lines[:1]]
    assert exact == [(Decimal("123456789012345.123456789012"), Decimal("-0.000000000001"), "19.00")]


async def test_what_may_change_about_an_invoice(open_transaction: Connection, tenant: Tenant) -> None:
    owner = bare_customer(tenant)
    await customers.insert_customers(open_transaction, [owner])
    whole = replace(whole_invoice(owner), settled_at=None)
    await invoices.insert_invoices(open_transaction, [whole], {whole.id: ()})
    changed = replace(
        whole, status="paid", collection_state=None, credit_applied_minor=20 + whole.balance_minor, version=10,
        settled_at=AT,
    )  # fmt: skip
    await invoices.settle_invoices(open_transaction, tenant.id, [changed])
    await invoices.relabel_invoice(open_transaction, replace(changed, metadata={"a": "b"}, tags=("z",), version=11))
    expected = replace(changed, metadata={"a": "b"}, tags=("z",), version=11)
    assert (await invoices.lock_invoices(open_transaction, tenant.id, [whole.id]))[whole.id] == expected


async def test_credits_transfers_and_balances(open_transaction: Connection, tenant: Tenant) -> None:
    owner = bare_customer(tenant)
    await customers.insert_customers(open_transaction, [owner])
    one, two, invoice = IDS.many(3, 1023)
    whole = Credit(
        CreditId(one), tenant.id, owner.id, "KWD", "granted", InvoiceId(invoice), PaymentId(invoice), ODD,
        date(2026, 3, 15), AT,
        BIG, 1, 2, 3, 4, 5, 6, {ODD: ODD}, 4, AT,
    )  # fmt: skip
    bare = Credit(
        CreditId(two), tenant.id, owner.id, "EUR", "negative_total", None, None, None, date(2026, 3, 15), None, 1, 0, 0,
        0, 0, 0, 0, {}, 1, AT,
    )  # fmt: skip
    await ledger.insert_credits(open_transaction, [whole, bare])
    assert await ledger.get_credits(open_transaction, tenant.id, [one, two]) == {one: whole, two: bare}
    changed, other = replace(bare, drawn_minor=1, version=2), replace(whole, expired_minor=9, deleted_minor=8)
    await ledger.update_credits(open_transaction, tenant.id, [changed, other])
    assert await ledger.get_credits(open_transaction, tenant.id, [one, two]) == {one: other, two: changed}
    left = await ledger.credits_left(open_transaction, tenant.id, [owner.id])
    assert [credit.id for credit in left[owner.id]] == [one]

    posting = Posting(
        "net_billed", "receivable", "billed_revenue", BIG, "KWD", date(2026, 3, 15), date(2026, 1, 1), date(2026, 2, 1),
        InvoiceId(invoice), 3, CreditId(one),
    )  # fmt: skip
    id_ = TransferId(IDS.new(1023))
    await ledger.insert_transfers(open_transaction, tenant.id, CauseId(two), [(owner.id, id_, posting)])
    row = await open_transaction.fetchrow("SELECT * FROM transfers WHERE tenant_id = $1 AND id = $2", tenant.id, id_)
    assert {name: row[name] for name in posting.__struct_fields__} == {
        name: getattr(posting, name) for name in posting.__struct_fields__
    }
    assert (row["shard"], row["customer_id"], row["cause_id"]) == (1023, owner.id, two)

    first, then = (
        {owner.id: {"EUR": Balance(1, 2, 3)}},
        {owner.id: {"EUR": Balance(1, 2, 4), "KWD": Balance(BIG, 0, 0)}},
    )
    await customers.save_balances(open_transaction, tenant.id, {}, first)
    await customers.save_balances(open_transaction, tenant.id, first, then)
    assert await customers.get_balances(open_transaction, tenant.id, [owner.id]) == then
