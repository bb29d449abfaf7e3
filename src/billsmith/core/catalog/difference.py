"""What applying a catalogue changes, and for whom: shown first, then saved. Applied once more, it changes nothing."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from billsmith.core.catalog.checks import Wanted, WantedPlan, is_new_version
from billsmith.core.catalog.plans import Moves, Plan, PlanVersion, Product
from billsmith.core.catalog.rules import Catalog, Rules
from billsmith.core.catalog.writing import product_as_given, rules_as_given, sold_as_given
from billsmith.core.facts import FactType
from billsmith.core.ids import CatalogId, PlanVersionId, TenantId
from billsmith.core.text import pointer_under
from billsmith.core.time_zones import EARLIEST


class Edit(msgspec.Struct, frozen=True, gc=False):
    """One value that is another: where, what it was, what it is. None: it was or is not there."""

    pointer: str
    before: Any
    after: Any


class Subscribers(msgspec.Struct, frozen=True, gc=False):
    """How many stand on a version of a plan, and what becomes of them."""

    version: int
    subscribers: int
    becomes: Moves


class ProductChange(msgspec.Struct, frozen=True, gc=False):
    """A product as it will be; without edits it is new."""

    product: Product
    edits: tuple[Edit, ...]


class PlanChange(msgspec.Struct, frozen=True, gc=False):
    """What becomes of a plan: its new version, if it gets one, and whether it is retired, or sold again."""

    code: str
    version: PlanVersion | None
    edits: tuple[Edit, ...]
    """From the version before to the new one."""
    retired: bool | None
    """None: it stays as it is."""
    subscribers: tuple[Subscribers, ...]
    """Of the versions there are, oldest first; those that nobody stands on are left out."""


class Difference(msgspec.Struct, frozen=True, gc=False):
    """Everything that applying a catalogue changes."""

    products: tuple[ProductChange, ...]
    plans: tuple[PlanChange, ...]
    rules: Rules | None
    """All rules as they will be; None: they stay."""
    rule_edits: tuple[Edit, ...]

    @property
    def is_empty(self) -> bool:
        """Whether everything is as wanted already."""
        return not (self.products or self.plans or self.rules is not None)


def difference(
    wanted: Wanted,
    before: Catalog,
    tenant_id: TenantId,
    today: date,
    ids: Mapping[str, PlanVersionId],
    counts: Mapping[PlanVersionId, int],
) -> Difference:
    """What is to change so that all is as wanted. `ids`: of new versions by plan; `counts`: subscribers by version."""
    products = tuple(
        ProductChange(product, _product_edits(before.products.get(code), product))
        for code, product in wanted.products.items()
        if before.products.get(code) != product
    )
    changes = (
        _plan_change(plan, before.plans.get(code), tenant_id, today, ids, counts) for code, plan in wanted.plans.items()
    )
    rules = wanted.rules if wanted.rules != before.rules else None
    return Difference(
        products,
        tuple(change for change in changes if change is not None),
        rules,
        () if rules is None else _edits_between(rules_as_given(before.rules), rules_as_given(rules)),
    )


def retirement(plan: Plan, counts: Mapping[PlanVersionId, int]) -> PlanChange:
    """That a plan takes no new subscribers any more."""
    return PlanChange(plan.code, None, (), True, _subscribers(plan, "keep", counts))


def changed(catalog: Catalog, made: Difference, id_: CatalogId, at: datetime) -> Catalog:
    """The catalogue with what was made out. Its version counts what is told of it: each retired plan is a fact more."""
    if made.is_empty:
        return catalog
    plans = dict(catalog.plans)
    for change in made.plans:
        plans[change.code] = changed_plan(plans.get(change.code, Plan(change.code, ())), change, at)
    return Catalog(
        products={**catalog.products, **{change.product.code: change.product for change in made.products}},
        plans=plans,
        rules=catalog.rules if made.rules is None else made.rules,
        version=catalog.version + len(facts_told(made)),
        id=id_,
    )


def facts_told(made: Difference) -> tuple[FactType, ...]:
    """What is told of the catalogue, one version of it each: that it changed, and each plan that is retired."""
    retired = sum(change.retired is True for change in made.plans)
    only_retired = (
        not made.products
        and made.rules is None
        and all(change.version is None and change.retired for change in made.plans)
    )
    told: list[FactType] = [] if only_retired else ["catalog.updated"]
    told += ["plan.retired"] * retired
    return tuple(told)


def changed_plan(plan: Plan, change: PlanChange, at: datetime) -> Plan:
    """The plan with what becomes of it."""
    if change.version is not None:
        plan = replace(plan, versions=(*plan.versions, change.version))
    if change.retired is not None:
        plan = replace(plan, retired_at=at if change.retired else None)
    return plan


def _plan_change(
    wanted: WantedPlan,
    plan: Plan | None,
    tenant_id: TenantId,
    today: date,
    ids: Mapping[str, PlanVersionId],
    counts: Mapping[PlanVersionId, int],
) -> PlanChange | None:
    version = _new_version(wanted, plan, tenant_id, today, ids)
    was_retired = plan is not None and plan.retired_at is not None
    retired = None if wanted.retire is None or wanted.retire == was_retired else wanted.retire
    if version is None and retired is None:
        return None
    edits: tuple[Edit, ...] = ()
    if version is not None and plan is not None:
        edits = _edits_between(sold_as_given(plan.versions[-1]), sold_as_given(version))
    moves = "keep" if version is None else version.moves
    return PlanChange(wanted.code, version, edits, retired, () if plan is None else _subscribers(plan, moves, counts))


def _new_version(
    wanted: WantedPlan, plan: Plan | None, tenant_id: TenantId, today: date, ids: Mapping[str, PlanVersionId]
) -> PlanVersion | None:
    content = wanted.content
    if content is None:
        return None
    newest = None if plan is None else plan.versions[-1]
    if newest is not None and not is_new_version(content, wanted.moves, wanted.moves_on, newest):
        return None
    return PlanVersion(
        id=ids[wanted.code],
        tenant_id=tenant_id,
        plan=wanted.code,
        version=1 if newest is None else newest.version + 1,
        product=content.product,
        name=content.name,
        price_list=content.price_list,
        direction=content.direction,
        phases=content.phases,
        # A first version is there for subscriptions that began long ago, unless a day is said.
        effective_on=wanted.effective_on or (EARLIEST if newest is None else today),
        moves=wanted.moves,
        moves_on=wanted.moves_on,
        metadata=content.metadata,
    )


def _subscribers(plan: Plan, becomes: Moves, counts: Mapping[PlanVersionId, int]) -> tuple[Subscribers, ...]:
    return tuple(
        Subscribers(version.version, counts[version.id], becomes)
        for version in plan.versions
        if counts.get(version.id, 0)
    )


def _product_edits(before: Product | None, after: Product) -> tuple[Edit, ...]:
    return () if before is None else _edits_between(product_as_given(before), product_as_given(after))


def _edits_between(before: Any, after: Any) -> tuple[Edit, ...]:
    """What differs in what is written, in the order of its places."""
    return tuple(_edits(before, after, ""))


def _edits(before: Any, after: Any, pointer: str) -> Iterator[Edit]:
    if before == after:
        return
    if isinstance(before, _PARTS) and isinstance(after, _PARTS):
        old, new = _parts(before), _parts(after)
        for name in dict.fromkeys((*old, *new)):
            yield from _edits(old.get(name), new.get(name), pointer_under(pointer, name))
    else:
        yield Edit(pointer, before, after)


_PARTS = (msgspec.Struct, dict, tuple)


def _parts(value: Any) -> dict[str, Any]:
    """What a value is made of, by the step that leads to it."""
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    return value if isinstance(value, dict) else {str(nth): entry for nth, entry in enumerate(value)}
