"""The catalogue: read as a whole and kept until it changes; plan versions, which never change, by their ids."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from billsmith.core.catalog.plans import Plan, PlanVersion, Product
from billsmith.core.catalog.rules import Catalog, Rules
from billsmith.core.ids import CatalogId, PlanVersionId, TenantId
from billsmith.store.operations import OperationItem
from billsmith.store.pool import Connection, Pool
from billsmith.store.queries import load

CATALOGS_KEPT = 256
VERSIONS_KEPT = 10_000
"""Of all tenants together, in this process: the one kept longest makes room."""

_SQL = load("catalog")
_catalogs: dict[TenantId, tuple[str, Catalog]] = {}
_versions: dict[tuple[TenantId, UUID], PlanVersion] = {}


class _PlanRow(msgspec.Struct, frozen=True, gc=False):
    code: str
    retired_at: datetime | None


async def get_catalog(connection: Connection | Pool, tenant_id: TenantId) -> Catalog:
    """All that the tenant sells, by now; from memory while nothing changed. Empty before anything was applied."""
    stamp = await connection.fetchval(_SQL["catalog_stamp"], tenant_id)
    if stamp is None:
        return Catalog({}, {}, Rules())
    kept = _catalogs.get(tenant_id)
    if kept is not None and kept[0] == stamp:
        return kept[1]
    row = await connection.fetchrow(_SQL["get_catalog"], tenant_id)
    assert row is not None, "a catalogue is never deleted"
    catalog = _catalog(row)
    keep(_catalogs, tenant_id, (row["stamp"], catalog), CATALOGS_KEPT)
    return catalog


async def get_versions(
    connection: Connection | Pool, tenant_id: TenantId, ids: Iterable[PlanVersionId]
) -> dict[PlanVersionId, PlanVersion]:
    """Those of the plan versions that exist; only those that this process has not seen yet are asked for."""
    wanted = set(ids)
    found = {id_: kept for id_ in wanted if (kept := _versions.get((tenant_id, id_))) is not None}
    if missing := wanted - set(found):
        for row in await connection.fetch(_SQL["get_plan_versions"], tenant_id, list(missing)):
            version = msgspec.convert(dict(row), PlanVersion)
            found[version.id] = version
            keep(_versions, (tenant_id, version.id), version, VERSIONS_KEPT)
    return found


async def lock_catalog(connection: Connection, tenant_id: TenantId) -> Catalog:
    """The catalogue as it is, locked against other changes until the transaction ends; before the first, it is not."""
    await connection.fetchval(_SQL["lock_catalog"], tenant_id)
    return await get_catalog(connection, tenant_id)


async def save_catalog(
    connection: Connection,
    tenant_id: TenantId,
    catalog: Catalog,
    products: Sequence[Product],
    plans: Sequence[Plan],
    versions: Sequence[PlanVersion],
    *,
    is_first: bool,
) -> bool:
    """Store a catalogue that was locked, and what of it is new or another. False: another was the first after all."""
    if is_first:
        new = (catalog.id, catalog.version, catalog.rules)
        if await connection.fetchval(_SQL["insert_catalog"], tenant_id, *new) is None:
            return False
    else:
        await connection.execute(_SQL["update_catalog"], tenant_id, catalog.version, catalog.rules)
    if products:
        await connection.execute(_SQL["save_products"], tenant_id, list(products))
    if plans:
        await connection.execute(
            _SQL["save_plans"], tenant_id, [plan.code for plan in plans], [plan.retired_at for plan in plans]
        )
    if versions:
        await connection.execute(_SQL["insert_plan_versions"], tenant_id, list(versions))
    return True


async def count_subscribers(
    connection: Connection | Pool, tenant_id: TenantId, ids: Iterable[PlanVersionId]
) -> dict[PlanVersionId, int]:
    """How many subscriptions that have not ended stand on each of these versions; those with none are left out."""
    rows = await connection.fetch(_SQL["count_subscribers"], tenant_id, list(ids))
    return {PlanVersionId(row["plan_version_id"]): row["subscribers"] for row in rows}


async def subscribers_of(
    connection: Connection | Pool, tenant_id: TenantId, ids: Iterable[PlanVersionId], after: UUID | None, limit: int
) -> list[OperationItem]:
    """Subscriptions that have not ended on these versions, from behind `after` on, as items of an operation."""
    rows = await connection.fetch(_SQL["subscribers_of"], tenant_id, list(ids), after, limit)
    return [OperationItem(row["item_id"], "waiting", 0, row["currency"], None) for row in rows]


def _catalog(row: Any) -> Catalog:
    products = msgspec.convert(row["products"], list[Product])
    versions: dict[str, list[PlanVersion]] = {}
    for version in msgspec.convert(row["versions"], list[PlanVersion]):
        versions.setdefault(version.plan, []).append(version)
    plans = [
        Plan(plan.code, tuple(versions.get(plan.code, ())), plan.retired_at)
        for plan in msgspec.convert(row["plans"], list[_PlanRow])
    ]
    return Catalog(
        products={product.code: product for product in products},
        plans={plan.code: plan for plan in plans},
        rules=msgspec.convert(row["rules"], Rules),
        version=row["version"],
        id=CatalogId(row["id"]),
    )


def keep(kept: dict[Any, Any], key: Any, value: Any, most: int) -> None:
    """Keep a value under a key, and no more than so many: the one kept longest makes room."""
    kept.pop(key, None)
    while len(kept) >= most:
        del kept[next(iter(kept))]
    kept[key] = value
