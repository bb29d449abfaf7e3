"""A catalogue written out as people write it; read again, it changes nothing."""

from decimal import Decimal

from msgspec.structs import replace

from billsmith.core.catalog.given import (
    CaseGiven,
    CatalogGiven,
    ChargeGiven,
    PhaseGiven,
    PlanGiven,
    PriceTaxGiven,
    ProductGiven,
    RulesGiven,
    SideGiven,
)
from billsmith.core.catalog.lengths import show_length
from billsmith.core.catalog.plans import Charge, Phase, Plan, PlanVersion, Product
from billsmith.core.catalog.rules import Case, Catalog, Rules, Side
from billsmith.core.cycles.lengths import Length
from billsmith.core.taxes import Tax


def catalog_as_given(catalog: Catalog) -> CatalogGiven:
    """The whole catalogue; each plan in its newest version."""
    return CatalogGiven(
        products={code: product_as_given(product) for code, product in catalog.products.items()},
        plans={code: plan_as_given(plan) for code, plan in catalog.plans.items()},
        rules=rules_as_given(catalog.rules),
    )


def product_as_given(product: Product) -> ProductGiven:
    """A product as it is written."""
    return ProductGiven(name=product.name, kind=product.kind, add_ons=product.add_ons, metadata=product.metadata)


def plan_as_given(plan: Plan) -> PlanGiven:
    """A plan in its newest version as it is written."""
    version = plan.versions[-1]
    return replace(
        sold_as_given(version),
        effective_on=version.effective_on,
        moves=version.moves,
        moves_on=version.moves_on,
        retire=True if plan.retired_at is not None else None,
    )


def sold_as_given(version: PlanVersion) -> PlanGiven:
    """What of a version is sold, without when and to whom, as it is written."""
    return PlanGiven(
        product=version.product,
        name=version.name,
        price_list=version.price_list,
        direction=version.direction,
        phases=tuple(phase_as_given(phase) for phase in version.phases),
        metadata=version.metadata or None,
    )


def phase_as_given(phase: Phase) -> PhaseGiven:
    """A phase as it is written."""
    return PhaseGiven(
        kind=phase.kind,
        duration=_length(phase.duration),
        charges=tuple(charge_as_given(charge) for charge in phase.charges),
    )


def charge_as_given(charge: Charge) -> ChargeGiven:
    """A charge as it is written: only with what belongs to its kind."""
    recurs = charge.kind == "recurring"
    return ChargeGiven(
        code=charge.code,
        kind=charge.kind,
        name=charge.name,
        prices={currency: show_decimal(price) for currency, price in charge.prices.items()},
        length=_length(charge.length),
        timing=charge.timing if recurs else None,
        proration=charge.proration if recurs else None,
        per_unit=charge.per_unit,
        refundable=charge.refundable or None,
        tax=None if charge.tax is None else tax_as_given(charge.tax),
    )


def tax_as_given(tax: Tax) -> PriceTaxGiven:
    """A rate as it is written."""
    return PriceTaxGiven(percent=show_decimal(tax.percent), inclusive=tax.inclusive)


def rules_as_given(rules: Rules) -> RulesGiven:
    """The rules as they are written."""
    return RulesGiven(**{rule: tuple(_case(case) for case in getattr(rules, rule)) for rule in Rules.__struct_fields__})


def show_decimal(number: Decimal) -> str:
    """Without an exponent."""
    return f"{number:f}"


def _case(case: Case) -> CaseGiven:
    return CaseGiven(then=case.then, of=_side(case.of), to=_side(case.to), phase=case.phase)


def _side(side: Side) -> SideGiven:
    return SideGiven(
        product=side.product,
        category=side.category,
        length=_length(side.length),
        price_list=side.price_list,
        plan=side.plan,
    )


def _length(length: Length | None) -> str | None:
    return None if length is None else show_length(length)
