"""/v1/catalog and /v1/plans"""

from starlette.responses import Response

from billsmith.actions import catalog as catalogs
from billsmith.actions.catalog import Applied
from billsmith.actions.catalog_objects import (
    CatalogChangeObject,
    CatalogObject,
    PlanObject,
    PlanRetiredObject,
    catalog_change_object,
    catalog_object,
    plan_object,
    plan_retired_object,
)
from billsmith.api.endpoints import Asked, Endpoint, answer
from billsmith.api.paging import Page
from billsmith.api.parameters import Parameter, one_of
from billsmith.api.schemas.catalog import PlanToRetire
from billsmith.core.catalog.given import CatalogGiven, catalog_given
from billsmith.core.tenants import Scope

PATH = "/v1/catalog"
PLANS = "/v1/plans"
ONE = PLANS + "/{code}"

_DRY_RUN = Parameter(
    "dry_run", {"type": "string", "enum": ["true", "false"], "default": "false"}, "Only show what would change."
)


async def apply(asked: Asked) -> Response:
    """Make everything as the catalogue says."""
    given: CatalogGiven = asked.body
    if one_of(asked.query, "dry_run", ("true", "false"), "false") == "true":
        found = await catalogs.preview_catalog(asked.context, asked.tenant, given)
        return answer(catalog_change_object(found.made, found.catalog.version, {}, applied=False))
    return await asked.carry_out(lambda call: catalogs.apply_catalog(asked.context, call, given), _applied)


async def get(asked: Asked) -> Response:
    """All that is sold."""
    return answer(catalog_object(await catalogs.get_catalog(asked.context, asked.tenant)))


async def list_plans(asked: Asked) -> Response:
    """Every plan."""
    plans = (await catalogs.get_catalog(asked.context, asked.tenant)).plans
    return answer(Page(data=[plan_object(plan) for plan in plans.values()], has_more=False, next_cursor=None))


async def get_plan(asked: Asked) -> Response:
    """One plan with its versions."""
    return answer(plan_object(await catalogs.get_plan(asked.context, asked.tenant, _code(asked))))


async def retire(asked: Asked) -> Response:
    """Take no new subscribers on a plan."""
    given: PlanToRetire = asked.body
    return await asked.carry_out(
        lambda call: catalogs.retire_plan(asked.context, call, _code(asked), given.cancel),
        lambda retired: plan_retired_object(retired.plan, retired.operation),
    )


def _applied(applied: Applied) -> CatalogChangeObject:
    return catalog_change_object(applied.made, applied.catalog.version, applied.operations, applied=True)


def _code(asked: Asked) -> str:
    code: str = asked.request.path_params["code"]
    return code


ENDPOINTS = (
    Endpoint(
        method="PUT", path=PATH, name="applyCatalog", summary="Apply a catalogue", run=apply, scope=Scope.ADMIN,
        description="Products, plans and rules become as they are given, all or none; what is not named stays. A plan "
        "that is another than its newest version gets a new one. Applied again it changes nothing.",
        body=CatalogGiven, read=catalog_given, example="catalog", parameters=(_DRY_RUN,), answers=CatalogChangeObject,
    ),
    Endpoint(
        method="GET", path=PATH, name="getCatalog", summary="Get the catalogue", run=get, scope=Scope.READ,
        description="`catalog` can be applied as it stands.", answers=CatalogObject,
    ),
    Endpoint(
        method="GET", path=PLANS, name="listPlans", summary="List plans", run=list_plans, scope=Scope.READ,
        description="All of them by code, retired ones too.", answers=PlanObject, lists=True,
    ),
    Endpoint(
        method="GET", path=ONE, name="getPlan", summary="Get a plan", run=get_plan, scope=Scope.READ,
        description="With every version, oldest first.", answers=PlanObject, problems=(404,),
    ),
    Endpoint(
        method="POST", path=ONE + "/retire", name="retirePlan", summary="Retire a plan", run=retire, scope=Scope.ADMIN,
        description="It takes no new subscribers and keeps those it has, unless they are to be cancelled: then an "
        "operation does that.",
        body=PlanToRetire, example="plan_retirement", answers=PlanRetiredObject, problems=(404,),
    ),
)  # fmt: skip
