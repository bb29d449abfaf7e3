"""Bulk refunds: previewed, asked for once, carried out by workers item by item, each with its own result."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import msgspec

from billsmith.actions.calls import Answer, Call, ClockMoving, Keyed, KeyRunning, Outcome, carry_out
from billsmith.actions.context import Context
from billsmith.actions.money.refunds import RefundTarget, refund
from billsmith.actions.saving import record_facts
from billsmith.core.collecting.refunding import NewRefund
from billsmith.core.facts import Fact
from billsmith.core.ids import CustomerId, InvoiceId, OperationId, TenantId, maybe_show_id, shard_of, show_id
from billsmith.core.operations import Operation
from billsmith.core.payments.refunds import Refund, RefundInvalid
from billsmith.core.tenants import Tenant
from billsmith.core.text import DESCRIPTION_LENGTH, block_of_text
from billsmith.errors import BillsmithError, Conflict, NotFound, Unavailable
from billsmith.store import operations as operation_rows
from billsmith.store import tenants as tenant_rows
from billsmith.store.events import Cause
from billsmith.store.operations import ItemCount, OperationItem
from billsmith.store.pool import Connection
from billsmith.store.transaction import transact

KIND = "bulk_refund"
MOST_ITEMS = 100_000
PAGE = 5_000
LEASE = timedelta(minutes=2)
ITEMS_AT_ONCE = 50
OPERATIONS_AT_ONCE = 4


class OperationNotFound(NotFound):
    """No such operation of this tenant."""

    code = "operation_not_found"


class OperationEnded(Conflict):
    """It is completed or cancelled already."""

    code = "operation_ended"


class RefundFilter(msgspec.Struct, frozen=True, gc=False):
    """Which invoices are refunded: everything paid and not yet given back, of those issued in a half-open time."""

    issued_from: date | None = None
    issued_before: date | None = None
    customer_id: CustomerId | None = None
    currency: str | None = None


class BulkPreview(msgspec.Struct, frozen=True, gc=False):
    """What a bulk refund would be about."""

    counts: list[ItemCount]
    first: list[OperationItem]


class OperationInFull(msgspec.Struct, frozen=True, gc=False):
    """An operation and how far it is."""

    operation: Operation
    counts: list[ItemCount]


async def preview_bulk_refund(context: Context, tenant: Tenant, wanted: RefundFilter) -> BulkPreview:
    """How many invoices, how much in each currency, and the first of them. Raises RefundInvalid for too many."""
    items = await _items(context.pool, tenant, wanted)
    totals: dict[str, tuple[int, int]] = {}
    for item in items:
        count, amount = totals.get(item.currency, (0, 0))
        totals[item.currency] = (count + 1, amount + item.amount_minor)
    counts = [ItemCount("waiting", currency, *totals[currency]) for currency in sorted(totals)]
    return BulkPreview(counts, items[:ITEMS_AT_ONCE])


async def start_bulk_refund(
    context: Context, call: Call, wanted: RefundFilter, reason: str
) -> Outcome[OperationInFull]:
    """Refund all these invoices in whole; workers carry it out. Raises RefundInvalid for none, or too many."""
    why = block_of_text(reason, DESCRIPTION_LENGTH, "/reason")

    async def verb(connection: Connection, cause: Cause) -> OperationInFull:
        items = await _items(connection, call.tenant, wanted)
        if not items:
            raise RefundInvalid("no invoice with money to be given back matches this", pointer="")
        id_ = OperationId(context.ids.new(shard_of(call.tenant.id)))
        input_ = {
            "issued_from": wanted.issued_from and wanted.issued_from.isoformat(),
            "issued_before": wanted.issued_before and wanted.issued_before.isoformat(),
            "customer": maybe_show_id("customer", wanted.customer_id),
            "currency": wanted.currency,
            "reason": why,
            "actor": cause.actor,
        }
        name = show_id("operation", id_)
        await operation_rows.insert_operation(
            connection, call.tenant.id, id_, KIND, name, cause.caused_at, input_, context.clock.wall()
        )
        await operation_rows.insert_items(connection, call.tenant.id, id_, items)
        fact = Fact("operation.started", id_, 1, {"id": name, "kind": KIND, "items": len(items), "input": input_}, None)
        await record_facts(connection, context, cause, [fact])
        return await _in_full(connection, call.tenant, id_)

    return await carry_out(context, call, verb)


async def carry_on_bulk_refunds(context: Context) -> int:
    """Work on some items of operations that nobody else is carrying on; how many items."""

    async def lease(connection: Connection) -> list[tuple[TenantId, OperationId]]:
        wall = context.clock.wall()
        return await operation_rows.lease_operations(connection, KIND, wall, wall + LEASE, OPERATIONS_AT_ONCE)

    leased = await transact(context.pool, lease)
    owners = await tenant_rows.get_tenants(context.pool, {tenant_id for tenant_id, _ in leased})
    done = 0
    for tenant_id, id_ in leased:
        done += await _carry_on(context, owners[tenant_id], id_)
    return done


async def carry_on_bulk_refunds_of(context: Context, call: Call) -> int:
    """Work on some items of one tenant's operations while its clock is moved; how many items.

    Whoever else had one leased has found the clock moving, or does before its next item.
    """
    running = await operation_rows.running_operations(context.pool, call.tenant.id, (KIND,))
    return sum([await _carry_on(context, call.tenant, one.id, call.clock_holder) for one in running])


async def cancel_operation(context: Context, call: Call, id_: UUID) -> Outcome[OperationInFull]:
    """Stop an operation: what is done stays done, the rest is left. Raises OperationNotFound, OperationEnded."""

    async def verb(connection: Connection, cause: Cause) -> OperationInFull:
        await _alone(connection, call.tenant, id_)
        if not await operation_rows.cancel_operation(connection, call.tenant.id, id_, cause.caused_at):
            raise OperationEnded("this operation has ended already")
        return await _in_full(connection, call.tenant, id_)

    return await carry_out(context, call, verb)


async def get_operation(context: Context, tenant: Tenant, id_: UUID) -> OperationInFull:
    """Raises OperationNotFound."""
    return await _in_full(context.pool, tenant, id_)


async def list_operations(context: Context, tenant: Tenant, before: UUID | None, limit: int) -> list[Operation]:
    """Operations, newest first, from behind `before` on."""
    return await operation_rows.list_operations(context.pool, tenant.id, before, limit)


async def list_items(
    context: Context, tenant: Tenant, id_: UUID, status: str | None, after: UUID | None, limit: int
) -> tuple[Operation, list[OperationItem]]:
    """An operation, and what became of each of its items, in the order of their ids. Raises OperationNotFound."""
    operation = await _alone(context.pool, tenant, id_)
    return operation, await operation_rows.list_items(context.pool, tenant.id, id_, status, after, limit)


async def _carry_on(context: Context, tenant: Tenant, id_: OperationId, clock_holder: UUID | None = None) -> int:
    """Work on the next items. Each has a key of its own, so that one that was cut off is not refunded twice."""
    operation = await _alone(context.pool, tenant, id_)
    asked = operation.input or {}
    items = await operation_rows.waiting_items(context.pool, tenant.id, id_, ITEMS_AT_ONCE)
    for item in items:
        until = context.clock.wall() + LEASE
        if not await operation_rows.extend_lease(context.pool, tenant.id, id_, until):
            return 0  # cancelled meanwhile
        became = await _refund_item(context, tenant, id_, asked, item, clock_holder)
        if became is None:
            return 0  # somebody else is at it still, or the clock is moving: when the lease has passed
        await operation_rows.end_items(context.pool, tenant.id, id_, [(item.item_id, *became)])
    if len(items) < ITEMS_AT_ONCE:
        await _complete(context, tenant, id_, clock_holder)
    else:
        await operation_rows.extend_lease(context.pool, tenant.id, id_, context.clock.wall())  # anybody may go on
    return len(items)


async def _refund_item(
    context: Context,
    tenant: Tenant,
    id_: OperationId,
    asked: dict[str, Any],
    item: OperationItem,
    clock_holder: UUID | None,
) -> tuple[str, dict[str, Any]] | None:
    told = show_id("operation", id_)
    key = f"{told}:{show_id('invoice', item.item_id)}"
    request_id = show_id("request", context.ids.new(shard_of(tenant.id)))
    keyed = Keyed(key, key.encode(), _reply)
    actor, reason = asked.get("actor", "worker"), asked.get("reason")
    call = Call(tenant, actor, request_id, reason, keyed, clock_holder=clock_holder)
    try:
        outcome = await refund(
            context, call, RefundTarget(invoice_id=InvoiceId(item.item_id)), NewRefund(reason=asked.get("reason"))
        )
    except (KeyRunning, ClockMoving):
        return None
    except Unavailable:
        raise
    except BillsmithError as error:
        return "refused", {"code": error.code, "detail": error.detail}
    assert outcome.answer is not None
    return "done", {"refunds": msgspec.json.decode(outcome.answer.body)}


def _reply(refunds: list[Refund]) -> Answer:
    return Answer(201, msgspec.json.encode([show_id("refund", one.id) for one in refunds]))


async def _complete(context: Context, tenant: Tenant, id_: OperationId, clock_holder: UUID | None) -> None:
    request_id = show_id("request", context.ids.new(shard_of(tenant.id)))

    async def verb(connection: Connection, cause: Cause) -> None:
        found = await _in_full(connection, tenant, id_)
        if found.operation.status != "running":
            return
        await operation_rows.finish_operation(connection, tenant.id, id_, cause.caused_at)
        counts = {f"{one.status} {one.currency}": one.items for one in found.counts}
        told = {"id": show_id("operation", id_), "kind": KIND, "items": counts}
        await record_facts(connection, context, cause, [Fact("operation.completed", id_, 2, told, None)])

    await carry_out(context, Call(tenant, "worker", request_id, clock_holder=clock_holder), verb)


async def _items(connection: Any, tenant: Tenant, wanted: RefundFilter) -> list[OperationItem]:
    items: list[OperationItem] = []
    after: InvoiceId | None = None
    while True:
        page = await operation_rows.refundable_invoices(
            connection,
            tenant.id,
            (wanted.issued_from, wanted.issued_before),
            wanted.customer_id,
            wanted.currency,
            after,
            PAGE,
        )
        items += page
        if len(items) > MOST_ITEMS:
            raise RefundInvalid(f"more than {MOST_ITEMS} invoices match this; narrow it down", pointer="")
        if len(page) < PAGE:
            return items
        after = InvoiceId(page[-1].item_id)


async def _in_full(connection: Any, tenant: Tenant, id_: UUID) -> OperationInFull:
    operation = await _alone(connection, tenant, id_)
    return OperationInFull(operation, await operation_rows.count_items(connection, tenant.id, id_))


async def _alone(connection: Any, tenant: Tenant, id_: UUID) -> Operation:
    """Without its items counted, of which there may be a million."""
    operation = await operation_rows.get_operation(connection, tenant.id, id_)
    if operation is None:
        raise OperationNotFound(f"there is no operation {show_id('operation', id_)}")
    return operation
