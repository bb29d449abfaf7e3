"""The catalogue: applied as a whole or not at all, shown first if asked for, read by its codes; plans retired."""

from typing import Any

import msgspec

from billsmith.actions.calls import Call, Outcome, carry_out
from billsmith.actions.catalog_objects import catalog_change_object, plan_object
from billsmith.actions.context import Context
from billsmith.actions.saving import record_facts
from billsmith.core.catalog.checks import checked
from billsmith.core.catalog.difference import (
    Difference,
    changed,
    difference,
    facts_told,
    retirement,
)
from billsmith.core.catalog.given import CatalogGiven
from billsmith.core.catalog.plans import Plan
from billsmith.core.catalog.rules import CancelPolicy, Catalog
from billsmith.core.facts import Fact
from billsmith.core.ids import CatalogId, OperationId, PlanVersionId, shard_of, show_id
from billsmith.core.subscriptions.starting import PlanNotThere
from billsmith.core.tenants import Tenant
from billsmith.core.time_zones import local_day
from billsmith.store import operations as operation_rows
from billsmith.store.events import Cause
from billsmith.store.pool import Connection, Pool
from billsmith.store.selling import catalog as catalog_rows
from billsmith.store.transaction import MustRepeat

MOVE = "catalogue_move"
CANCEL = "catalogue_cancel"


class Applied(msgspec.Struct, frozen=True, gc=False):
    """What applying a catalogue changed, the catalogue as it is now, and what moves subscribers, by plan."""

    made: Difference
    catalog: Catalog
    operations: dict[str, OperationId]


class Retired(msgspec.Struct, frozen=True, gc=False):
    """A plan that was retired, and the operation that cancels its subscriptions, if one does."""

    plan: Plan
    operation: OperationId | None


async def apply_catalog(context: Context, call: Call, given: CatalogGiven) -> Outcome[Applied]:
    """Make everything as the given catalogue says; what is not named in it stays. Raises CatalogInvalid.

    Applied once more it changes nothing. Subscribers of older versions stay on them, unless the new version moves
    them: then an operation does, from the day on which it is sold.
    """

    async def verb(connection: Connection, cause: Cause) -> Applied:
        before = await catalog_rows.lock_catalog(connection, call.tenant.id)
        made = await _difference(connection, context, call.tenant, given, before, cause)
        if made.is_empty:
            return Applied(made, before, {})
        catalog = await _save(connection, context, cause, before, made)
        operations = {}
        for change in made.plans:
            version = change.version
            if version is not None and version.version > 1 and version.moves != "keep":
                operations[change.code] = await _start(
                    connection,
                    context,
                    cause,
                    MOVE,
                    {
                        "plan": change.code,
                        "plan_version": show_id("plan_version", version.id),
                        "moves": version.moves,
                        "moves_on": version.moves_on and version.moves_on.isoformat(),
                        "effective_on": version.effective_on.isoformat(),
                    },
                )
        told = catalog_change_object(made, catalog.version, operations, applied=True)
        await _tell(connection, context, cause, before, catalog, made, told)
        return Applied(made, catalog, operations)

    return await carry_out(context, call, verb)


async def preview_catalog(context: Context, tenant: Tenant, given: CatalogGiven) -> Applied:
    """What applying it would change, and for whom; nothing is stored. Raises CatalogInvalid."""
    before = await catalog_rows.get_catalog(context.pool, tenant.id)
    made = await _difference(context.pool, context, tenant, given, before, None)
    return Applied(made, before, {})


async def retire_plan(context: Context, call: Call, code: str, cancel: CancelPolicy | None = None) -> Outcome[Retired]:
    """Take no new subscribers on a plan. It keeps those it has, unless they are to be cancelled by a policy.

    Raises PlanNotThere. A plan that is retired already stays so.
    """

    async def verb(connection: Connection, cause: Cause) -> Retired:
        before = await catalog_rows.lock_catalog(connection, call.tenant.id)
        plan = _existing(before, code)
        if plan.retired_at is None:
            counts = await catalog_rows.count_subscribers(connection, call.tenant.id, _ids(plan))
            made = Difference((), (retirement(plan, counts),), None, ())
            catalog = await _save(connection, context, cause, before, made)
            await _tell(connection, context, cause, before, catalog, made, None)
            plan = catalog.plans[code]
        operation = None
        if cancel is not None:
            operation = await _start(connection, context, cause, CANCEL, {"plan": code, "policy": cancel})
        return Retired(plan, operation)

    return await carry_out(context, call, verb)


async def get_catalog(context: Context, tenant: Tenant) -> Catalog:
    """All that the tenant sells."""
    return await catalog_rows.get_catalog(context.pool, tenant.id)


async def get_plan(context: Context, tenant: Tenant, code: str) -> Plan:
    """A plan with its versions. Raises PlanNotThere."""
    return _existing(await get_catalog(context, tenant), code)


async def _difference(
    connection: Connection | Pool,
    context: Context,
    tenant: Tenant,
    given: CatalogGiven,
    before: Catalog,
    cause: Cause | None,
) -> Difference:
    today = local_day(context.clock.of(tenant) if cause is None else cause.caused_at, tenant.time_zone)
    wanted = checked(given, before, today)
    there = [before.plans[code] for code in wanted.plans if code in before.plans]
    ids = [id_ for plan in there for id_ in _ids(plan)]
    counts = await catalog_rows.count_subscribers(connection, tenant.id, ids) if ids else {}
    new = context.ids.many(len(wanted.plans), shard_of(tenant.id))
    return difference(
        wanted, before, tenant.id, today, dict(zip(wanted.plans, map(PlanVersionId, new), strict=True)), counts
    )


async def _save(connection: Connection, context: Context, cause: Cause, before: Catalog, made: Difference) -> Catalog:
    """Raises MustRepeat where another was the first after all."""
    id_ = before.id or CatalogId(context.ids.new(shard_of(cause.tenant_id)))
    catalog = changed(before, made, id_, cause.caused_at)
    stored = await catalog_rows.save_catalog(
        connection,
        cause.tenant_id,
        catalog,
        [change.product for change in made.products],
        [catalog.plans[change.code] for change in made.plans],
        [change.version for change in made.plans if change.version is not None],
        is_first=before.id is None,
    )
    if not stored:
        raise MustRepeat
    return catalog


async def _tell(
    connection: Connection,
    context: Context,
    cause: Cause,
    before: Catalog,
    catalog: Catalog,
    made: Difference,
    change: Any,
) -> None:
    assert catalog.id is not None
    retired = iter([one.code for one in made.plans if one.retired is True])
    facts = []
    for nth, type_ in enumerate(facts_told(made), start=1):
        shown = change if type_ == "catalog.updated" else plan_object(catalog.plans[next(retired)])
        facts.append(Fact(type_, catalog.id, before.version + nth, shown, None))
    await record_facts(connection, context, cause, facts)


async def _start(
    connection: Connection, context: Context, cause: Cause, kind: str, asked: dict[str, Any]
) -> OperationId:
    """A new operation; workers look up whom it is about, and carry it on."""
    id_ = OperationId(context.ids.new(shard_of(cause.tenant_id)))
    name = show_id("operation", id_)
    input_ = {**asked, "actor": cause.actor, "reason": cause.reason}
    await operation_rows.insert_operation(
        connection, cause.tenant_id, id_, kind, name, cause.caused_at, input_, context.clock.wall()
    )
    fact = Fact("operation.started", id_, 1, {"id": name, "kind": kind, "input": input_}, None)
    await record_facts(connection, context, cause, [fact])
    return id_


def _existing(catalog: Catalog, code: str) -> Plan:
    if code not in catalog.plans:
        raise PlanNotThere(f"there is no plan {code[:80]!r}")
    return catalog.plans[code]


def _ids(plan: Plan) -> list[PlanVersionId]:
    return [version.id for version in plan.versions]
