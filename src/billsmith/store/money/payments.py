"""Payments, their attempts and allocations, refunds and disputes, read back."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from billsmith.core.ids import (
    AttemptId,
    CustomerId,
    GatewayAccountId,
    InvoiceId,
    PaymentId,
    PaymentMethodId,
    TenantId,
    shard_of,
)
from billsmith.core.payments.disputes import Dispute
from billsmith.core.payments.payment import Allocation, Attempt, Payment, Share
from billsmith.core.payments.refunds import Refund
from billsmith.store.customers import split_ids
from billsmith.store.listing import Filters, list_ids
from billsmith.store.pool import Connection, Pool
from billsmith.store.queries import load

T = TypeVar("T", bound=msgspec.Struct)

_PAYMENTS = load("payments")
_ATTEMPTS = load("attempts")
_REFUNDS = load("refunds")
_DISPUTES = load("disputes")


class Due(msgspec.Struct, frozen=True, gc=False):
    """Something whose time has come: what, of which customer, since when."""

    tenant_id: TenantId
    customer_id: CustomerId
    id: Any
    due_at: datetime


async def get_payments(connection: Connection | Pool, tenant_id: TenantId, ids: Iterable[UUID]) -> dict[UUID, Payment]:
    """Those of the payments that exist."""
    return await _by_id(connection, _PAYMENTS["get_payments"], tenant_id, ids, Payment)


async def list_payments(connection: Connection | Pool, tenant_id: TenantId, filters: Filters) -> list[Payment]:
    """A page of payments, newest first; one more than asked for if there are more."""
    rows = await list_ids(connection, _PAYMENTS["list_payments"], "payments", tenant_id, filters)
    found = await get_payments(connection, tenant_id, [row["id"] for row in rows])
    return [found[row["id"]] for row in rows if row["id"] in found]


async def find_payment(
    connection: Connection | Pool, tenant_id: TenantId, customer_id: CustomerId, external_id: str
) -> PaymentId | None:
    """The payment of this customer that has this external id."""
    row = await connection.fetchrow(
        _PAYMENTS["find_payments_by_external_id"], tenant_id, shard_of(customer_id), customer_id, external_id
    )
    return None if row is None else PaymentId(row["id"])


async def find_payment_at_gateway(
    connection: Connection | Pool, tenant_id: TenantId, account_id: GatewayAccountId, gateway_id: str
) -> PaymentId | None:
    """The payment that a gateway knows by this id."""
    found = await connection.fetchval(_PAYMENTS["find_payment_by_gateway_id"], tenant_id, account_id, gateway_id)
    return None if found is None else PaymentId(found)


async def get_allocations(
    connection: Connection | Pool, tenant_id: TenantId, payment_ids: Iterable[UUID]
) -> list[Allocation]:
    """What these payments are set against, oldest first."""
    rows = await connection.fetch(_PAYMENTS["get_allocations"], tenant_id, *split_ids(payment_ids))
    return [Allocation(*row) for row in rows]


async def allocations_of_invoices(
    connection: Connection | Pool, tenant_id: TenantId, invoice_ids: Iterable[UUID]
) -> list[Allocation]:
    """What is set against these invoices, oldest first."""
    rows = await connection.fetch(_PAYMENTS["allocations_of_invoices"], tenant_id, *split_ids(invoice_ids))
    return [Allocation(*row) for row in rows]


async def get_attempts(connection: Connection | Pool, tenant_id: TenantId, ids: Iterable[UUID]) -> dict[UUID, Attempt]:
    """Those of the attempts that exist."""
    return await _by_id(connection, _ATTEMPTS["get_attempts"], tenant_id, ids, Attempt)


async def attempts_of_payments(
    connection: Connection | Pool, tenant_id: TenantId, payment_ids: Iterable[UUID]
) -> list[Attempt]:
    """Every attempt of these payments, oldest first."""
    rows = await connection.fetch(_ATTEMPTS["attempts_of_payments"], tenant_id, *split_ids(payment_ids))
    return [_value(row, Attempt) for row in rows]


async def list_attempts(connection: Connection | Pool, tenant_id: TenantId, filters: Filters) -> list[Attempt]:
    """A page of attempts, newest first; one more than asked for if there are more."""
    rows = await list_ids(connection, _ATTEMPTS["list_attempts"], "attempts", tenant_id, filters)
    found = await get_attempts(connection, tenant_id, [row["id"] for row in rows])
    return [found[row["id"]] for row in rows if row["id"] in found]


async def get_shares(
    connection: Connection | Pool, tenant_id: TenantId, attempt_ids: Iterable[UUID]
) -> dict[AttemptId, list[Share]]:
    """What these attempts are meant for."""
    shares: dict[AttemptId, list[Share]] = {}
    for row in await connection.fetch(_ATTEMPTS["get_shares"], tenant_id, *split_ids(attempt_ids)):
        shares.setdefault(row["attempt_id"], []).append(Share(*row))
    return shares


async def live_attempts(
    connection: Connection | Pool, tenant_id: TenantId, invoice_ids: Iterable[UUID]
) -> dict[InvoiceId, AttemptId]:
    """The live attempt of each of these invoices that has one."""
    rows = await connection.fetch(_ATTEMPTS["live_attempts_of_invoices"], tenant_id, *split_ids(invoice_ids))
    return {row["invoice_id"]: row["attempt_id"] for row in rows}


async def attempts_of_invoice(
    connection: Connection | Pool, tenant_id: TenantId, invoice_id: InvoiceId
) -> list[Attempt]:
    """Every attempt that had a share of the invoice, oldest first."""
    rows = await connection.fetch(_ATTEMPTS["attempts_of_invoice"], tenant_id, shard_of(invoice_id), invoice_id)
    found = await get_attempts(connection, tenant_id, [row["attempt_id"] for row in rows])
    return [found[row["attempt_id"]] for row in rows]


async def count_tries(
    connection: Connection | Pool, tenant_id: TenantId, invoice_ids: Iterable[InvoiceId], since: datetime
) -> dict[tuple[InvoiceId, PaymentMethodId], int]:
    """How often each of these invoices was charged since then, by the method it was charged with."""
    rows = await connection.fetch(_ATTEMPTS["count_tries"], tenant_id, *split_ids(invoice_ids), since)
    return {(row["invoice_id"], row["payment_method_id"]): row["tries"] for row in rows}


async def count_undecided(connection: Connection | Pool) -> dict[str, int]:
    """How many attempts of all tenants are under way, pending or unknown, by status."""
    return {row["status"]: row["attempts"] for row in await connection.fetch(_ATTEMPTS["count_undecided"])}


async def count_parked(connection: Connection | Pool) -> dict[str, int]:
    """How many invoices and refunds of all tenants could not be worked on, or need somebody's attention."""
    row = await connection.fetchrow(_ATTEMPTS["count_parked"])
    return {} if row is None else dict(row)


async def count_live_of_account(connection: Connection, tenant_id: TenantId, account_id: GatewayAccountId) -> int:
    """How many operations of a gateway account are not decided."""
    return int(await connection.fetchval(_ATTEMPTS["count_live_of_account"], tenant_id, account_id))


async def count_sent_of_method(connection: Connection | Pool, tenant_id: TenantId, method_id: PaymentMethodId) -> int:
    """How many calls are under way with a payment method."""
    values = (tenant_id, shard_of(method_id), method_id)
    return int(await connection.fetchval(_ATTEMPTS["count_sent_of_method"], *values))


async def find_attempts_at_gateway(
    connection: Connection | Pool, tenant_id: TenantId, account_id: GatewayAccountId, gateway_id: str
) -> list[AttemptId]:
    """The attempts that a gateway knows by this id, oldest first."""
    rows = await connection.fetch(_ATTEMPTS["find_attempts_at_gateway"], tenant_id, account_id, gateway_id)
    return [row["id"] for row in rows]


async def cut_off_attempts(connection: Connection | Pool, wall: datetime, limit: int) -> list[Due]:
    """Attempts of all tenants whose call has not come back and whose lease has passed."""
    return [Due(*row) for row in await connection.fetch(_ATTEMPTS["cut_off"], wall, limit)]


async def cut_off_attempts_of(
    connection: Connection | Pool, tenant_id: TenantId, wall: datetime, limit: int
) -> list[Due]:
    """The same of one tenant."""
    return [Due(*row) for row in await connection.fetch(_ATTEMPTS["cut_off_of_tenant"], tenant_id, wall, limit)]


async def checks_due(
    connection: Connection | Pool, at: datetime, limit: int, tenant_id: TenantId | None = None
) -> list[Due]:
    """Attempts to be asked about again: of one tenant, or of all who live in the real time."""
    if tenant_id is not None:
        rows = await connection.fetch(_ATTEMPTS["later_checks_due_of_tenant"], tenant_id, at, limit)
    else:
        rows = await connection.fetch(_ATTEMPTS["later_checks_due"], at, limit)
    return [Due(*row) for row in rows]


async def get_refunds(connection: Connection | Pool, tenant_id: TenantId, ids: Iterable[UUID]) -> dict[UUID, Refund]:
    """Those of the refunds that exist."""
    return await _by_id(connection, _REFUNDS["get_refunds"], tenant_id, ids, Refund)


async def list_refunds(connection: Connection | Pool, tenant_id: TenantId, filters: Filters) -> list[Refund]:
    """A page of refunds, newest first; one more than asked for if there are more."""
    rows = await list_ids(connection, _REFUNDS["list_refunds"], "refunds", tenant_id, filters)
    found = await get_refunds(connection, tenant_id, [row["id"] for row in rows])
    return [found[row["id"]] for row in rows if row["id"] in found]


async def pending_refunds(
    connection: Connection, tenant_id: TenantId, payment_ids: Iterable[UUID], invoice_ids: Iterable[UUID] = ()
) -> list[Refund]:
    """Refunds that reserve something of these payments or invoices, oldest first."""
    rows = list(await connection.fetch(_REFUNDS["pending_refunds"], tenant_id, *split_ids(payment_ids)))
    if ids := list(invoice_ids):
        rows += await connection.fetch(_REFUNDS["pending_refunds_of_invoices"], tenant_id, *split_ids(ids))
    found = {row["id"]: _value(row, Refund) for row in rows}
    return [found[id_] for id_ in sorted(found)]


async def refunds_due(
    connection: Connection | Pool, at: datetime, limit: int, tenant_id: TenantId | None = None
) -> list[Due]:
    """Refunds to be sent: of one tenant, or of all who live in the real time."""
    if tenant_id is not None:
        rows = await connection.fetch(_REFUNDS["refunds_due_of_tenant"], tenant_id, at, limit)
    else:
        rows = await connection.fetch(_REFUNDS["refunds_due"], at, limit)
    return [Due(*row) for row in rows]


async def get_disputes(connection: Connection | Pool, tenant_id: TenantId, ids: Iterable[UUID]) -> dict[UUID, Dispute]:
    """Those of the disputes that exist."""
    return await _by_id(connection, _DISPUTES["get_disputes"], tenant_id, ids, Dispute)


async def list_disputes(connection: Connection | Pool, tenant_id: TenantId, filters: Filters) -> list[Dispute]:
    """A page of disputes, newest first; one more than asked for if there are more."""
    rows = await list_ids(connection, _DISPUTES["list_disputes"], "disputes", tenant_id, filters)
    found = await get_disputes(connection, tenant_id, [row["id"] for row in rows])
    return [found[row["id"]] for row in rows if row["id"] in found]


async def disputes_of_payments(
    connection: Connection | Pool, tenant_id: TenantId, payment_ids: Iterable[UUID]
) -> list[Dispute]:
    """Every dispute of these payments, oldest first."""
    rows = await connection.fetch(_DISPUTES["disputes_of_payments"], tenant_id, *split_ids(payment_ids))
    return [_value(row, Dispute) for row in rows]


async def _by_id(
    connection: Connection | Pool, statement: str, tenant_id: TenantId, ids: Iterable[UUID], kind: type[T]
) -> dict[UUID, T]:
    rows = await connection.fetch(statement, tenant_id, *split_ids(ids))
    return {row["id"]: _value(row, kind) for row in rows}


def _value(row: Any, kind: type[T]) -> T:
    fields = kind.__struct_fields__
    return msgspec.convert(dict(zip(fields, row, strict=True)), kind)
