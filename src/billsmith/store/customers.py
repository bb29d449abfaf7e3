"""Customers, their external ids, and the balances that stand between them and us."""

from collections.abc import Iterable, Sequence
from uuid import UUID

import asyncpg
import msgspec
from msgspec.structs import astuple

from billsmith.core.customers import Customer
from billsmith.core.ids import CustomerId, TenantId, shard_of
from billsmith.core.ledger import Balance
from billsmith.store.labels import labels_of
from billsmith.store.listing import Filters, list_ids
from billsmith.store.pool import Connection, Pool
from billsmith.store.queries import load
from billsmith.store.together import Writer, insert_rows

_SQL = load("customers")
_COLUMNS = ("shard", "labels", *Customer.__struct_fields__)
_BALANCE_COLUMNS = (
    "shard",
    "tenant_id",
    "customer_id",
    "currency",
    "receivable_minor",
    "credit_minor",
    "payable_minor",
)

Balances = dict[CustomerId, dict[str, Balance]]


async def insert_customers(connection: Connection, customers: Sequence[Customer]) -> None:
    """New customers; their external ids were claimed before."""
    records = [
        (shard_of(customer.id), labels_of(customer.tenant_id, customer.tags, customer.metadata), *astuple(customer))
        for customer in customers
    ]
    await connection.copy_records_to_table("customers", records=records, columns=_COLUMNS)


async def update_customer(connection: Connection, customer: Customer) -> None:
    """Store every field that may change."""
    fields = [getattr(customer, name) for name in _CHANGEABLE]
    labels = labels_of(customer.tenant_id, customer.tags, customer.metadata)
    await connection.execute(
        _SQL["update_customer"],
        customer.tenant_id,
        shard_of(customer.id),
        customer.id,
        *fields,
        labels,
        customer.snapshot_id,
        customer.version,
        customer.deleted_at,
    )


_CHANGEABLE = (
    "external_id", "name", "emails", "currency", "time_zone", "locale", "address", "tax_ids", "bill_cycle_day",
    "terms_days", "number_prefix", "auto_collect", "invoicing", "draw_credit", "overdue_exempt", "payment_method_id",
    "collection_policy", "metadata", "tags",
)  # fmt: skip


async def get_customers(
    connection: Connection | Pool, tenant_id: TenantId, ids: Iterable[UUID]
) -> dict[UUID, Customer]:
    """Those of the customers that exist, deleted ones too."""
    shards, wanted = split_ids(ids)
    return _by_id(await connection.fetch(_SQL["get_customers"], tenant_id, shards, wanted))


async def lock_customers(connection: Connection, tenant_id: TenantId, ids: Iterable[UUID]) -> dict[UUID, Customer]:
    """Those that exist, locked in the order of their ids: the lock of everything a customer owes."""
    shards, wanted = split_ids(ids)
    if len(wanted) == 1:
        return _by_id(await connection.fetch(_SQL["lock_customer"], tenant_id, shards[0], wanted[0]))
    return _by_id(await connection.fetch(_SQL["lock_customers"], tenant_id, shards, wanted))


async def list_customers(connection: Connection | Pool, tenant_id: TenantId, filters: Filters) -> list[Customer]:
    """A page of customers, newest first; one more than asked for if there are more.

    In place of a column `billing` can be asked to be `parked`: those whom runs leave out.
    """
    equal = dict(filters.equal)
    text = _SQL["list_parked_customers" if equal.pop("billing", None) else "list_customers"]
    wanted = msgspec.structs.replace(filters, equal=equal)
    ids = [row["id"] for row in await list_ids(connection, text, "customers", tenant_id, wanted)]
    found = await get_customers(connection, tenant_id, ids)
    return [found[id_] for id_ in ids if id_ in found]


async def claim_external_ids(connection: Connection, tenant_id: TenantId, names: dict[str, CustomerId]) -> set[str]:
    """Take these external ids for these customers; the ones that were free."""
    rows = await connection.fetch(_SQL["claim_external_ids"], tenant_id, list(names), list(names.values()))
    return {row["external_id"] for row in rows}


async def find_external_ids(
    connection: Connection | Pool, tenant_id: TenantId, names: Iterable[str]
) -> dict[str, CustomerId]:
    """Which customers have these external ids."""
    rows = await connection.fetch(_SQL["find_external_ids"], tenant_id, list(names))
    return {row["external_id"]: row["customer_id"] for row in rows}


async def release_external_id(connection: Connection, tenant_id: TenantId, name: str, id_: CustomerId) -> None:
    """The name is free again."""
    await connection.execute(_SQL["release_external_id"], tenant_id, name, id_)


async def has_children(connection: Connection, customer: Customer) -> bool:
    """Whether living customers have this one as their parent."""
    key = (customer.tenant_id, shard_of(customer.id), customer.id)
    return bool(await connection.fetchval(_SQL["has_children"], *key))


async def waiting_children(connection: Connection, tenant_id: TenantId, parent_id: CustomerId) -> list[CustomerId]:
    """The children that have no method of their own and owe something, in the order of their ids."""
    rows = await connection.fetch(_SQL["waiting_children"], tenant_id, shard_of(parent_id), parent_id)
    return [CustomerId(row["id"]) for row in rows]


async def find_number_prefix(connection: Connection, customer: Customer) -> CustomerId | None:
    """Another customer whose numbers begin like this one's."""
    found = await connection.fetchval(
        _SQL["find_number_prefix"], customer.tenant_id, customer.number_prefix, customer.id
    )
    return None if found is None else CustomerId(found)


async def get_balances(connection: Connection | Pool, tenant_id: TenantId, ids: Iterable[UUID]) -> Balances:
    """The stored balances of these customers, by currency; nothing for one that never had any."""
    shards, wanted = split_ids(ids)
    balances: Balances = {}
    for row in await connection.fetch(_SQL["get_balances"], tenant_id, shards, wanted):
        customer_id, currency, *figures = row
        balances.setdefault(customer_id, {})[currency] = Balance(*figures)
    return balances


async def save_balances(writer: Writer, tenant_id: TenantId, before: Balances, now: Balances) -> None:
    """Store the balances that changed; a row comes to be with the first posting. Under the customers' locks."""
    changed = [
        (customer_id, currency, balance)
        for customer_id, by_currency in now.items()
        for currency, balance in by_currency.items()
        if before.get(customer_id, {}).get(currency) != balance
    ]
    new = [entry for entry in changed if entry[1] not in before.get(entry[0], {})]
    old = [entry for entry in changed if entry[1] in before.get(entry[0], {})]
    if new:
        records = [(shard_of(id_), tenant_id, id_, currency, *astuple(balance)) for id_, currency, balance in new]
        await insert_rows(writer, "customer_balances", _BALANCE_COLUMNS, records, _SQL["insert_balances"])
    if old:
        columns = zip(
            *((shard_of(id_), id_, currency, *astuple(balance)) for id_, currency, balance in old), strict=True
        )
        await writer.execute(_SQL["update_balances"], tenant_id, *map(list, columns))


def split_ids(ids: Iterable[UUID]) -> tuple[list[int], list[UUID]]:
    """(shards, ids) of ids, each once: how a query is told where to look."""
    wanted = list(dict.fromkeys(ids))
    return [shard_of(id_) for id_ in wanted], wanted


def _by_id(rows: Iterable[asyncpg.Record]) -> dict[UUID, Customer]:
    return {row["id"]: msgspec.convert(dict(row), Customer) for row in rows}
