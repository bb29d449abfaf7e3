"""Starting a subscription: what it is sold as, from when, and what has to hold.

Rule: docs/rules/phases.md
"""

from datetime import date, datetime
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from billsmith.core.catalog.plans import ANY_CURRENCY, Plan, PlanVersion, ProductKind, version_on
from billsmith.core.catalog.rules import (
    BillAlignment,
    Catalog,
    CreateAlignment,
    as_often,
    bill_alignment,
    create_alignment,
    price_list_for,
    recurs_every,
    traits,
)
from billsmith.core.customers import Customer, not_deleted, today_of
from billsmith.core.cycles.lengths import later
from billsmith.core.ids import GroupId, SubscriptionId
from billsmith.core.subscriptions.bill_days import ONE
from billsmith.core.subscriptions.days import day_in_range
from billsmith.core.subscriptions.group import Altered, Group, begun, not_over
from billsmith.core.subscriptions.phases import last_phase_ends_on, phase_spans
from billsmith.core.subscriptions.stretches import ends_on
from billsmith.core.subscriptions.subscription import Change, Subscription
from billsmith.core.subscriptions.timeline import (
    ENDINGS,
    Timeline,
    in_state,
    next_change_at,
    state_at,
    subscription_fact,
)
from billsmith.core.time_zones import local_midnight
from billsmith.errors import Conflict, FieldError, Invalid, NotFound

MOST_QUANTITY = Decimal(10) ** 12
MOST_PERIODS = 1200


class PlanNotThere(NotFound):
    """The catalogue has no such plan, or it isn't sold yet on that day."""

    code = "plan_not_found"


class PlanNotClear(Invalid):
    """Neither a plan nor a product, or both, are named; or the product has none, or several, that could be meant."""

    code = "plan_not_clear"


class PlanRetired(Conflict):
    """A retired plan takes no new subscribers."""

    code = "plan_retired"


class CurrencyWithoutPrice(Conflict):
    """The plan has no price in the subscription's currency."""

    code = "currency_without_price"


class AddOnNotAvailable(Conflict):
    """An add-on needs a base subscription whose product offers it."""

    code = "add_on_not_available"


class PhasesOver(Conflict):
    """Every phase of the plan would be over on its first day."""

    code = "phases_over"


class SubscriptionPaused(Conflict):
    """While it is paused, its plan does not change and no add-on joins it."""

    code = "subscription_paused"


class SubscriptionFieldInvalid(Invalid):
    """A field of a subscription with a value that it can't have."""

    code = "subscription_field_invalid"


class NewSubscription(msgspec.Struct, frozen=True, gc=False):
    """What is asked for. Days are the customer's."""

    plan: str
    quantity: Decimal = ONE
    prices: dict[str, Decimal] | None = None
    """Prices of its own by charge code, in place of the plan's."""
    currency: str | None = None
    """None: the customer's."""
    starts_on: date | None = None
    """The first billed day, past or future; None: today, or when its base starts."""
    entitled_at: datetime | None = None
    """From when it may be used; None: from the start of billing."""
    bill_cycle_day: int | None = None
    billed_through_on: date | None = None
    """Days before were billed elsewhere."""
    ends_after_periods: int | None = None
    """Billing periods of its first recurring charge, counted from where that first applies."""
    ends_on: date | None = None
    """The first day on which it is over; not with `ends_after_periods`."""
    external_id: str | None = None
    metadata: dict[str, str] = {}
    tags: tuple[str, ...] = ()


class NewIds(msgspec.Struct, frozen=True, gc=False):
    """The ids that a new subscription gets."""

    subscription_id: SubscriptionId
    group_id: GroupId
    """Of its own group; an add-on joins its base's."""


def created(
    asked: NewSubscription,
    customer: Customer,
    catalog: Catalog,
    ids: NewIds,
    at: datetime,
    base: Group | None = None,
    alignment: CreateAlignment | None = None,
    billed_on: BillAlignment | None = None,
) -> Altered:
    """A new subscription: alone or as a base, or as an add-on in the group of `base`, which is brought up to now.

    The catalogue's rules say from when its phases are counted, and on whose day it is billed, unless that is given.

    Raises PlanNotThere, PlanRetired, CurrencyWithoutPrice, AddOnNotAvailable, PhasesOver, SubscriptionPaused,
    SubscriptionOver, SubscriptionFieldInvalid, CustomerDeleted.
    """
    not_deleted(customer)
    starts_on = _starts_on(asked, customer, at, base)
    version = version_sold(catalog, asked.plan, starts_on)
    currency = customer.currency if asked.currency is None else asked.currency
    check_prices(version, currency, asked.prices)
    check_numbers(asked.quantity, asked.bill_cycle_day)
    altered = Altered(Group(customer, (), {}, catalog, at)) if base is None else begun(base)
    kind = catalog.products[version.product].kind
    _check_place(version, catalog, altered.group, starts_on)
    sold = traits(version, kind)
    aligned_on = starts_on
    if kind == "add_on" and (alignment or create_alignment(catalog.rules, sold)) == "start_of_group":
        aligned_on = altered.group.lead.subscription.starts_on
    check_phases(version, aligned_on, starts_on)
    entitled_at = _entitled_at(asked, starts_on, customer, at)
    group_id = altered.group.lead.subscription.group_id if kind == "add_on" else ids.group_id
    row = _row(asked, customer, ids.subscription_id, group_id, kind, version, currency, starts_on, at)
    first = Change(
        1,
        "created",
        entitled_at,
        starts_on,
        plan_version_id=version.id,
        aligned_on=aligned_on,
        bill_alignment=billed_on or bill_alignment(catalog.rules, sold, version.phases[0].kind),
        quantity=asked.quantity,
        prices=asked.prices,
        bill_cycle_day=asked.bill_cycle_day,
        made_at=at,
    )
    changes = (
        first,
        *_end_asked(asked, version, aligned_on, starts_on, customer),
        *_pending_there(altered.group),
    )
    group = replace(altered.group, versions={**altered.group.versions, version.id: version})
    return joined(replace(altered, group=group), row, changes)


def _row(
    asked: NewSubscription,
    customer: Customer,
    subscription_id: SubscriptionId,
    group_id: GroupId,
    kind: ProductKind,
    version: PlanVersion,
    currency: str,
    starts_on: date,
    at: datetime,
) -> Subscription:
    """The row before its start; its state is read from its timeline."""
    return Subscription(
        id=subscription_id,
        tenant_id=customer.tenant_id,
        customer_id=customer.id,
        group_id=group_id,
        external_id=asked.external_id,
        product_kind=kind,
        status="pending",
        plan_version_id=version.id,
        phase=None,
        currency=currency,
        quantity=asked.quantity,
        starts_on=starts_on,
        ends_on=None,
        billed_through_on=_billed_through(asked, starts_on),
        charged_through={},
        rework_from_on=None,
        next_bill_on=max(starts_on, asked.billed_through_on or starts_on),
        next_change_at=None,
        metadata=asked.metadata,
        tags=asked.tags,
        version=1,
        created_at=at,
    )


def joined(altered: Altered, row: Subscription, changes: tuple[Change, ...]) -> Altered:
    """The group with one more member, its changes numbered in their order, told as created and, if so, as started."""
    group = altered.group
    numbered = tuple(replace(change, position=number, made_at=group.at) for number, change in enumerate(changes, 1))
    timeline = Timeline(row, numbered)
    state = state_at(timeline, group.versions, group.at, group.zone)
    row = replace(
        in_state(row, state),
        ends_on=ends_on(timeline, group.versions),
        next_change_at=next_change_at(timeline, group.versions, group.at, group.zone),
    )
    facts = [subscription_fact("subscription.created", row)]
    if row.status != "pending":
        row = replace(row, version=row.version + 1)
        facts.append(subscription_fact("subscription.started", row))
    return replace(
        altered,
        group=replace(group, members=(*group.members, replace(timeline, subscription=row))),
        changed_ids=altered.changed_ids | {row.id},
        facts=(*altered.facts, *facts),
        added=(*altered.added, *((row.id, change) for change in numbered)),
    )


def version_sold(catalog: Catalog, code: str, on: date, current: str | None = None) -> PlanVersion:
    """The version of a plan that is sold on a day, to whoever is not on plan `current` already.

    Raises PlanNotThere, PlanRetired.
    """
    plan: Plan | None = catalog.plans.get(code)
    version = None if plan is None else version_on(plan, on)
    if plan is None or version is None:
        said = f"there is no plan {code[:80]!r}" if plan is None else f"plan {code} is not sold yet on {on}"
        raise PlanNotThere(said, pointer="/plan")
    if plan.retired_at is not None and code != current:
        raise PlanRetired(f"plan {code} is retired; it takes no new subscribers", pointer="/plan")
    return version


def plan_of_product(catalog: Catalog, product: str, now_on: PlanVersion, category: ProductKind, on: date) -> str:
    """The plan of a product that whoever is on `now_on` changes to: of the rules' price list, billed as often.

    Raises PlanNotClear, unless exactly one is sold on that day.
    """
    of = traits(now_on, category)
    price_list = price_list_for(catalog.rules, of)
    sold = [(code, version_on(plan, on)) for code, plan in catalog.plans.items() if plan.retired_at is None]
    found = [
        code
        for code, version in sold
        if version is not None
        and version.product == product
        and version.price_list == price_list
        and as_often(recurs_every(version), of.length)
    ]
    if len(found) == 1:
        return found[0]
    meant = "none" if not found else ", ".join(sorted(found))
    said = f"of product {product[:80]!r} in price list {price_list}, billed as often as now, are sold: {meant}"
    raise PlanNotClear(f"{said}; name the plan", pointer="/product")


def check_prices(version: PlanVersion, currency: str, prices: dict[str, Decimal] | None) -> None:
    """Whether every charge has a price in the currency, the plan's or one of its own.

    Raises CurrencyWithoutPrice, SubscriptionFieldInvalid with every mistake.
    """
    charges = [charge for phase in version.phases for charge in phase.charges]
    own = prices or {}
    codes = {charge.code for charge in charges}
    unknown = [code for code in own if code not in codes]
    errors = [FieldError(f"/prices/{code}", f"the plan has no charge {code[:80]!r}") for code in unknown]
    errors += [
        FieldError(f"/prices/{code}", "a price is 0 or more")
        for code, price in own.items()
        if not price.is_finite() or price < 0
    ]
    if errors:
        raise SubscriptionFieldInvalid(errors[0].detail, errors=tuple(errors))
    for charge in charges:
        if charge.code not in own and currency not in charge.prices and ANY_CURRENCY not in charge.prices:
            raise CurrencyWithoutPrice(f"charge {charge.code} of plan {version.plan} has no price in {currency}")


def check_numbers(quantity: Decimal | None, bill_cycle_day: int | None = None) -> None:
    """Raises SubscriptionFieldInvalid."""
    if quantity is not None and not (quantity.is_finite() and 0 <= quantity <= MOST_QUANTITY):
        raise SubscriptionFieldInvalid(f"a quantity is 0 to {MOST_QUANTITY:f}", pointer="/quantity")
    if bill_cycle_day is not None:
        check_bill_day(bill_cycle_day, "/bill_cycle_day")


def check_bill_day(day: int, pointer: str) -> None:
    """Raises SubscriptionFieldInvalid."""
    if not 1 <= day <= 31:
        raise SubscriptionFieldInvalid("a bill cycle day is 1 to 31", pointer=pointer)


def _check_place(version: PlanVersion, catalog: Catalog, group: Group, starts_on: date) -> None:
    """Raises AddOnNotAvailable, SubscriptionOver, SubscriptionPaused where the plan's product can't be started."""
    product = catalog.products[version.product]
    if not group.members:
        if product.kind == "add_on":
            raise AddOnNotAvailable(f"{product.code} is an add-on; it needs a base subscription")
        return
    base = group.lead
    if product.kind != "add_on":
        raise AddOnNotAvailable(f"{product.code} is {product.kind}, not an add-on; it stands in a group of its own")
    not_over(base)
    of = group.versions[base.subscription.plan_version_id].product
    if product.code not in catalog.products[of].add_ons:
        raise AddOnNotAvailable(f"{product.code} is not available on {of}")
    if starts_on < base.subscription.starts_on:
        raise AddOnNotAvailable(f"its base starts on {base.subscription.starts_on} only")
    if base.subscription.ends_on is not None and starts_on >= base.subscription.ends_on:
        raise AddOnNotAvailable(f"its base ends on {base.subscription.ends_on}")
    if base.subscription.status == "paused":
        raise SubscriptionPaused("its base is paused; resume it first")


def check_phases(version: PlanVersion, aligned_on: date, on: date) -> None:
    """Raises PhasesOver where nothing is left of the plan on its first day."""
    over_on = last_phase_ends_on(version, aligned_on)
    if over_on is not None and over_on <= on:
        raise PhasesOver(f"counted from {aligned_on}, the last phase of plan {version.plan} ends on {over_on}")


def _starts_on(asked: NewSubscription, customer: Customer, at: datetime, base: Group | None) -> date:
    """The day that is asked for; otherwise today, or the first day of a base that starts later."""
    if asked.starts_on is not None:
        return day_in_range(asked.starts_on)
    today = today_of(customer, at)
    return today if base is None else max(today, base.lead.subscription.starts_on)


def _entitled_at(asked: NewSubscription, starts_on: date, customer: Customer, at: datetime) -> datetime:
    if asked.entitled_at is not None:
        day_in_range(today_of(customer, asked.entitled_at))
        return asked.entitled_at
    return at if starts_on == today_of(customer, at) else local_midnight(starts_on, customer.time_zone)


def _billed_through(asked: NewSubscription, starts_on: date) -> date | None:
    through_on = asked.billed_through_on
    if through_on is not None and day_in_range(through_on) < starts_on:
        raise SubscriptionFieldInvalid(
            f"it starts on {starts_on}; nothing can be billed through {through_on}", pointer="/billed_through_on"
        )
    return through_on


def _end_asked(
    asked: NewSubscription, version: PlanVersion, aligned_on: date, starts_on: date, customer: Customer
) -> tuple[Change, ...]:
    """The cancel that an end known from the start comes to."""
    end_on = asked.ends_on
    if asked.ends_after_periods is not None:
        if end_on is not None:
            raise SubscriptionFieldInvalid(
                "it ends on a date or after a number of periods, not both", pointer="/ends_after_periods"
            )
        end_on = _after_periods(asked.ends_after_periods, version, aligned_on, starts_on)
    if end_on is None:
        return ()
    if day_in_range(end_on) <= starts_on:
        raise SubscriptionFieldInvalid(f"it starts on {starts_on}; it can't end on {end_on}", pointer="/ends_on")
    return (Change(0, "cancelled", local_midnight(end_on, customer.time_zone), end_on),)


def _after_periods(periods: int, version: PlanVersion, aligned_on: date, starts_on: date) -> date:
    if not 1 <= periods <= MOST_PERIODS:
        raise SubscriptionFieldInvalid(f"a number of periods is 1 to {MOST_PERIODS}", pointer="/ends_after_periods")
    for span in phase_spans(version, aligned_on):
        length = next((charge.length for charge in span.phase.charges if charge.length is not None), None)
        if length is not None and (span.ends_on is None or span.ends_on > starts_on):
            return later(max(span.starts_on, starts_on), length, periods)
    raise SubscriptionFieldInvalid(
        f"plan {version.plan} has no recurring charge whose periods could be counted", pointer="/ends_after_periods"
    )


def _pending_there(group: Group) -> tuple[Change, ...]:
    """The end and the pauses that are scheduled for the base hold for an add-on that joins it."""
    if not group.members:
        return ()
    return tuple(
        Change(0, change.kind, change.entitlement_at, change.billing_on)
        for change in group.lead.changes
        if change.undone_at is None
        and (change.kind in ENDINGS or change.kind in ("paused", "resumed"))
        and ((change.entitlement_at or group.at) > group.at or (change.billing_on or group.today) > group.today)
    )
