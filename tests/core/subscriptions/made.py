"""A small catalogue, and subscriptions on it, for tests of timelines."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from billsmith.core.catalog.plans import (
    DEFAULT_PRICE_LIST,
    Charge,
    Phase,
    PhaseKind,
    Plan,
    PlanVersion,
    Product,
    version_on,
)
from billsmith.core.catalog.rules import Case, Catalog, Rules, Side
from billsmith.core.customers import Customer
from billsmith.core.cycles.lengths import NAMED, Length, Unit
from billsmith.core.ids import GroupId, PlanVersionId, SubscriptionId
from billsmith.core.subscriptions.cancelling import Cancel, cancelled
from billsmith.core.subscriptions.changing import PlanChange, bill_day_changed, plan_changed, quantity_changed
from billsmith.core.subscriptions.group import Altered, Group
from billsmith.core.subscriptions.pausing import Pause, paused, resumed
from billsmith.core.subscriptions.starting import NewIds, NewSubscription, created
from billsmith.core.subscriptions.stretches import Stretch, stretches
from billsmith.errors import BillsmithError
from tests.core.made import CUSTOMER, TENANT, uuid

LONG_AGO = date(2000, 1, 1)
UNITS: dict[str, Unit] = {"d": "day", "w": "week", "m": "month", "y": "year"}


def day(text: str) -> date:
    """`3-15` is 15 March 2026; `2024-2-29` names its year."""
    year, month, of_month = map(int, text.split("-")) if text.count("-") == 2 else (2026, *map(int, text.split("-")))
    return date(year, month, of_month)


def noon(text: str) -> datetime:
    """Noon of that day, UTC."""
    on = day(text)
    return datetime(on.year, on.month, on.day, 12, tzinfo=UTC)


def length(text: str) -> Length:
    """`30d`, `1m`."""
    return Length(UNITS[text[-1]], int(text[:-1]))


def recurring(price: str, named: str = "monthly", code: str = "fee") -> Charge:
    return Charge(code, "recurring", "Fee", {"EUR": Decimal(price)}, NAMED[named])


def fixed(price: str, code: str = "setup") -> Charge:
    return Charge(code, "fixed", "Setup", {"EUR": Decimal(price)})


def phase(kind: PhaseKind, duration: str | None = None, *charges: Charge) -> Phase:
    return Phase(kind, None if duration is None else length(duration), charges)


def version(number: int, plan: str, product: str, *phases: Phase, **fields: Any) -> PlanVersion:
    given = {"version": 1, "price_list": DEFAULT_PRICE_LIST, "direction": "charge", "effective_on": LONG_AGO, **fields}
    return PlanVersion(
        id=PlanVersionId(uuid(1000 + number)),
        tenant_id=TENANT.id,
        plan=plan,
        product=product,
        name=plan,
        phases=phases,
        **given,
    )


TRIAL = phase("trial", "30d", Charge("trial", "fixed", "Trial", {"*": Decimal(0)}))
VERSIONS = (
    version(1, "basic", "basic", TRIAL, phase("evergreen", None, recurring("10"))),
    version(2, "pro", "pro", TRIAL, phase("evergreen", None, recurring("30"))),
    version(3, "pro-annual", "pro", TRIAL, phase("evergreen", None, recurring("300", "annual"))),
    version(4, "plain", "basic", phase("evergreen", None, fixed("5"), recurring("10"))),
    version(5, "course", "course", phase("fixed_term", "3m", recurring("50"))),
    version(6, "saver", "pro", phase("discount", "1m", recurring("5")), phase("evergreen", None, recurring("20"))),
    version(7, "seats", "seats", phase("evergreen", None, recurring("2"))),
    version(8, "backup", "backup", TRIAL, phase("evergreen", None, recurring("3"))),
    version(9, "weekly", "letter", phase("evergreen", None, recurring("1", "weekly"))),
    version(10, "steps", "basic", *(phase("discount", "1m", recurring(price)) for price in "123"),
            phase("evergreen", None, recurring("4"))),
    version(11, "plain", "basic", phase("evergreen", None, fixed("5"), recurring("12")), version=2,
            effective_on=day("6-1")),
    version(12, "old", "basic", phase("evergreen", None, recurring("1"))),
    version(13, "course-go-on", "course", phase("evergreen", None, recurring("40"))),
)  # fmt: skip
BY_ID = {one.id: one for one in VERSIONS}
PRODUCTS = (
    Product("basic", "Basic", "base", ("seats",)),
    Product("pro", "Pro", "base", ("seats", "backup")),
    Product("course", "Course", "standalone"),
    Product("letter", "Letter", "standalone"),
    Product("seats", "Seats", "add_on"),
    Product("backup", "Backup", "add_on"),
)
RULES = Rules(
    change_policy=(Case("illegal", to=Side(plan="old")), Case("immediate", phase="trial"), Case("end_of_term")),
    cancel_policy=(Case("immediate", phase="trial"), Case("end_of_term")),
    change_alignment=(Case("start_of_subscription"),),
    create_alignment=(Case("start_of_group"),),
    bill_alignment=(Case("group", of=Side(category="add_on")), Case("account")),
)


def catalog(**rules: tuple[Case, ...]) -> Catalog:
    """The catalogue, with some of its rules replaced. Its plan `old` is retired."""
    plans: dict[str, Plan] = {}
    for one in VERSIONS:
        plans[one.plan] = Plan(one.plan, (*(plans[one.plan].versions if one.plan in plans else ()), one))
    plans["old"] = replace(plans["old"], retired_at=noon("2020-1-1"))
    return Catalog({product.code: product for product in PRODUCTS}, plans, replace(RULES, **rules))


CATALOG = catalog()
BASE = SubscriptionId(uuid(501))
ADD_ON = SubscriptionId(uuid(502))
GROUP = GroupId(uuid(500))
PAYER: Customer = replace(CUSTOMER, time_zone="UTC", bill_cycle_day=1)


def started(
    plan: str = "plain", on: str = "1-1", now: str | None = None, customer: Customer = PAYER, **asked: Any
) -> Group:
    """A group with one subscription, started on a day, as it is at noon of `now`."""
    details = {"starts_on": day(on), **asked}
    return at(created_at(plan, now or on, customer, **details).group, now or on)


def created_at(plan: str, now: str, customer: Customer = PAYER, **asked: Any) -> Altered:
    ids = NewIds(BASE, GROUP)
    return created(NewSubscription(plan, **asked), customer, CATALOG, ids, noon(now))


def with_add_on(group: Group, plan: str = "seats", **asked: Any) -> Group:
    """The group with an add-on as well."""
    ids = NewIds(ADD_ON, GROUP)
    return created(NewSubscription(plan, **asked), group.customer, group.catalog, ids, group.at, base=group).group


def at(group: Group, now: str) -> Group:
    """The group as a verb finds it at noon of another day."""
    return replace(group, at=noon(now))


def charged(group: Group, through: str, subscription_id: SubscriptionId = BASE) -> Group:
    """The group with its recurring charge on lines up to a day."""
    return with_row(group, subscription_id, charged_through={"fee": day(through)})


def with_row(group: Group, subscription_id: SubscriptionId = BASE, **fields: Any) -> Group:
    members = tuple(
        replace(member, subscription=replace(member.subscription, **fields))
        if member.subscription.id == subscription_id
        else member
        for member in group.members
    )
    return replace(group, members=members)


def billed(group: Group, member: int = 0, from_on: date = date.min) -> tuple[Stretch, ...]:
    """The stretches of one of the group."""
    return stretches(group.members[member], group.versions, from_on)


def shown(known: tuple[Stretch, ...]) -> list[str]:
    """Each as `2026-01-01 2026-02-01 plan/phase × quantity`."""
    return [f"{one.start_on} {one.end_on or '…'} {one.plan.plan}/{one.phase_no} × {one.quantity}" for one in known]


def told(altered: Altered) -> list[str]:
    """The facts, without what all begin with."""
    return [fact.type.removeprefix("subscription.") for fact in altered.facts]


def asked(group: Group, ask: tuple[str, Any, date]) -> Group:
    """The group after something was asked of its base; as it was where that is refused."""
    what, value, on = ask
    id_ = group.lead.subscription.id
    try:
        match what:
            case "plan":
                return plan_changed(group, id_, PlanChange(value, billing=on)).group
            case "quantity":
                return quantity_changed(group, id_, Decimal(value), on).group
            case "bill_day":
                return bill_day_changed(group, id_, value, on).group
            case "pause":
                return paused(group, Pause(on=on)).group
            case "resume":
                return resumed(group, Pause(on=on)).group
            case _:
                return cancelled(group, id_, Cancel(on)).group
    except BillsmithError:
        return group


def newest(plan: str, on: str) -> PlanVersion:
    found = version_on(CATALOG.plans[plan], day(on))
    assert found is not None
    return found
