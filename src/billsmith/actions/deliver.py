"""Events: numbered after the fact, one tenant at a time, and read back with the object as it was."""

from typing import Any

import msgspec

from billsmith.actions.context import Context
from billsmith.actions.objects import EventObject, invoice_at_version, invoice_object
from billsmith.core.ids import TenantId, maybe_show_id, show_id
from billsmith.core.tenants import Tenant
from billsmith.store import events as event_rows
from billsmith.store import idempotency
from billsmith.store import invoices as invoice_rows
from billsmith.store.events import LAST_SEQUENCE, NumberedEvent
from billsmith.store.pool import Connection
from billsmith.store.transaction import transact

TRANSACTIONS_AT_ONCE = 200
"""How many transactions' events are numbered in one go."""
EVENTS_AT_ONCE = 10_000
"""Behind so many events no further transaction's are: a run's batch has thousands, and readers wait for one go."""
LOOKED_THROUGH = 2_000
"""Among so many events a page of one type is looked for: what is rare must not cost reading everything."""
TURNS_FOR_A_READER = 20
"""So often a reader numbers, at most; the rest is the dispatcher's."""

KEYS_AT_ONCE = 1000


async def number_events(context: Context) -> int:
    """Number what waits in the outbox, for every tenant that has something there. How many events."""
    numbered = 0
    for tenant_id in await event_rows.tenants_with_outbox(context.pool):
        numbered += await _number_for(context, tenant_id)
    return numbered


async def number_events_of(context: Context, tenant: Tenant) -> None:
    """Number everything that waits for one tenant, so that who reads right after writing finds it."""
    while await _number_for(context, tenant.id):
        pass


class EventsRead(msgspec.Struct, frozen=True, gc=False):
    """Some of the events behind a number, in order, and from where to read on."""

    events: list[EventObject]
    more: bool
    next_after: int


async def read_events(
    context: Context, tenant: Tenant, after: int, limit: int, type_pattern: str | None = None
) -> EventsRead:
    """The next events behind a number: as many as wanted, or those of a type among the next few thousand.

    Where a million wait for their numbers, after a run, only what is needed here is numbered first.
    """
    through = after + (limit + 1 if type_pattern is None else LOOKED_THROUGH)
    last = min(through, await _number_up_to(context, tenant, through))
    if last <= after:
        return EventsRead([], more=False, next_after=after)
    found = await events_after(context, tenant, after, limit + 1, type_pattern, last)
    shown = found[:limit]
    if len(found) > limit:
        return EventsRead(shown, more=True, next_after=shown[-1].sequence)
    return EventsRead(shown, more=last == through, next_after=last)


async def events_after(
    context: Context,
    tenant: Tenant,
    sequence: int,
    limit: int,
    type_pattern: str | None = None,
    last: int = LAST_SEQUENCE,
) -> list[EventObject]:
    """Events behind `sequence` up to `last`, in order, each with its object as it was at that version."""
    events = await event_rows.events_after(context.pool, tenant.id, sequence, limit, type_pattern, last)
    finalised = [event.object_id for event in events if _reads_document(event)]
    documents = await invoice_rows.get_documents(context.pool, tenant.id, finalised)
    return [_shown(event, _payload(event, documents)) for event in events]


async def forget_keys(context: Context) -> int:
    """Delete idempotency keys that have expired; how many."""
    return await idempotency.forget_keys(context.pool, context.clock.wall(), KEYS_AT_ONCE)


async def _number_up_to(context: Context, tenant: Tenant, sequence: int) -> int:
    """Number what waits until this number is given or nothing waits; the last number that is given."""
    last = await event_rows.last_sequence(context.pool, tenant.id)
    for _ in range(TURNS_FOR_A_READER):
        if last >= sequence or not await _number_for(context, tenant.id):
            break
        last = await event_rows.last_sequence(context.pool, tenant.id)
    return last


async def _number_for(context: Context, tenant_id: TenantId) -> int:
    async def work(connection: Connection) -> int:
        return await event_rows.number_events(connection, tenant_id, TRANSACTIONS_AT_ONCE, EVENTS_AT_ONCE)

    return await transact(context.pool, work)


def _reads_document(event: NumberedEvent) -> bool:
    """Whether the event is about a finalised invoice, of which it keeps only what may change."""
    return event.type.startswith("invoice.") and (event.object is None or "id" not in event.object)


def _payload(event: NumberedEvent, documents: dict[Any, Any]) -> Any:
    if not _reads_document(event):
        return event.object
    return invoice_object(invoice_at_version(documents[event.object_id], event.object_version, event.object))


_KEPT_IN = {"plan": "catalog"}
"""What is told of a plan is told of the catalogue that it stands in."""


def _shown(event: NumberedEvent, data: Any) -> EventObject:
    kind = event.type.partition(".")[0]
    kind = _KEPT_IN.get(kind, kind)
    return EventObject(
        id=show_id("event", event.id),
        sequence=event.sequence,
        type=event.type,
        customer=maybe_show_id("customer", event.customer_id),
        object_id=show_id(kind, event.object_id),
        object_version=event.object_version,
        occurred_at=event.occurred_at,
        actor=event.actor,
        reason=event.reason,
        request_id=event.request_id,
        data=data,
    )
