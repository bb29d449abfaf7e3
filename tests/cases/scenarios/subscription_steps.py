"""Steps about subscriptions, each done with the verbs that a user has."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from billsmith.actions.catalog import apply_catalog
from billsmith.actions.subscriptions.asking import Asked, BillDayChange, QuantityChange, Resume, Undo
from billsmith.actions.subscriptions.changing import alter
from billsmith.actions.subscriptions.starting import Order, subscribe
from billsmith.core.catalog.given import catalog_given
from billsmith.core.ids import SubscriptionId
from billsmith.core.subscriptions.cancelling import Cancel
from billsmith.core.subscriptions.changing import PlanChange
from billsmith.core.subscriptions.days import When
from billsmith.core.subscriptions.pausing import Pause
from billsmith.core.subscriptions.starting import NewSubscription
from billsmith.core.time_zones import local_midnight
from tests.cases.report import NotYet, Unreadable
from tests.cases.scenarios import values
from tests.cases.scenarios.catalogue import POLICIES, catalogs_of
from tests.cases.scenarios.money_steps import Driver
from tests.cases.scenarios.values import Moment, Scenario, Step
from tests.cases.scenarios.world import Account, World

ONE = Decimal(1)


async def load_catalogs(world: World, scenario: Scenario) -> None:
    """The catalogues of the case, oldest first; each says itself from when its plans are sold."""
    documents = catalogs_of(scenario)
    phases = {
        (name, phase["kind"]): {charge["code"] for charge in phase["charges"]}
        for document in documents
        for name, plan in document["plans"].items()
        for phase in plan["phases"]
    }
    world.charges_of_phases = phases
    for document in documents:
        await apply_catalog(world.context, world.call, catalog_given(document))


async def start(world: World, step: values.Subscribe) -> None:
    """A subscription in a group of its own, or an add-on that joins its base."""
    account = world.account(step.account)
    asked = NewSubscription(
        plan=step.plan,
        quantity=ONE if step.quantity is None else step.quantity,
        prices=_prices(world, step.plan, step.price_overrides),
        currency=account.currency,
        starts_on=None if step.billing_date is None else step.billing_date.day(account.zone),
        entitled_at=_instant(world, account, step.entitlement_date),
        bill_cycle_day=step.bill_cycle_day,
    )
    base = None if step.add_on_to is None else subscription_named(world, step.add_on_to)
    _not_of_a_child(account)
    started = (await subscribe(world.context, world.call, account.id, Order(asked, base=base))).fresh
    _remember(world, account, [step.subscription], started.ids)


async def start_together(world: World, step: values.SubscribeMany) -> None:
    """Groups that are started together are billed together: by the run that follows."""
    account = world.account(step.account)
    _not_of_a_child(account)
    bundles: dict[str, list[values.Together]] = {}
    for one in step.subscriptions:
        bundles.setdefault(one.bundle, []).append(one)
    for members in bundles.values():
        base, *add_ons = (
            NewSubscription(
                plan=one.plan, quantity=ONE if one.quantity is None else one.quantity, currency=account.currency
            )
            for one in members
        )
        order = Order(base, add_ons=tuple(add_ons))
        started = (await subscribe(world.context, world.call, account.id, order, bill="later")).fresh
        _remember(world, account, [one.subscription for one in members], started.ids)


async def change_plan(world: World, step: values.ChangePlan) -> None:
    """Another plan, or other prices of the same one."""
    account = _owner(world, step.subscription)
    if step.billing_policy == "REQUESTED_DATE":
        if step.effective_date is None:
            raise Unreadable("REQUESTED_DATE needs an effective_date")
        billing: When | None = step.effective_date.day(account.zone)
    else:
        billing = policy_named(step.billing_policy)
    asked = PlanChange(
        plan=step.plan,
        prices=_prices(world, step.plan, step.price_overrides),
        bill_cycle_day=step.bill_cycle_day,
        billing=billing,
    )
    await _alter(world, step.subscription, asked)


async def cancel(world: World, step: values.Cancel) -> None:
    """By policies, or on a date."""
    account = _owner(world, step.subscription)
    entitlement: When | None
    billing: When | None
    if step.effective_date is not None:
        entitlement = step.effective_date.day(account.zone)
        billing = entitlement if step.billing in (None, "SAME_DATE") else policy_named(step.billing)
    else:
        entitlement, billing = policy_named(step.entitlement), policy_named(step.billing)
    asked = Cancel(billing=billing, entitlement=entitlement)
    await _alter(world, step.subscription, asked)


async def uncancel(world: World, step: values.Uncancel) -> None:
    """As if the cancel had not been asked for."""
    await _alter(world, step.subscription, Undo("cancel"))


async def pause(world: World, step: values.Pause) -> None:
    """The whole group, for use and billing."""
    asked = _pause(world, step.subscription, step.effective_date, step.scope)
    await _alter(world, step.subscription, asked)


async def resume(world: World, step: values.Resume) -> None:
    """The whole group again."""
    asked = _pause(world, step.subscription, step.effective_date, step.scope)
    await _alter(world, step.subscription, Resume(asked))


async def set_blocking_state(world: World, step: values.SetBlockingState) -> None:
    """A state that blocks use or billing is a pause of it, one that blocks neither is its end."""
    if step.block_change and not (step.block_entitlement or step.block_billing):
        raise NotYet("set_blocking_state that blocks changes alone")
    asked = _pause(world, step.subscription, step.effective_date, step.scope)
    if step.block_entitlement or step.block_billing:
        asked = Pause(asked.on, step.block_entitlement, step.block_billing, asked.only)
        await _alter(world, step.subscription, asked)
    else:
        await _alter(world, step.subscription, Resume(asked))


def _pause(world: World, subscription: str, on: Moment | None, scope: str) -> Pause:
    if scope not in ("bundle", "subscription"):
        raise NotYet(f"a pause of scope {scope}")
    account = _owner(world, subscription)
    only = subscription_named(world, subscription) if scope == "subscription" else None
    return Pause(on=_day_but_today(world, account, on), only=only)


async def change_bill_day(world: World, step: values.ChangeBillDay) -> None:
    """A day of the subscription's own."""
    account = _owner(world, step.subscription)
    from_on = None if step.effective_from is None else step.effective_from.day(account.zone)
    await _alter(world, step.subscription, BillDayChange(step.bill_cycle_day, from_on))


async def change_quantity(world: World, step: values.ChangeQuantity) -> None:
    """From now, or from a date on."""
    account = _owner(world, step.subscription)
    billing: When = "immediate" if step.effective_date is None else step.effective_date.day(account.zone)
    await _alter(world, step.subscription, QuantityChange(step.quantity, billing))


async def _alter(world: World, subscription: str, asked: Asked) -> None:
    await alter(world.context, world.call, subscription_named(world, subscription), asked)


def policy_named(name: str | None) -> When | None:
    """None: the catalogue's rules decide."""
    if name is None or name == "CATALOG":
        return None
    if name not in POLICIES:
        raise Unreadable(f"there is no policy {name}")
    policy: Any = POLICIES[name]
    return policy  # type: ignore[no-any-return]


def _prices(world: World, plan: str, overrides: list[values.Override]) -> dict[str, Decimal] | None:
    """Prices of its own hold for a charge in all phases: an override may leave none of those at another price."""
    found: dict[str, Decimal] = {}
    for one in overrides:
        if one.usages:
            raise NotYet("price_overrides of usage")
        for code, price in (("recurring", one.recurring_price), ("fixed", one.fixed_price)):
            if price is not None:
                others = _phases_with(world, plan, code) - {one.phase.lower().replace("fixedterm", "fixed_term")}
                if others - {other.phase.lower().replace("fixedterm", "fixed_term") for other in overrides}:
                    raise NotYet("price_overrides of one phase where others have the same charge")
                if found.get(code, price) != price:
                    raise NotYet("price_overrides that differ between phases")
                found[code] = price
    return found or None


def _phases_with(world: World, plan: str, code: str) -> set[str]:
    return {kind for (name, kind), codes in world.charges_of_phases.items() if name == plan and code in codes}


def _instant(world: World, account: Account, moment: Moment | None) -> datetime | None:
    """A day alone begins at its midnight; today, it is now."""
    if moment is None or moment.day(account.zone) == world.today(account):
        return None
    return moment.instant if moment.has_time else local_midnight(moment.day(account.zone), account.zone)


def _day_but_today(world: World, account: Account, moment: Moment | None) -> date | None:
    """The day; None for today, which means now."""
    if moment is None or moment.day(account.zone) == world.today(account):
        return None
    return moment.day(account.zone)


def subscription_named(world: World, name: str) -> SubscriptionId:
    """What the case calls so. Raises Unreadable."""
    if name not in world.subscriptions:
        raise Unreadable(f"there is no subscription {name} yet")
    return world.subscriptions[name]


def _owner(world: World, name: str) -> Account:
    subscription_named(world, name)
    return world.account(world.owners[name])


def _not_of_a_child(account: Account) -> None:
    if account.delegated:
        raise NotYet("a child's invoice that its parent's summary shows (PARENT_SUMMARY)")


def _remember(world: World, account: Account, names: list[str], ids: tuple[SubscriptionId, ...]) -> None:
    for name, id_ in zip(names, ids, strict=True):
        world.subscriptions[name] = id_
        world.owners[name] = account.name


DRIVERS: dict[type[Step], Driver] = {
    values.Subscribe: start,
    values.SubscribeMany: start_together,
    values.ChangePlan: change_plan,
    values.Cancel: cancel,
    values.Uncancel: uncancel,
    values.Pause: pause,
    values.Resume: resume,
    values.SetBlockingState: set_blocking_state,
    values.ChangeBillDay: change_bill_day,
    values.ChangeQuantity: change_quantity,
}
