"""Random populations: what a tenant sells by which settings, who buys it, and what happens over some months."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from billsmith.actions.subscriptions.asking import Asked, BillDayChange, QuantityChange, Resume
from billsmith.actions.subscriptions.starting import Order
from billsmith.core.subscriptions.cancelling import Cancel
from billsmith.core.subscriptions.changing import PlanChange
from billsmith.core.subscriptions.pausing import Pause
from billsmith.core.subscriptions.starting import NewSubscription
from billsmith.core.tenants import TenantSettings
from tests.conftest import NOON

CURRENCIES = ("EUR", "JPY", "KWD", "USD")
ZONES = ("Europe/Berlin", "Europe/Berlin", "Pacific/Kiritimati", "Pacific/Niue", "America/New_York", "Asia/Kathmandu")
MONTHS = ("bimestrial", "quarterly", "annual")
LENGTHS = ("weekly", "thirty_days", *MONTHS)
PRICES = ("20", "20", "7.77", "1.995", "0", "1234.5678", "0.004")
QUANTITIES = ("1", "1", "1", "2", "0.5", "3.333", "0")
TODAY = NOON.date()


@dataclass(frozen=True)
class Owner:
    """A customer with all that it has when it comes: twins of it are made in two tenants."""

    details: dict[str, Any]
    has_method: bool
    parent: str | None
    """A parent `with` a payment method, or `without`."""
    credit_minor: int
    orders: tuple[Order, ...]
    billed: Any
    """Whether what it starts with is billed at once."""


@dataclass(frozen=True)
class Step:
    """Time passes, something may be asked for, and there is a run."""

    later: timedelta
    asked: tuple[tuple[int, int, Asked, Any], ...]
    """(whose, of which subscription, what, billed when)."""
    until_days: int | None
    """By which day the run is, from today on; None: by each one's today."""
    batch: int


@dataclass(frozen=True)
class Population:
    """All of it."""

    settings: TenantSettings
    catalog: dict[str, Any]
    owners: tuple[Owner, ...]
    steps: tuple[Step, ...]


def mostly(usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    """The usual, and now and then another."""
    return st.sampled_from((usual,) * (5 * len(others)) + others)


def unless(plain: bool, usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    """The usual of what is plain throughout, else mostly: what a run prints is plain in every respect at once."""
    return st.just(usual) if plain else mostly(usual, *others)


plainness = st.sampled_from((True, True, True, False))


@st.composite
def charges(draw: st.DrawFn, nth: int, *, plain: bool) -> dict[str, Any]:
    """A recurring charge; mostly a monthly one in advance."""
    price = draw(st.sampled_from(PRICES))
    return {
        "code": f"fee-{nth}",
        "kind": "recurring",
        "name": f"Fee {nth}",
        "prices": dict.fromkeys(CURRENCIES, price),
        "length": draw(st.sampled_from(("monthly", "monthly", *(MONTHS if plain else LENGTHS)))),
        "timing": draw(unless(plain, "in_advance", "in_arrears")),
        "per_unit": draw(st.booleans()),
    }


@st.composite
def phases(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Perhaps a trial or a cheap beginning, perhaps something once, then one to three charges for ever."""
    plain = draw(plainness)
    before = draw(mostly(None, "trial", "discount"))
    sold = [draw(charges(nth, plain=plain)) for nth in range(draw(st.sampled_from((1, 1, 2, 3))))]
    if draw(st.booleans()):
        once = {"code": "setup", "kind": "fixed", "name": "Setup", "prices": dict.fromkeys(CURRENCIES, "9.9")}
        sold.insert(draw(st.integers(0, len(sold))), once)
    found: list[dict[str, Any]] = [{"kind": "evergreen", "charges": sold}]
    if before == "trial":
        found.insert(0, {"kind": "trial", "duration": draw(st.sampled_from(("14 days", "1 months")))})
    if before == "discount":
        found.insert(0, {"kind": "discount", "duration": "2 months", "charges": [draw(charges(0, plain=plain))]})
    return found


BASES = ("base-1", "base-2", "base-3")
SOLD = {**dict.fromkeys(BASES, "base"), "alone": "alone", "added": "added"}


@st.composite
def catalogs(draw: st.DrawFn) -> dict[str, Any]:
    """Plans of a base product, of one that stands alone, and of an add-on."""
    return {
        "products": {
            "base": {"name": "Base", "kind": "base", "add_ons": ["added"]},
            "alone": {"name": "Alone", "kind": "standalone"},
            "added": {"name": "Added", "kind": "add_on"},
        },
        "plans": {code: {"product": product, "name": code, "phases": draw(phases())} for code, product in SOLD.items()},
    }


@st.composite
def orders(draw: st.DrawFn, *, plain: bool) -> Order:
    """A base, with an add-on now and then, or one that stands alone."""
    plan = draw(st.sampled_from((*BASES, "alone")))
    start_on = draw(unless(plain, None, *(TODAY + timedelta(days=days) for days in (-45, -10, 20))))
    billed_through_on = None
    if draw(unless(plain, False, True)):
        billed_through_on = (start_on or TODAY) + timedelta(days=draw(st.integers(0, 50)))
    add_ons = ()
    if plan != "alone" and draw(unless(plain, False, True)):
        add_ons = (NewSubscription("added", Decimal(draw(st.sampled_from(QUANTITIES)))),)
    first = NewSubscription(
        plan,
        Decimal(draw(st.sampled_from(QUANTITIES))),
        prices=draw(unless(plain, None, {"fee-0": Decimal("13.37")}, {"fee-0": Decimal("0.333333")})),
        starts_on=start_on,
        bill_cycle_day=draw(unless(plain, None, 1, 15, 31)),
        billed_through_on=billed_through_on,
        ends_after_periods=draw(unless(plain, None, 3)),
    )
    return Order(first, add_ons, billed_on=draw(unless(plain, None, "account", "group", "subscription")))


@st.composite
def owners(draw: st.DrawFn) -> Owner:
    """One customer, mostly with no more than a few plain subscriptions."""
    plain = draw(plainness)
    details = {
        "bill_cycle_day": draw(st.none() | st.integers(1, 31)),
        "currency": draw(st.sampled_from(CURRENCIES)),
        "time_zone": draw(st.sampled_from(ZONES)),
        "terms_days": draw(st.sampled_from((None, 0, 14))),
        "auto_collect": draw(unless(plain, True, False)),
        "draw_credit": draw(unless(plain, True, False)),
        "invoicing": draw(unless(plain, "on", "draft", "off")),
    }
    return Owner(
        details,
        has_method=draw(st.booleans()),
        parent=draw(mostly(None, "with", "without")),
        credit_minor=draw(unless(plain, 0, 1, 2500, 10**9)),
        orders=tuple(draw(st.lists(orders(plain=plain), min_size=1, max_size=3))),
        billed=draw(st.sampled_from(("now", "later"))),
    )


@st.composite
def things_asked(draw: st.DrawFn) -> Asked:
    """What a customer may want of a subscription."""
    when = draw(st.sampled_from(("immediate", "end_of_term")))
    asked: list[Asked] = [
        QuantityChange(Decimal(draw(st.sampled_from(QUANTITIES))), when),
        PlanChange(draw(st.sampled_from(BASES)), billing=when),
        Cancel(when),
        Pause(),
        Resume(Pause()),
        BillDayChange(draw(st.integers(1, 31))),
    ]
    return draw(st.sampled_from(asked))


@st.composite
def steps(draw: st.DrawFn) -> Step:
    """Hours or months later; now and then something is asked for before the run."""
    days = draw(st.sampled_from((0, 1, 28, 30, 31, 31, 31, 62, 100)) | st.integers(0, 40))
    later = timedelta(days, draw(st.integers(1, 86_000)), draw(st.integers(1, 999_999)))
    something = draw(mostly(False, True))
    asked = ()
    if something:
        asked = ((draw(st.integers(0, 9)), draw(st.integers(0, 4)), draw(things_asked()), draw(BILLED)),)
    return Step(later, asked, draw(mostly(None, -3, -20)), draw(st.sampled_from((1, 3, 1000))))


BILLED = st.sampled_from(("now", "later"))


@st.composite
def populations(draw: st.DrawFn) -> Population:
    """A tenant with a handful of customers over some months."""
    plain = draw(plainness)
    settings = TenantSettings(
        catch_up=draw(unless(plain, "one_invoice", "one_per_due_date")),
        invoices_per=draw(unless(plain, "customer", "group")),
        minimum_to_bill_minor=draw(unless(plain, 0, 5000)),
        draft_window_minutes=draw(unless(plain, 0, 60)),
        numbers_per=draw(unless(plain, "tenant", "customer")),
        terms_days=draw(st.sampled_from((30, 0))),
    )
    return Population(
        settings,
        draw(catalogs()),
        tuple(draw(st.lists(owners(), min_size=3, max_size=6))),
        tuple(draw(st.lists(steps(), min_size=3, max_size=5))),
    )


def day_of(step: Step, today: date) -> date | None:
    """By which day its run is."""
    return None if step.until_days is None else today + timedelta(days=step.until_days)
