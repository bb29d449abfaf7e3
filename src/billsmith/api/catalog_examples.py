"""Examples of the catalogue for the reference: what applying the example of a body makes of nothing."""

from typing import Any

from msgspec.structs import replace

from billsmith.actions import catalog_objects as shown
from billsmith.api.examples import AT, BODIES, CUSTOMER, id_of
from billsmith.core.catalog.checks import checked
from billsmith.core.catalog.difference import Difference, Edit, Subscribers, changed, difference
from billsmith.core.catalog.given import catalog_given
from billsmith.core.catalog.rules import Catalog, Rules
from billsmith.core.ids import CatalogId, OperationId, PlanVersionId
from billsmith.core.time_zones import local_day

_CATALOG_ID = CatalogId(id_of(30))
_OPERATION_ID = OperationId(id_of(32))


def catalog_examples() -> dict[type, Any]:
    """For each type of answer an example, as it would be sent."""
    made, catalog = applied()
    plan = catalog.plans["hosting"]
    second = replace(plan.versions[0], id=PlanVersionId(id_of(33)), version=2, moves="at_renewal")
    dearer = replace(
        made.plans[0],
        version=second,
        edits=(Edit("/phases/1/charges/0/prices/EUR", "17.90", "19.90"),),
        subscribers=(Subscribers(1, 412, "at_renewal"),),
    )
    change = replace(made, products=(), plans=(dearer,), rules=None, rule_edits=())
    return {
        shown.CatalogObject: shown.catalog_object(catalog),
        shown.PlanObject: shown.plan_object(plan),
        shown.CatalogChangeObject: shown.catalog_change_object(change, 2, {"hosting": _OPERATION_ID}, applied=True),
        shown.PlanRetiredObject: shown.plan_retired_object(replace(plan, retired_at=AT), _OPERATION_ID),
    }


def applied() -> tuple[Difference, Catalog]:
    """What the example of a body makes of nothing, and the catalogue then."""
    before = Catalog({}, {}, Rules())
    today = local_day(AT, "UTC")
    wanted = checked(catalog_given(BODIES["catalog"]), before, today)
    made = difference(wanted, before, CUSTOMER.tenant_id, today, {"hosting": PlanVersionId(id_of(31))}, {})
    return made, changed(before, made, _CATALOG_ID, AT)
