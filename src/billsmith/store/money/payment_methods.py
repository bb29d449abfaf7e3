"""Gateway accounts and payment methods."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import astuple

from billsmith.core.customers import Customer
from billsmith.core.ids import GatewayAccountId, PaymentMethodId, TenantId, shard_of
from billsmith.core.payments.methods import GatewayAccount, PaymentMethod
from billsmith.store.customers import split_ids
from billsmith.store.listing import Filters, list_ids
from billsmith.store.pool import Connection, Pool
from billsmith.store.queries import load

_SQL = load("payment_methods")
_COLUMNS = ("shard", *PaymentMethod.__struct_fields__)


async def insert_account(connection: Connection, account: GatewayAccount) -> bool:
    """A new gateway account; False: another has just become the default, too."""
    return await connection.fetchval(_SQL["insert_account"], *astuple(account)) is not None


async def update_account(connection: Connection, account: GatewayAccount) -> None:
    """Store what may change about an account."""
    await connection.execute(
        _SQL["update_account"],
        account.tenant_id,
        account.id,
        account.name,
        account.is_default,
        account.status,
        account.paused_because,
        account.settings,
        account.sealed_credentials,
        account.metadata,
        account.version,
    )


async def get_account(connection: Connection | Pool, tenant_id: TenantId, id_: UUID) -> GatewayAccount | None:
    """The account, or None."""
    return _account(await connection.fetchrow(_SQL["get_account"], tenant_id, id_))


async def lock_account(connection: Connection, tenant_id: TenantId, id_: UUID) -> GatewayAccount | None:
    """The account, locked; alone in its transaction, so that no other lock has an order with it."""
    return _account(await connection.fetchrow(_SQL["lock_account"], tenant_id, id_))


async def lock_accounts(connection: Connection, tenant_id: TenantId) -> list[GatewayAccount]:
    """Every account of the tenant, oldest first, locked: for changing which is the default."""
    return [GatewayAccount(*row) for row in await connection.fetch(_SQL["lock_accounts"], tenant_id)]


async def list_all_accounts(connection: Connection | Pool, after: UUID, limit: int) -> list[GatewayAccount]:
    """Accounts of all tenants behind an id, oldest first."""
    return [GatewayAccount(*row) for row in await connection.fetch(_SQL["list_all_accounts"], after, limit)]


async def reseal_account(connection: Connection | Pool, account: GatewayAccount, sealed: bytes) -> bool:
    """Store the same credentials, sealed anew; False: they have changed meanwhile."""
    values = (account.tenant_id, account.id, account.sealed_credentials, sealed)
    return await connection.fetchval(_SQL["reseal_account"], *values) is not None


async def list_accounts(connection: Connection | Pool, tenant_id: TenantId) -> list[GatewayAccount]:
    """Every account of the tenant, oldest first."""
    rows = await connection.fetch(_SQL["list_accounts"], tenant_id)
    return [GatewayAccount(*row) for row in rows]


async def find_account(connection: Connection | Pool, id_: UUID) -> GatewayAccount | None:
    """The account of whichever tenant: how a gateway's webhook finds its way."""
    return _account(await connection.fetchrow(_SQL["find_account"], id_))


async def insert_methods(connection: Connection, methods: Sequence[PaymentMethod]) -> None:
    """New payment methods."""
    records = [(shard_of(method.id), *astuple(method)) for method in methods]
    await connection.copy_records_to_table("payment_methods", records=records, columns=_COLUMNS)


async def update_method(connection: Connection, method: PaymentMethod) -> None:
    """Store what may change about a method."""
    await connection.execute(
        _SQL["update_method"],
        method.tenant_id,
        shard_of(method.id),
        method.id,
        method.status,
        method.brand,
        method.last4,
        method.expires_year,
        method.expires_month,
        method.setup_id,
        method.next_action,
        method.metadata,
        method.version,
        method.validated_at,
        method.token,
    )


async def get_methods(
    connection: Connection | Pool, tenant_id: TenantId, ids: Iterable[UUID]
) -> dict[UUID, PaymentMethod]:
    """Those of the methods that exist."""
    rows = await connection.fetch(_SQL["get_methods"], tenant_id, *split_ids(ids))
    return {row["id"]: _method(row) for row in rows}


async def find_method(
    connection: Connection, customer: Customer, account_id: GatewayAccountId, token: str
) -> PaymentMethodId | None:
    """The customer's method with this token that is not detached."""
    values = (customer.tenant_id, shard_of(customer.id), customer.id, account_id, token)
    found = await connection.fetchval(_SQL["find_method"], *values)
    return None if found is None else PaymentMethodId(found)


async def find_setup(
    connection: Connection | Pool, tenant_id: TenantId, account_id: GatewayAccountId, setup_id: str
) -> PaymentMethodId | None:
    """The method that waits for this set-up to be finished."""
    found = await connection.fetchval(_SQL["find_setup"], tenant_id, account_id, setup_id)
    return None if found is None else PaymentMethodId(found)


async def list_methods(connection: Connection | Pool, tenant_id: TenantId, filters: Filters) -> list[PaymentMethod]:
    """A page of methods, newest first; one more than asked for if there are more."""
    rows = await list_ids(connection, _SQL["list_methods"], "payment_methods", tenant_id, filters)
    found = await get_methods(connection, tenant_id, [row["id"] for row in rows])
    return [found[row["id"]] for row in rows if row["id"] in found]


def _account(row: Any) -> GatewayAccount | None:
    return None if row is None else GatewayAccount(*row)


def _method(row: Any) -> PaymentMethod:
    return msgspec.convert(dict(zip(PaymentMethod.__struct_fields__, row, strict=True)), PaymentMethod)
