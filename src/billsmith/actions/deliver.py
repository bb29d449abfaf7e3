"""Events: numbered after the fact, one tenant at a time, and read back with the object as it was."""

from typing import Any

from billsmith.actions.context import Context
from billsmith.actions.objects import EventObject, invoice_at_version, invoice_object
from billsmith.core.ids import TenantId, maybe_show_id, show_id
from billsmith.core.tenants import Tenant
from billsmith.store import events as event_rows
from billsmith.store import idempotency
from billsmith.store import invoices as invoice_rows
from billsmith.store.events import NumberedEvent
from billsmith.store.pool import Connection
from billsmith.store.transaction import transact

TRANSACTIONS_AT_ONCE = 200
"""How many transactions' events are numbered in one go."""

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


async def events_after(
    context: Context, tenant: Tenant, sequence: int, limit: int, type_pattern: str | None = None
) -> list[EventObject]:
    """Events behind `sequence`, in order, each with its object as it was at that version."""
    events = await event_rows.events_after(context.pool, tenant.id, sequence, limit, type_pattern)
    finalised = [event.object_id for event in events if _reads_document(event)]
    documents = await invoice_rows.get_documents(context.pool, tenant.id, finalised)
    return [_shown(event, _payload(event, documents)) for event in events]


async def forget_keys(context: Context) -> int:
    """Delete idempotency keys that have expired; how many."""
    return await idempotency.forget_keys(context.pool, context.clock.wall(), KEYS_AT_ONCE)


async def _number_for(context: Context, tenant_id: TenantId) -> int:
    async def work(connection: Connection) -> int:
        return await event_rows.number_events(connection, tenant_id, TRANSACTIONS_AT_ONCE)

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
