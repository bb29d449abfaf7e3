"""The catalogue's rules: ordered lists of cases, of which the first whose conditions all hold decides.

Rule: docs/rules/catalogue-rules.md
"""

from typing import Literal

import msgspec

from billsmith.core.catalog.plans import PhaseKind, Plan, Product, ProductKind
from billsmith.core.cycles.lengths import Length

Policy = Literal["immediate", "end_of_term", "start_of_term", "illegal"]
"""When a change or cancel takes effect. `end_of_term`: on the charged-through date, or now if nothing is charged ahead."""
PhaseAlignment = Literal["start_of_group", "start_of_subscription", "change_of_plan", "current_phase"]
"""From when the phases of a new or changed plan are counted."""
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


class Catalog(msgspec.Struct, frozen=True):
    """All that a tenant sells. `version` grows with every change of it."""

    products: dict[str, Product]
    plans: dict[str, Plan]
    rules: Rules
    version: int = 0
