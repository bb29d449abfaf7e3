"""Values to start from, and the strategies that properties draw theirs from."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from msgspec.structs import replace

from billsmith.core.credits import Credit, new_credit
from billsmith.core.currencies import MINOR_DIGITS
from billsmith.core.customers import Customer, CustomerDetails, new_customer
from billsmith.core.decisions import Standing
from billsmith.core.discounts import Discount
from billsmith.core.ids import CreditId, CustomerId, InvoiceId, SnapshotId, TenantId
from billsmith.core.invoices import Adjustment, Invoice, InvoiceDetails, Item, Line
from billsmith.core.invoicing import new_draft
from billsmith.core.lines.items import lines_of
from billsmith.core.taxes import Tax
from billsmith.core.tenants import NewTenant, Tenant, TenantSettings, new_tenant

NOON = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)
TODAY = date(2026, 3, 15)
ZERO = Decimal(0)


def uuid(number: int) -> UUID:
    """An id for a test; `number` tells it from the others."""
    return UUID(int=number)


TENANT: Tenant = new_tenant(
    NewTenant(name="Steve's Cloud", currency="EUR"), TenantId(uuid(1)), SnapshotId(uuid(2)), NOON
)
CUSTOMER: Customer = new_customer(
    TENANT, CustomerDetails(name="Ada GmbH"), CustomerId(uuid(3)), SnapshotId(uuid(4)), NOON
)
STANDING = Standing(TENANT, CUSTOMER)
BLANK_CREDIT = new_credit(CreditId(uuid(5)), TENANT.id, CUSTOMER.id, "granted", "EUR", 0, TODAY, NOON)


def credit(number: int, amount_minor: int, **fields: Any) -> Credit:
    """A credit with an id of its own."""
    return replace(BLANK_CREDIT, id=CreditId(uuid(number)), amount_minor=amount_minor, **fields)


def draft(number: int, details: InvoiceDetails, standing: Standing = STANDING) -> tuple[Invoice, tuple[Line, ...]]:
    """A draft with an id of its own, and its lines."""
    return new_draft(standing, details, InvoiceId(uuid(number)), NOON)


def owed(number: int, amount_minor: int, due_on: date | None = TODAY, currency: str = "EUR") -> Invoice:
    """An open invoice that owes all of its total."""
    invoice, _ = draft(number, InvoiceDetails(amount_minor=amount_minor, currency=currency))
    return replace(invoice, status="open", collection_state="no_method", due_on=due_on, finalised_at=NOON, version=1)


def lines(*items: Item, amount: int | None = None, adjustments: tuple[Adjustment, ...] = (), **settings: Any) -> Any:
    """The lines of a document in euro, unless `currency` says otherwise; `tax_rounding` is a tenant's policy."""
    currency = settings.pop("currency", "EUR")
    details = InvoiceDetails(items=items, adjustments=adjustments, amount_minor=amount)
    return lines_of(details, currency, "Europe/Berlin", TenantSettings(**settings))


currencies = st.sampled_from(["EUR", "JPY", "KWD", "CLF", *sorted(MINOR_DIGITS)[:3]])
amounts = st.integers(-(10**7), 10**7)
percents = st.decimals(0, 100, places=2)
rates = st.sampled_from([Decimal(text) for text in ("0", "5", "7.7", "19", "19.00", "20", "33.3333", "100", "1000")])
taxes = st.none() | st.builds(Tax, rates, st.booleans())
prices = st.decimals(-1000, 1000, places=4)
quantities = st.decimals(-100, 100, places=3)


@st.composite
def discounts(draw: st.DrawFn, most: int) -> Discount | None:
    """None, a percentage, or an amount up to `most`."""
    kind = draw(st.sampled_from(["none", "percent", "amount"]))
    if kind == "percent":
        return Discount(percent=draw(percents))
    return None if kind == "none" else Discount(amount_minor=draw(st.integers(0, most)))


@st.composite
def items(draw: st.DrawFn) -> Item:
    """An item with an amount, or with a price and perhaps a quantity; discounted and taxed or not."""
    tax = draw(taxes)
    if draw(st.booleans()):
        amount = draw(amounts)
        return Item("priced", amount, tax=tax, discount=draw(discounts(abs(amount))))
    quantity = draw(st.none() | quantities)
    percent = draw(st.none() | percents)
    discount = None if percent is None else Discount(percent=percent)
    return Item("counted", None, quantity, "h", draw(prices), tax=tax, discount=discount)


adjustments = st.builds(Adjustment, amounts, st.just("goodwill"))


@st.composite
def contents(draw: st.DrawFn, currency: Any = currencies) -> InvoiceDetails:
    """A document of one to five items and up to two adjustments."""
    return InvoiceDetails(
        items=tuple(draw(st.lists(items(), min_size=1, max_size=5))),
        adjustments=tuple(draw(st.lists(adjustments, max_size=2))),
        currency=draw(currency),
    )
