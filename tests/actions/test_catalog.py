"""The catalogue by its verbs: applied whole or not at all, once; kept for every tenant apart; plans retired."""

import asyncio
from copy import deepcopy
from datetime import date, timedelta
from typing import Any

import pytest

from billsmith.actions import catalog as catalogs
from billsmith.actions.calls import Call
from billsmith.actions.catalog import Applied
from billsmith.actions.context import Context
from billsmith.core.catalog.given import CatalogInvalid, catalog_given
from billsmith.core.subscriptions.starting import PlanNotThere
from billsmith.core.tenants import Tenant
from billsmith.store.pool import Pool
from billsmith.store.selling import catalog as catalog_rows
from billsmith.store.selling.catalog import keep
from tests.actions.made import events, everything, keyed, refused, told
from tests.core.catalog.made import HOSTING, hosting, put

BACKUP_PRICE = "plans.backup.phases.0.charges.0.prices.EUR"


async def apply(context: Context, call: Call, document: Any) -> Applied:
    """Apply a document."""
    return (await catalogs.apply_catalog(context, call, catalog_given(document))).fresh


def dearer(price: str, **fields: Any) -> dict[str, Any]:
    """The catalogue with another price of the backup."""
    document = put(hosting(), BACKUP_PRICE, price)
    document["plans"]["backup"] |= fields
    return document


async def test_what_was_applied_is_read_back_and_applied_once_more_changes_nothing(
    context: Context, call: Call, pool: Pool
) -> None:
    made = await apply(context, call, HOSTING)
    assert await catalogs.get_catalog(context, call.tenant) == made.catalog
    assert set(made.catalog.plans) == {"hosting-monthly", "hosting-yearly", "backup"}
    before = await everything(pool, call.tenant)
    for document in (HOSTING, deepcopy(HOSTING), {}, {"plans": {"backup": HOSTING["plans"]["backup"]}}):
        again = await apply(context, call, document)
        assert again.made.is_empty
        assert again.catalog == made.catalog
    after = await everything(pool, call.tenant)
    assert {table for table in after if after[table] != before[table]} == {"causes"}


async def test_a_changed_plan_becomes_a_new_version_and_the_old_one_stays_as_it_was(
    context: Context, call: Call
) -> None:
    first = await apply(context, call, HOSTING)
    second = await apply(context, call, dearer("2.5", effective_on="2026-04-01"))
    versions = second.catalog.plans["backup"].versions
    assert versions[0] == first.catalog.plans["backup"].versions[0]
    assert (versions[1].version, versions[1].effective_on) == (2, date(2026, 4, 1))
    assert [(edit.pointer, str(edit.before), str(edit.after)) for edit in second.made.plans[0].edits] == [
        ("/phases/0/charges/0/prices/EUR", "0.000000000001", "2.5")
    ]
    assert await catalogs.get_catalog(context, call.tenant) == second.catalog
    read = await catalog_rows.get_versions(context.pool, call.tenant.id, [one.id for one in versions])
    assert read == {one.id: one for one in versions}
    assert await catalog_rows.get_versions(context.pool, call.tenant.id, [versions[0].id]) == {
        versions[0].id: versions[0]
    }


async def test_versions_of_another_tenant_are_not_there(context: Context, call: Call, other: Call) -> None:
    made = await apply(context, call, HOSTING)
    ids = [version.id for plan in made.catalog.plans.values() for version in plan.versions]
    assert len(await catalog_rows.get_versions(context.pool, call.tenant.id, ids)) == 3
    assert await catalog_rows.get_versions(context.pool, other.tenant.id, ids) == {}
    assert (await catalogs.get_catalog(context, other.tenant)).plans == {}
    with pytest.raises(PlanNotThere):
        await catalogs.get_plan(context, other.tenant, "backup")
    assert (await apply(context, other, HOSTING)).catalog.version == 1


async def test_a_catalogue_with_a_mistake_changes_nothing_at_all(context: Context, call: Call, pool: Pool) -> None:
    await apply(context, call, HOSTING)
    wrong = put(dearer("2"), "plans.hosting-monthly.phases.1.charges.0.prices.EUR", "-1")
    async with refused(pool, call.tenant, CatalogInvalid, match="hosting-monthly/phases/1/charges/0/prices/EUR"):
        await apply(context, call, wrong)


async def test_what_is_shown_first_is_what_applying_does_and_stores_nothing(
    context: Context, call: Call, pool: Pool
) -> None:
    await apply(context, call, HOSTING)
    before = await everything(pool, call.tenant)
    shown = await catalogs.preview_catalog(context, call.tenant, catalog_given(dearer("2")))
    assert await everything(pool, call.tenant) == before
    made = await apply(context, call, dearer("2"))
    assert [change.edits for change in shown.made.plans] == [change.edits for change in made.made.plans]


async def test_it_is_told_once_for_each_version_of_the_catalogue(
    context: Context, call: Call, tenant: Tenant, pool: Pool
) -> None:
    await apply(context, call, HOSTING)
    document = dearer("2")
    document["plans"]["hosting-yearly"]["retire"] = True
    made = await apply(context, call, document)
    await catalogs.retire_plan(context, call, "backup")
    assert (await told(context, tenant))[1:] == ["catalog.updated", "catalog.updated", "plan.retired", "plan.retired"]
    assert made.catalog.version == 3
    (_, _, second, third, fourth) = await events(context, tenant)
    assert second.data["plans"][0]["code"] == "hosting-yearly"
    assert (third.data["code"], fourth.data["code"]) == ("hosting-yearly", "backup")
    assert fourth.object_version == (await catalogs.get_catalog(context, tenant)).version == 4


async def test_a_retired_plan_stays_retired_until_it_is_said_otherwise(context: Context, call: Call) -> None:
    await apply(context, call, HOSTING)
    retired = (await catalogs.retire_plan(context, call, "backup")).fresh
    assert retired.plan.retired_at is not None
    assert retired.operation is None
    assert (await catalogs.retire_plan(context, call, "backup")).fresh == retired
    assert (await apply(context, call, HOSTING)).catalog.plans["backup"].retired_at == retired.plan.retired_at
    back = await apply(context, call, {"plans": {"backup": {"retire": False}}})
    assert back.catalog.plans["backup"].retired_at is None
    with pytest.raises(PlanNotThere):
        await catalogs.retire_plan(context, call, "nothing")


async def test_under_one_key_it_is_applied_once(context: Context, call: Call) -> None:
    first = await catalogs.apply_catalog(context, keyed(call, "once"), catalog_given(HOSTING))
    again = await catalogs.apply_catalog(context, keyed(call, "once"), catalog_given(HOSTING))
    assert again.replayed
    assert again.answer == first.answer


async def test_applied_by_eight_at_once_each_version_is_made_once(context: Context, call: Call) -> None:
    made = await asyncio.gather(*(apply(context, call, HOSTING) for _ in range(8)))
    assert sum(not one.made.is_empty for one in made) == 1
    assert len({one.catalog.id for one in made}) == 1
    priced = [dearer(f"{price}.00", effective_on=f"2026-05-0{price}") for price in range(1, 9)]
    ends = await asyncio.gather(*(apply(context, call, one) for one in priced), return_exceptions=True)
    assert all(isinstance(end, Applied | CatalogInvalid) for end in ends)
    versions = (await catalogs.get_plan(context, call.tenant, "backup")).versions
    assert [version.version for version in versions] == list(range(1, len(versions) + 1))
    assert len({version.effective_on for version in versions}) == len(versions)


async def test_a_read_that_a_rolled_back_change_was_seen_by_does_not_last(context: Context, call: Call) -> None:
    """What is kept in memory is kept under the transaction that wrote it."""
    made = await apply(context, call, HOSTING)

    async with context.pool.acquire() as connection:
        undone = connection.transaction()
        await undone.start()
        await connection.execute("UPDATE catalogs SET version = version + 1 WHERE tenant_id = $1", call.tenant.id)
        seen = await catalog_rows.get_catalog(connection, call.tenant.id)
        assert seen.version == made.catalog.version + 1
        await undone.rollback()
    assert await catalogs.get_catalog(context, call.tenant) == made.catalog


def test_only_so_much_is_kept_in_memory() -> None:
    kept: dict[str, int] = {}
    for nth, key in enumerate("abacad"):
        keep(kept, key, nth, 3)
    assert kept == {"c": 3, "a": 4, "d": 5}


async def test_today_is_the_tenants_day_there(context: Context, call: Call, clock: Any) -> None:
    await apply(context, call, HOSTING)
    clock.at = clock.wall() + timedelta(hours=11, minutes=30)  # 23:30 UTC is the next day in Berlin
    made = await apply(context, call, dearer("2"))
    assert made.catalog.plans["backup"].versions[-1].effective_on == date(2026, 3, 16)
