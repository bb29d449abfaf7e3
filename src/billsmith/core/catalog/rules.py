"""The catalogue's rules: ordered lists of cases, of which the first whose conditions all hold decides.

Rule: docs/rules/catalogue-rules.md
"""

from typing import Literal, cast

import msgspec

from billsmith.core.catalog.plans import PhaseKind, Plan, PlanVersion, Product, ProductKind
from billsmith.core.cycles.lengths import Length, days_of, months_of
from billsmith.core.ids import CatalogId

Policy = Literal["immediate", "end_of_term", "start_of_term", "illegal"]
"""When a change or cancel takes effect. `end_of_term`: on the charged-through date, or now if none is ahead."""
CancelPolicy = Literal["immediate", "end_of_term", "start_of_term"]
"""When what is really cancelled ends."""
PhaseAlignment = Literal["start_of_group", "start_of_subscription", "change_of_plan", "current_phase"]
"""From when the phases of a new or changed plan are counted."""
CreateAlignment = Literal["start_of_group", "start_of_subscription"]
"""The same where a subscription begins: there is no plan before."""
BillAlignment = Literal["account", "group", "subscription"]
"""Whose bill cycle day counts: the customer's, the base subscription's, its own."""


class Side(msgspec.Struct, frozen=True, gc=False):
    """Conditions on one side of a change, or on the plan as such; None: any."""

    product: str | None = None
    category: ProductKind | None = None
    length: Length | None = None
    """Of the plan's last phase with a recurring charge."""
    price_list: str | None = None
    plan: str | None = None


class Case(msgspec.Struct, frozen=True, gc=False):
    """One case of a rule: what holds (`then`) where every condition does. Without conditions it is the default.

    `of` is the plan as it is now; `to` the plan that is changed to, and counts only where there is one.
    """

    then: str
    of: Side = Side()
    to: Side = Side()
    phase: PhaseKind | None = None
    """The phase that the subscription is in."""


class Rules(msgspec.Struct, frozen=True, gc=False):
    """Everything that a tenant says about changing between plans; each list is read from its start."""

    change_policy: tuple[Case, ...] = ()
    cancel_policy: tuple[Case, ...] = ()
    change_alignment: tuple[Case, ...] = ()
    create_alignment: tuple[Case, ...] = ()
    bill_alignment: tuple[Case, ...] = ()
    price_list: tuple[Case, ...] = ()
    """Where a product alone is changed to: which price list its plan is taken from."""


class Catalog(msgspec.Struct, frozen=True, gc=False):
    """All that a tenant sells. `version` grows with every change of it."""

    products: dict[str, Product]
    plans: dict[str, Plan]
    rules: Rules
    version: int = 0
    id: CatalogId | None = None
    """None before anything was applied."""


class Traits(msgspec.Struct, frozen=True, gc=False):
    """What conditions look at in a plan."""

    product: str
    category: ProductKind
    length: Length | None
    price_list: str
    plan: str


def traits(version: PlanVersion, category: ProductKind) -> Traits:
    """What conditions look at in this plan, whose product is of that kind."""
    return Traits(version.product, category, recurs_every(version), version.price_list, version.plan)


def recurs_every(version: PlanVersion) -> Length | None:
    """How often the plan is billed: the length of the first recurring charge of its last phase that has one."""
    lengths = (
        charge.length for phase in reversed(version.phases) for charge in phase.charges if charge.length is not None
    )
    return next(lengths, None)


def change_policy(rules: Rules, of: Traits, to: Traits, phase: PhaseKind | None) -> Policy:
    """When a change of plan takes effect."""
    return cast(Policy, decided(rules.change_policy, of, to, phase) or "end_of_term")


def cancel_policy(rules: Rules, of: Traits, phase: PhaseKind | None) -> Policy:
    """When a cancel takes effect."""
    return cast(Policy, decided(rules.cancel_policy, of, None, phase) or "end_of_term")


def create_alignment(rules: Rules, of: Traits) -> CreateAlignment:
    """From when the phases of a new subscription are counted."""
    return cast(CreateAlignment, decided(rules.create_alignment, of, None, None) or "start_of_group")


def change_alignment(rules: Rules, of: Traits, to: Traits, phase: PhaseKind | None) -> PhaseAlignment:
    """From when the phases of the plan that is changed to are counted."""
    return cast(PhaseAlignment, decided(rules.change_alignment, of, to, phase) or "start_of_subscription")


def bill_alignment(rules: Rules, of: Traits, phase: PhaseKind | None) -> BillAlignment:
    """Whose bill cycle day counts for a plan, in the phase that it begins with."""
    return cast(BillAlignment, decided(rules.bill_alignment, of, None, phase) or "account")


def price_list_for(rules: Rules, of: Traits) -> str:
    """From which price list the plan is taken, where a product alone is changed to: by default the same."""
    return decided(rules.price_list, of, None, None) or of.price_list


def decided(cases: tuple[Case, ...], of: Traits, to: Traits | None, phase: PhaseKind | None) -> str | None:
    """What the first case says whose conditions all hold; None where there is none."""
    return next((case.then for case in cases if _holds(case, of, to, phase)), None)


def _holds(case: Case, of: Traits, to: Traits | None, phase: PhaseKind | None) -> bool:
    in_phase = case.phase is None or case.phase == phase
    return in_phase and _fits(case.of, of) and (to is None or _fits(case.to, to))


def _fits(side: Side, plan: Traits) -> bool:
    if side.length is not None and not as_often(side.length, plan.length):
        return False
    wanted = (side.product, side.category, side.price_list, side.plan)
    there = (plan.product, plan.category, plan.price_list, plan.plan)
    return all(value is None or value == other for value, other in zip(wanted, there, strict=True))


def as_often(one: Length | None, other: Length | None) -> bool:
    """Whether two plans are billed equally often: 12 months are a year, and 14 days two weeks."""
    if one is None or other is None:
        return one is other
    return (months_of(one), days_of(one)) == (months_of(other), days_of(other))
