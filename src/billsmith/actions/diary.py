"""What happened to a tenant day by day, told from its events: how often each, and what moved."""

from collections import Counter
from datetime import date
from typing import Any, Literal

import msgspec

from billsmith.actions.context import Context
from billsmith.actions.deliver import number_events_of
from billsmith.core.tenants import Tenant
from billsmith.core.time_zones import local_day
from billsmith.store import events as event_rows

PAGE = 1000

Movement = Literal["collected", "declined", "refunded", "paid_out", "reversed"]
_MOVEMENTS: dict[str, Movement] = {
    "payment.succeeded": "collected",
    "payment.failed": "declined",
    "refund.succeeded": "refunded",
    "payment.reversed": "reversed",
}


class Moved(msgspec.Struct, frozen=True, gc=False):
    """How much money did one thing on a day, in one currency."""

    movement: Movement
    currency: str
    amount: int
    """In minor units."""
    payments: int
    """Or refunds: how many it was."""


class Day(msgspec.Struct, frozen=True, gc=False):
    """One local day on which something happened."""

    on: date
    events: dict[str, int]
    """How often each type of event came."""
    moved: tuple[Moved, ...]


async def last_told(context: Context, tenant: Tenant) -> int:
    """The number of the tenant's newest event; 0 if there is none."""
    await number_events_of(context, tenant)
    return await event_rows.last_sequence(context.pool, tenant.id)


async def days_since(context: Context, tenant: Tenant, sequence: int) -> list[Day]:
    """The tenant's days with what happened behind that event, in order; moves of the clock left out."""
    await number_events_of(context, tenant)
    told: dict[date, Counter[str]] = {}
    moved: dict[date, dict[tuple[Movement, str], tuple[int, int]]] = {}
    while events := await event_rows.events_after(context.pool, tenant.id, sequence, PAGE):
        sequence = events[-1].sequence
        for event in events:
            if event.type == "tenant.clock_moved":
                continue
            on = local_day(event.occurred_at, tenant.time_zone)
            told.setdefault(on, Counter())[event.type] += 1
            if (found := _movement(event.type, event.object)) is not None:
                movement, currency, amount = found
                of_day = moved.setdefault(on, {})
                total, times = of_day.get((movement, currency), (0, 0))
                of_day[movement, currency] = (total + amount, times + 1)
    return [Day(on, dict(sorted(told[on].items())), _sorted(moved.get(on, {}))) for on in sorted(told)]


def _movement(type_: str, subject: Any) -> tuple[Movement, str, int] | None:
    movement = _MOVEMENTS.get(type_)
    if movement is None or not isinstance(subject, dict):
        return None
    if movement == "collected" and subject.get("direction") == "payout":
        movement = "paid_out"
    return movement, str(subject["currency"]), int(subject["amount"])


def _sorted(of_day: dict[tuple[Movement, str], tuple[int, int]]) -> tuple[Moved, ...]:
    return tuple(Moved(movement, currency, *figures) for (movement, currency), figures in sorted(of_day.items()))
