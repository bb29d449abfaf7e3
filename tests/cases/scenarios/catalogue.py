"""A case's catalogue as ours is written: products, plans with phases and charges, rules."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any

from tests.cases.report import NotYet, Unreadable
from tests.cases.scenarios.values import ChangePlan, CreateAccount, Scenario, Subscribe, SubscribeMany

Json = dict[str, Any]

LENGTHS = {
    "DAILY": (1, "day"), "WEEKLY": (1, "week"), "BIWEEKLY": (2, "week"), "THIRTY_DAYS": (30, "day"),
    "THIRTY_ONE_DAYS": (31, "day"), "SIXTY_DAYS": (60, "day"), "NINETY_DAYS": (90, "day"), "MONTHLY": (1, "month"),
    "BIMESTRIAL": (2, "month"), "QUARTERLY": (3, "month"), "TRIANNUAL": (4, "month"), "BIANNUAL": (6, "month"),
    "ANNUAL": (1, "year"), "SESQUIENNIAL": (18, "month"), "BIENNIAL": (2, "year"), "TRIENNIAL": (3, "year"),
}  # fmt: skip
UNITS = {"DAYS": "day", "WEEKS": "week", "MONTHS": "month", "YEARS": "year"}
KINDS = {"TRIAL": "trial", "DISCOUNT": "discount", "FIXEDTERM": "fixed_term", "EVERGREEN": "evergreen"}
CATEGORIES = {"BASE": "base", "ADD_ON": "add_on", "STANDALONE": "standalone"}
TIMINGS = {"IN_ADVANCE": "in_advance", "IN_ARREAR": "in_arrears"}
POLICIES = {
    "IMMEDIATE": "immediate", "END_OF_TERM": "end_of_term", "START_OF_TERM": "start_of_term", "ILLEGAL": "illegal",
}  # fmt: skip
PHASE_ALIGNMENTS = {
    "START_OF_BUNDLE": "start_of_group", "START_OF_SUBSCRIPTION": "start_of_subscription",
    "CHANGE_OF_PLAN": "change_of_plan",
}  # fmt: skip
BILL_ALIGNMENTS = {"ACCOUNT": "account", "BUNDLE": "group", "SUBSCRIPTION": "subscription"}
RULES: dict[str, tuple[str, str, Mapping[str, str], str]] = {
    "change_policy": ("change_policy", "policy", POLICIES, "END_OF_TERM"),
    "cancel_policy": ("cancel_policy", "policy", POLICIES, "END_OF_TERM"),
    "change_alignment": ("change_alignment", "alignment", PHASE_ALIGNMENTS, "START_OF_BUNDLE"),
    "create_alignment": ("create_alignment", "alignment", PHASE_ALIGNMENTS, "START_OF_BUNDLE"),
    "billing_alignment": ("bill_alignment", "alignment", BILL_ALIGNMENTS, "ACCOUNT"),
}
"""Per list of the case: ours, the field that decides, what its words are here, and what holds without a case."""
CONDITIONS = {
    "product": "product",
    "product_category": "category",
    "billing_period": "length",
    "price_list": "price_list",
}


def catalogs_of(scenario: Scenario) -> list[Json]:
    """Every catalogue of the case as a document of ours, oldest first. Raises NotYet, Unreadable."""
    used = plans_used(scenario)
    currencies = sorted({step.currency for step in scenario.steps if isinstance(step, CreateAccount)})
    fixed_days = scenario.config.get("proration_fixed_days_in_month", 0)
    if fixed_days not in (0, 30):
        raise NotYet(f"config proration_fixed_days_in_month {fixed_days}")
    proration = "fixed_days" if fixed_days else "by_day"
    documents = []
    for nth, catalog in enumerate(scenario.catalogs):
        _check_price_list_alignment(scenario, catalog)
        plans = {
            name: _plan(name, plan, catalog, currencies, proration, used) for name, plan in catalog["plans"].items()
        }
        if nth:
            for name, plan in plans.items():
                plan["effective_on"] = catalog["effective_date"][:10]
                moves_on = catalog["plans"][name].get("effective_date_for_existing_subscriptions")
                if moves_on is not None:
                    plan |= {"moves": "at_date", "moves_on": moves_on[:10]}
        products = {name: _product(name, product) for name, product in catalog["products"].items()}
        documents.append({"products": products, "plans": plans, "rules": _rules(catalog.get("rules", {}))})
    return documents


def plans_used(scenario: Scenario) -> dict[str, list[str]]:
    """The plans that each subscription of the case is put on, in order."""
    used: dict[str, list[str]] = {}
    for step in scenario.steps:
        if isinstance(step, Subscribe | ChangePlan):
            used.setdefault(step.subscription, []).append(step.plan)
        elif isinstance(step, SubscribeMany):
            for one in step.subscriptions:
                used.setdefault(one.subscription, []).append(one.plan)
    return used


def currency_prices(prices: Mapping[str, str], currencies: Iterable[str]) -> dict[str, str]:
    """Prices by currency; one for all currencies stays so only if it is zero."""
    if "*" not in prices:
        return dict(prices)
    if Decimal(prices["*"]) == 0:
        return {"*": "0"}
    return dict.fromkeys(currencies, prices["*"]) | {code: one for code, one in prices.items() if code != "*"}


def length_of(period: str) -> Json:
    """The length of a billing period. Raises Unreadable."""
    every, unit = _word(LENGTHS, period, "billing period")
    return {"every": every, "unit": unit}


def _product(name: str, product: Json) -> Json:
    kind = _word(CATEGORIES, product["category"], "category")
    found: Json = {"name": name, "kind": kind}
    if product.get("available_addons"):
        found["add_ons"] = list(product["available_addons"])
    if product.get("included_addons"):
        raise NotYet("included_addons")
    return found


def _plan(
    name: str, plan: Json, catalog: Json, currencies: list[str], proration: str, used: Mapping[str, list[str]]
) -> Json:
    is_used = any(name in plans for plans in used.values())
    mode = plan.get("billing_mode", catalog.get("default_billing_mode", "IN_ADVANCE"))
    timing = _word(TIMINGS, mode, "billing mode")
    phases = []
    for phase in plan["phases"]:
        if phase.get("usages") and is_used:
            raise NotYet("plans with usage")
        phases.append(_phase(name, phase, timing, proration, currencies))
    return {
        "product": plan["product"],
        "name": name,
        "price_list": price_list(plan.get("price_list", "DEFAULT")),
        "phases": phases,
    }


def _phase(name: str, phase: Json, timing: str, proration: str, currencies: list[str]) -> Json:
    found: Json = {"kind": _word(KINDS, phase["type"], "phase")}
    duration = phase.get("duration", {"unit": "UNLIMITED"})
    if duration["unit"] != "UNLIMITED":
        found["duration"] = {"every": duration["number"], "unit": _word(UNITS, duration["unit"], "unit")}
    charges: list[Json] = []
    if phase.get("fixed_price"):
        prices = currency_prices(phase["fixed_price"], currencies)
        charges.append({"code": "fixed", "kind": "fixed", "name": name, "prices": prices})
    recurring = phase.get("recurring")
    if recurring:
        charges.append({
            "code": "recurring", "kind": "recurring", "name": name, "timing": timing, "proration": proration,
            "length": length_of(recurring["billing_period"]),
            "prices": currency_prices(recurring["price"], currencies),
        })  # fmt: skip
    return found | {"charges": charges}


def price_list(name: str) -> str:
    """Our name of a price list."""
    return "default" if name == "DEFAULT" else name


def _rules(rules: Json) -> Json:
    found: Json = {}
    for theirs, (ours, decides, words, default) in RULES.items():
        cases = [
            _case(case, decides, words) for case in rules.get(theirs, ()) if case[decides] != "CHANGE_OF_PRICELIST"
        ]
        found[ours] = [*cases, {"then": words[default]}] if not cases or len(cases[-1]) > 1 else cases
    return found


def _case(case: Json, decides: str, words: Mapping[str, str]) -> Json:
    found: Json = {"then": _word(words, case[decides], decides)}
    for name, given in case.items():
        if name == decides:
            continue
        if name == "phase_type":
            found["phase"] = _word(KINDS, given, "phase")
            continue
        side, condition = ("to", name[3:]) if name.startswith("to_") else ("of", name.removeprefix("from_"))
        if condition not in CONDITIONS:
            raise NotYet(f"a rule's condition {name}")
        value: Any = given
        if condition == "billing_period":
            value = length_of(given)
        elif condition == "product_category":
            value = _word(CATEGORIES, given, "category")
        elif condition == "price_list":
            value = price_list(given)
        found.setdefault(side, {})[CONDITIONS[condition]] = value
    return found


def _check_price_list_alignment(scenario: Scenario, catalog: Json) -> None:
    """Phases counted from a change of price list do not exist here: no change may need them. Raises NotYet."""
    lists = {name: plan.get("price_list", "DEFAULT") for name, plan in catalog["plans"].items()}
    for case in catalog.get("rules", {}).get("change_alignment", ()):
        if case["alignment"] != "CHANGE_OF_PRICELIST":
            continue
        for plans in plans_used(scenario).values():
            for before, after in pairwise(plans):
                sides = (case.get("from_price_list"), lists[before]), (case.get("to_price_list"), lists[after])
                if all(wanted in (None, there) for wanted, there in sides):
                    raise NotYet("change_alignment CHANGE_OF_PRICELIST")


def _word(words: Mapping[str, Any], theirs: str, what: str) -> Any:
    if theirs not in words:
        raise Unreadable(f"there is no {what} {theirs}")
    return words[theirs]
