"""What cases assert about subscriptions, against what the engine has."""

from datetime import date
from zoneinfo import ZoneInfo

from msgspec import UNSET

from billsmith.actions.subscriptions.loading import load_timelines, read_subscription
from billsmith.core.subscriptions.timeline import live
from tests.cases.scenarios.comparing import Days, days_of
from tests.cases.scenarios.values import Expectation
from tests.cases.scenarios.world import World

STATES = {
    "pending": "PENDING", "trialing": "ACTIVE", "active": "ACTIVE", "paused": "BLOCKED", "cancelled": "CANCELLED",
    "expired": "EXPIRED",
}  # fmt: skip


async def subscriptions_differ(world: World, block: Expectation) -> list[str]:
    """What differs about states, the days up to which they are charged, and their ends."""
    found: list[str] = []
    for name in {*block.entitlement_state, *block.charged_through, *block.subscription_end}:
        row = await read_subscription(world.context.pool, world.call.tenant, world.subscriptions[name])
        state = STATES[row.status]
        if block.entitlement_state.get(name, state) != state:
            found.append(f"{name} is {state}, expected {block.entitlement_state[name]}")
        through_on = row.charged_through_on
        if block.charged_through.get(name, through_on) != through_on:
            found.append(f"{name} is charged through {through_on}, expected {block.charged_through[name]}")
        expected = block.subscription_end.get(name)
        if expected is not None:
            days = days_of(world, world.account(world.owners[name]).zone)
            entitlement, billing = await _end(world, name)
            found += _differ(f"{name}: end of entitlement", expected.entitlement, entitlement, days)
            found += _differ(f"{name}: end of billing", expected.billing, billing, days)
    return found


async def _end(world: World, name: str) -> tuple[date | None, date | None]:
    """The days on which it is neither used nor billed any more, as far as is known."""
    row = await read_subscription(world.context.pool, world.call.tenant, world.subscriptions[name])
    timeline = (await load_timelines(world.context.pool, world.call.tenant, [row]))[row.id]
    ends = [change for change in live(timeline) if change.kind in ("cancelled", "transferred")]
    entitlement = max((change.entitlement_at for change in ends if change.entitlement_at is not None), default=None)
    zone = ZoneInfo(world.account(world.owners[name]).zone)
    return None if entitlement is None else entitlement.astimezone(zone).date(), row.ends_on


def _differ(what: str, expected: object, got: date | None, days: Days) -> list[str]:
    if expected is UNSET or expected == got:
        return []
    if isinstance(expected, date) and got is not None and days(expected, got):
        return []
    return [f"{what} is {got}, expected {expected}"]
