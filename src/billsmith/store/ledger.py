"""The ledger's transfers, and customer credit."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from msgspec.structs import astuple

from billsmith.core.credits import Credit
from billsmith.core.ids import CauseId, CreditId, CustomerId, TenantId, TransferId, shard_of
from billsmith.core.ledger import Posting
from billsmith.store.customers import split_ids
from billsmith.store.listing import Filters, list_ids
from billsmith.store.packing import packed_id
from billsmith.store.pool import Connection, Pool
from billsmith.store.queries import load

_SQL = load("credits")
_TRANSFER_COLUMNS = ("shard", "id", "tenant_id", "customer_id", *Posting.__struct_fields__, "cause_id")
_CREDIT_COLUMNS = ("shard", *Credit.__struct_fields__)


async def insert_transfers(
    connection: Connection,
    tenant_id: TenantId,
    cause_id: CauseId,
    postings: Iterable[tuple[CustomerId, TransferId, Posting]],
) -> None:
    """Write postings into the ledger, each under the id made for it."""
    tenant, cause = packed_id(tenant_id), packed_id(cause_id)
    records = [
        (shard_of(id_), id_, tenant, customer_id, *astuple(posting), cause) for customer_id, id_, posting in postings
    ]
    await connection.copy_records_to_table("transfers", records=records, columns=_TRANSFER_COLUMNS)


async def insert_credits(connection: Connection, credits_: Sequence[Credit]) -> None:
    """New credits."""
    records = [(shard_of(credit.id), *astuple(credit)) for credit in credits_]
    await connection.copy_records_to_table("credits", records=records, columns=_CREDIT_COLUMNS)


async def update_credits(connection: Connection, tenant_id: TenantId, credits_: Sequence[Credit]) -> None:
    """Store what became of credits."""
    columns = zip(
        *(
            (
                shard_of(credit.id),
                credit.id,
                credit.drawn_minor,
                credit.expired_minor,
                credit.deleted_minor,
                credit.version,
            )
            for credit in credits_
        ),
        strict=True,
    )
    await connection.execute(_SQL["update_credits"], tenant_id, *map(list, columns))


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
