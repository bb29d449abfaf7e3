"""The oracle's plans as a catalogue, and sandboxes with customers in which it is sold."""

from datetime import date
from typing import Any

from billsmith.actions import tenants
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.core.tenants import NewTenant
from tests.actions.subscriptions.made import sell
from tests.oracle.asked import ADD_ONS, PLANS, Charge, Length, Phase
from tests.oracle.engine import noon

UNITS = {"d": "day", "m": "month"}


async def sandbox(context: Context, today: date) -> Call:
    """A sandbox on a day, in which the plans are sold."""
    given = NewTenant("Oracle", "EUR", mode="sandbox", clock_at=noon(today))
    tenant = await tenants.create_tenant(context, given, "test", "req_test")
    call = Call(tenant, "test", "req_test")
    await sell(context, call, catalog())
    return call


def catalog() -> dict[str, Any]:
    """The plans as a document."""
    kinds = {plan.product: plan.kind for plan in PLANS.values()}
    aligned = [{"of": {"plan": plan.code}, "then": plan.alignment} for plan in PLANS.values()]
    return {
        "products": {
            code: {"name": code, "kind": kind, "add_ons": list(ADD_ONS.get(code, ()))} for code, kind in kinds.items()
        },
        "plans": {
            plan.code: {"product": plan.product, "name": plan.code, "phases": [_phase(one) for one in plan.phases]}
            for plan in PLANS.values()
        },
        "rules": {"bill_alignment": aligned},
    }


def _phase(phase: Phase) -> dict[str, Any]:
    charges = [_charge(charge) for charge in phase.charges]
    lasts = {} if phase.lasts is None else {"duration": _length(phase.lasts)}
    return {"kind": phase.kind, "charges": charges, **lasts}


def _charge(charge: Charge) -> dict[str, Any]:
    prices = {"EUR": charge.price}
    given = {"code": charge.code, "name": charge.code, "prices": prices, "per_unit": charge.per_unit}
    if charge.every is None:
        return {**given, "kind": "fixed"}
    timing = "in_arrears" if charge.in_arrears else "in_advance"
    return {**given, "kind": "recurring", "length": _length(charge.every), "timing": timing}


def _length(length: Length) -> dict[str, Any]:
    return {"every": length[0], "unit": UNITS[length[1]]}
