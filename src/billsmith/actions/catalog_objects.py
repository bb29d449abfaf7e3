"""The public objects of the catalogue, as answers and events show them. Prices are in major units."""

from datetime import date, datetime
from typing import Any, Literal

import msgspec

from billsmith.core.catalog.difference import Difference, Edit, PlanChange
from billsmith.core.catalog.given import CatalogGiven, PhaseGiven
from billsmith.core.catalog.plans import Moves, Plan, PlanVersion
from billsmith.core.catalog.rules import Catalog
from billsmith.core.catalog.writing import catalog_as_given, phase_as_given
from billsmith.core.ids import OperationId, maybe_show_id, show_id
from billsmith.core.invoices import Direction


class CatalogObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """All that is sold. `catalog` can be applied as it stands, and changes nothing."""

    id: str | None
    object: Literal["catalog"] = "catalog"
    version: int
    catalog: CatalogGiven


class PlanVersionObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A plan as it is sold from `effective_on` until its next version is. `moves`: subscribers of the one before."""

    id: str
    object: Literal["plan_version"] = "plan_version"
    plan: str
    version: int
    product: str
    name: str
    price_list: str
    direction: Direction
    effective_on: date
    moves: Moves
    moves_on: date | None
    phases: tuple[PhaseGiven, ...]
    metadata: dict[str, str]


class PlanObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A plan and its versions, oldest first. A retired one takes no new subscribers and keeps those it has."""

    code: str
    object: Literal["plan"] = "plan"
    product: str
    name: str
    retired_at: datetime | None
    versions: tuple[PlanVersionObject, ...]


class PlanRetiredObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A plan that was retired, and the operation that cancels the subscriptions on it, if they are to be."""

    object: Literal["plan_retirement"] = "plan_retirement"
    plan: PlanObject
    operation: str | None


class EditObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One value that is another; null: it was or is not there."""

    pointer: str
    before: Any
    after: Any


class SubscribersObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """How many stand on a version, and what becomes of them."""

    version: int
    subscribers: int
    becomes: Moves


class ProductChangeObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A product that is new, or changed by these edits."""

    code: str
    change: Literal["added", "changed"]
    edits: tuple[EditObject, ...]


class PlanChangeObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A plan that is new, gets a version, is retired or sold again; whom that is about, and what moves them."""

    code: str
    change: Literal["added", "new_version", "retired", "sold_again"]
    retired: bool | None
    version: int | None
    plan_version: str | None
    effective_on: date | None
    edits: tuple[EditObject, ...]
    subscribers: tuple[SubscribersObject, ...]
    operation: str | None


class CatalogChangeObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What applying a catalogue changes: nothing, where it says what is so already."""

    object: Literal["catalog_change"] = "catalog_change"
    applied: bool
    """False: this only shows what would change."""
    version: int
    products: tuple[ProductChangeObject, ...]
    plans: tuple[PlanChangeObject, ...]
    rules: tuple[EditObject, ...]


def catalog_object(catalog: Catalog) -> CatalogObject:
    """The catalogue as it is shown."""
    return CatalogObject(
        id=maybe_show_id("catalog", catalog.id), version=catalog.version, catalog=catalog_as_given(catalog)
    )


def plan_object(plan: Plan) -> PlanObject:
    """A plan as it is shown."""
    newest = plan.versions[-1]
    return PlanObject(
        code=plan.code,
        product=newest.product,
        name=newest.name,
        retired_at=plan.retired_at,
        versions=tuple(plan_version_object(version) for version in plan.versions),
    )


def plan_version_object(version: PlanVersion) -> PlanVersionObject:
    """A version of a plan as it is shown."""
    return PlanVersionObject(
        id=show_id("plan_version", version.id),
        plan=version.plan,
        version=version.version,
        product=version.product,
        name=version.name,
        price_list=version.price_list,
        direction=version.direction,
        effective_on=version.effective_on,
        moves=version.moves,
        moves_on=version.moves_on,
        phases=tuple(phase_as_given(phase) for phase in version.phases),
        metadata=version.metadata,
    )


def plan_retired_object(plan: Plan, operation: OperationId | None) -> PlanRetiredObject:
    """A retired plan as it is shown."""
    return PlanRetiredObject(plan=plan_object(plan), operation=maybe_show_id("operation", operation))


def catalog_change_object(
    made: Difference, version: int, operations: dict[str, OperationId], *, applied: bool
) -> CatalogChangeObject:
    """What changes as it is shown; `operations` move subscribers, by the plan's code."""
    return CatalogChangeObject(
        applied=applied,
        version=version,
        products=tuple(
            ProductChangeObject(
                code=change.product.code, change="changed" if change.edits else "added", edits=_edits(change.edits)
            )
            for change in made.products
        ),
        plans=tuple(_plan_change(change, operations.get(change.code)) for change in made.plans),
        rules=_edits(made.rule_edits),
    )


def _plan_change(change: PlanChange, operation: OperationId | None) -> PlanChangeObject:
    version = change.version
    return PlanChangeObject(
        code=change.code,
        change=_kind(change),
        retired=change.retired,
        version=None if version is None else version.version,
        plan_version=None if version is None else show_id("plan_version", version.id),
        effective_on=None if version is None else version.effective_on,
        edits=_edits(change.edits),
        subscribers=tuple(
            SubscribersObject(version=one.version, subscribers=one.subscribers, becomes=one.becomes)
            for one in change.subscribers
        ),
        operation=maybe_show_id("operation", operation),
    )


def _kind(change: PlanChange) -> Literal["added", "new_version", "retired", "sold_again"]:
    if change.version is not None:
        return "added" if change.version.version == 1 else "new_version"
    return "retired" if change.retired else "sold_again"


def _edits(edits: tuple[Edit, ...]) -> tuple[EditObject, ...]:
    return tuple(EditObject(pointer=edit.pointer, before=edit.before, after=edit.after) for edit in edits)
