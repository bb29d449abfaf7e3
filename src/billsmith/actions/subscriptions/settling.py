"""What changes about subscriptions by itself: they start, reach a phase, pause, end; told when it happens."""

from collections.abc import Sequence
from functools import partial

from msgspec.structs import replace

from billsmith.actions.calls import Call, carry_out
from billsmith.actions.context import Context
from billsmith.actions.money.sweeping import in_halves, of_each_tenant
from billsmith.actions.subscriptions.loading import load_groups
from billsmith.actions.subscriptions.saving import save_altered
from billsmith.core.subscriptions.group import begun
from billsmith.store import customers as customer_rows
from billsmith.store.events import Cause
from billsmith.store.pool import Connection
from billsmith.store.selling import subscriptions as subscription_rows
from billsmith.store.selling.subscriptions import DueChange

SWEEP = 500
"""Subscriptions looked at in one go of the sweep: one transaction per tenant among them."""

REASON = "its time came"


async def settle_changes_due(context: Context) -> int:
    """Bring subscriptions of all who live in the real time to the state that their timelines say; how many.

    One that can't be brought there stops no other; the first such error is raised at the end. Raises
    DatabaseUnavailable.
    """
    at = context.clock.wall()
    done, errors = 0, list[Exception]()

    async def note(_: DueChange, error: Exception) -> None:
        errors.append(error)

    async def settle_these(context: Context, call: Call, due: Sequence[DueChange]) -> None:
        nonlocal done
        settled = await in_halves(due, partial(_settle, context, call), note)
        done += settled

    page: list[DueChange] = []
    while page := await subscription_rows.due_changes(context.pool, at, SWEEP, page[-1] if page else None):
        await of_each_tenant(context, page, settle_these, REASON)
    if errors:
        raise errors[0]
    return done


async def settle_changes_of(context: Context, call: Call) -> int:
    """Bring one tenant's subscriptions to the state of its own clock, first to change first; how many."""
    due = await subscription_rows.due_changes_of(context.pool, call.tenant.id, context.clock.of(call.tenant), SWEEP)
    return await _settle(context, replace(call, reason=REASON), due) if due else 0


async def _settle(context: Context, call: Call, due: Sequence[DueChange]) -> int:
    async def verb(connection: Connection, cause: Cause) -> int:
        customers = await customer_rows.lock_customers(connection, call.tenant.id, {one.customer_id for one in due})
        owners = {one.group_id: customers[one.customer_id] for one in due}
        groups = await load_groups(connection, call.tenant, owners, cause.caused_at)
        decided = [altered for group in groups.values() if (altered := begun(group)).changed_ids]
        if decided:
            await save_altered(connection, context, cause, decided)
        return sum(len(altered.saved) for altered in decided)

    return (await carry_out(context, call, verb)).fresh
