"""Products and plans: values. What makes them usable: `checks.py`; who may change to what, and when: `rules.py`."""

from datetime import date, datetime
from decimal import Decimal
from typing import Literal

import msgspec

from billsmith.core.cycles.lengths import Length
from billsmith.core.cycles.pieces import Timing
from billsmith.core.cycles.proration import Proration
from billsmith.core.ids import PlanVersionId, TenantId
from billsmith.core.invoices import Direction
from billsmith.core.taxes import Tax

ProductKind = Literal["base", "add_on", "standalone"]
PhaseKind = Literal["trial", "discount", "fixed_term", "evergreen"]
ChargeKind = Literal["fixed", "recurring"]
Moves = Literal["keep", "at_date", "at_renewal"]

DEFAULT_PRICE_LIST = "default"
ANY_CURRENCY = "*"
"""The key of a price that holds in every currency: only zero can."""


class Product(msgspec.Struct, frozen=True, gc=False):
    """Something that is sold. `add_ons`: codes of the add-on products that a base product's subscribers may have."""

    code: str
    name: str
    kind: ProductKind
    add_ons: tuple[str, ...] = ()
    metadata: dict[str, str] = {}


class Charge(msgspec.Struct, frozen=True, gc=False):
    """A price of a phase. `fixed`: once, when the phase starts. `recurring`: every `length`, in advance or in arrears.

    A price is in major units with up to 12 places, and multiplied with the subscription's quantity if `per_unit`.
    """

    code: str
    """Unique within its phase. Lines of later phases and plans with the same code continue the same charge."""
    kind: ChargeKind
    name: str
    """What the line says."""
    prices: dict[str, Decimal]
    length: Length | None = None
    timing: Timing = "in_advance"
    proration: Proration = "by_day"
    per_unit: bool = True
    refundable: bool = False
    """Of a fixed one: whether what was paid is given back on cancel."""
    tax: Tax | None = None


class Phase(msgspec.Struct, frozen=True, gc=False):
    """A part of a plan's life. Only `evergreen` has no duration, and nothing follows it."""

    kind: PhaseKind
    duration: Length | None
    charges: tuple[Charge, ...]


class PlanVersion(msgspec.Struct, frozen=True, gc=False):
    """A plan as it is sold from `effective_on` until its next version's. It never changes once it is kept."""

    id: PlanVersionId
    tenant_id: TenantId
    plan: str
    """The plan's code: the same for all versions."""
    version: int
    """From 1, oldest first, in the order of `effective_on`."""
    product: str
    name: str
    price_list: str
    direction: Direction
    phases: tuple[Phase, ...]
    effective_on: date
    moves: Moves = "keep"
    """What becomes of subscribers of the version before."""
    moves_on: date | None = None
    """The date, where they move `at_date`."""
    metadata: dict[str, str] = {}


class Plan(msgspec.Struct, frozen=True, gc=False):
    """A plan's versions, oldest first. Once `retired_at`, it takes no new subscribers and keeps those it has."""

    code: str
    versions: tuple[PlanVersion, ...]
    retired_at: datetime | None = None


def version_on(plan: Plan, on: date) -> PlanVersion | None:
    """The version that is sold on a day; None before the first."""
    return next((version for version in reversed(plan.versions) if version.effective_on <= on), None)
