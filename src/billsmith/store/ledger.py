"""The ledger's transfers, and customer credit."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from msgspec.structs import astuple

from billsmith.core.credits import Credit
from billsmith.core.ids import CauseId, CreditId, CustomerId, InvoiceId, PaymentId, TenantId, TransferId, shard_of
from billsmith.core.ledger import Posting
from billsmith.store.customers import split_ids
from billsmith.store.listing import Filters, list_ids
from billsmith.store.packing import packed_id
from billsmith.store.pool import Connection, Pool
from billsmith.store.queries import load
from billsmith.store.together import Writer, insert_rows

_SQL = load("credits")
_TRANSFERS = load("transfers")
TRANSFER_COLUMNS = ("shard", "id", "tenant_id", "customer_id", *Posting.__struct_fields__, "cause_id")
_CREDIT_COLUMNS = ("shard", *Credit.__struct_fields__)


async def insert_transfers(
    writer: Writer,
    tenant_id: TenantId,
    cause_id: CauseId,
    postings: Iterable[tuple[CustomerId | None, TransferId, Posting]],
) -> None:
    """Write postings into the ledger, each under the id made for it; those without a customer are nobody's yet."""
    tenant, cause = packed_id(tenant_id), packed_id(cause_id)
    records = [transfer_record(tenant, cause, customer_id, id_, posting) for customer_id, id_, posting in postings]
    await insert_rows(writer, "transfers", TRANSFER_COLUMNS, records, _TRANSFERS["insert_transfers"])


def transfer_record(
    tenant_id: UUID, cause_id: UUID, customer_id: CustomerId | None, id_: TransferId, posting: Posting
) -> tuple[Any, ...]:
    """The row of a posting."""
    return (shard_of(id_), id_, tenant_id, customer_id, *astuple(posting), cause_id)


async def insert_credits(connection: Connection, credits_: Sequence[Credit]) -> None:
    """New credits."""
    records = [(shard_of(credit.id), *astuple(credit)) for credit in credits_]
    await connection.copy_records_to_table("credits", records=records, columns=_CREDIT_COLUMNS)


async def update_credits(writer: Writer, tenant_id: TenantId, credits_: Sequence[Credit]) -> None:
    """Store what became of credits."""
    columns = zip(
        *((shard_of(credit.id), credit.id, *(getattr(credit, field) for field in _USED)) for credit in credits_),
        strict=True,
    )
    await writer.execute(_SQL["update_credits"], tenant_id, *map(list, columns))


_USED = (
    "drawn_minor", "expired_minor", "deleted_minor", "paid_out_minor", "moved_minor", "reserved_minor", "version",
)  # fmt: skip


async def save_draws(
    connection: Connection, tenant_id: TenantId, moved: Mapping[tuple[CreditId, InvoiceId], int]
) -> None:
    """Add to what invoices have drawn of credits; what came back is negative. Under the customers' locks."""
    keys = list(moved)
    shards, credit_ids = [shard_of(credit_id) for credit_id, _ in keys], [credit_id for credit_id, _ in keys]
    invoice_ids = [invoice_id for _, invoice_id in keys]
    await connection.execute(_SQL["add_draws"], tenant_id, shards, credit_ids, invoice_ids)
    amounts = list(moved.values())
    await connection.execute(_SQL["move_draws"], tenant_id, shards, credit_ids, invoice_ids, amounts)


async def draws_of_invoices(
    connection: Connection, tenant_id: TenantId, invoice_ids: Iterable[InvoiceId]
) -> list[tuple[CreditId, InvoiceId, int]]:
    """(credit, invoice, amount) of what these invoices have drawn, net."""
    return [tuple(row) for row in await connection.fetch(_SQL["draws_of_invoices"], tenant_id, *split_ids(invoice_ids))]


async def draws_of_credits(
    connection: Connection, tenant_id: TenantId, credit_ids: Iterable[CreditId]
) -> list[tuple[CreditId, InvoiceId, int]]:
    """(credit, invoice, amount) of what was drawn of these credits, net."""
    return [tuple(row) for row in await connection.fetch(_SQL["draws_of_credits"], tenant_id, *split_ids(credit_ids))]


async def credits_of_payments(
    connection: Connection, tenant_id: TenantId, payment_ids: Iterable[PaymentId]
) -> list[Credit]:
    """Every credit that these payments became, whatever is left of it, oldest first."""
    rows = await connection.fetch(_SQL["credits_of_payments"], tenant_id, *split_ids(payment_ids))
    return [_credit(row) for row in rows]


async def credit_of_invoice(connection: Connection, tenant_id: TenantId, invoice_id: InvoiceId) -> Credit | None:
    """The credit that the invoice's negative total became."""
    row = await connection.fetchrow(_SQL["credit_of_invoice"], tenant_id, shard_of(invoice_id), invoice_id)
    return None if row is None else _credit(row)


async def get_credits(connection: Connection | Pool, tenant_id: TenantId, ids: Iterable[UUID]) -> dict[UUID, Credit]:
    """Those of the credits that exist."""
    rows = await connection.fetch(_SQL["get_credits"], tenant_id, *split_ids(ids))
    return {row["id"]: _credit(row) for row in rows}


async def credits_left(
    connection: Connection, tenant_id: TenantId, customer_ids: Iterable[CustomerId]
) -> dict[CustomerId, list[Credit]]:
    """The credits of these customers that have something left."""
    left: dict[CustomerId, list[Credit]] = {}
    for row in await connection.fetch(_SQL["credits_left"], tenant_id, *split_ids(customer_ids)):
        left.setdefault(row["customer_id"], []).append(_credit(row))
    return left


async def list_credits(connection: Connection | Pool, tenant_id: TenantId, filters: Filters) -> list[Credit]:
    """A page of credits, newest first; one more than asked for if there are more."""
    ids = [row["id"] for row in await list_ids(connection, _SQL["list_credits"], "credits", tenant_id, filters)]
    found = await get_credits(connection, tenant_id, ids)
    return [found[id_] for id_ in ids if id_ in found]


class ExpiredCredit(msgspec.Struct, frozen=True, gc=False):
    """A credit whose time is over and that has something left."""

    tenant_id: TenantId
    customer_id: CustomerId
    credit_id: CreditId
    expires_at: datetime


async def expired_credits(
    connection: Connection | Pool, at: datetime, limit: int, after: ExpiredCredit | None = None
) -> list[ExpiredCredit]:
    """Credits of all who live in the real time that expired by `at`, first to expire first, from behind `after` on."""
    since = (datetime.min.replace(tzinfo=UTC), UUID(int=0)) if after is None else (after.expires_at, after.credit_id)
    return [ExpiredCredit(*row) for row in await connection.fetch(_SQL["expired_credits"], at, limit, *since)]


async def expired_credits_of(
    connection: Connection | Pool, tenant_id: TenantId, at: datetime, limit: int
) -> list[ExpiredCredit]:
    """One tenant's credits that expired by `at`, first to expire first."""
    rows = await connection.fetch(_SQL["expired_credits_of_tenant"], tenant_id, at, limit)
    return [ExpiredCredit(*row) for row in rows]


def _credit(row: asyncpg.Record | Sequence[Any]) -> Credit:
    return Credit(*row)
