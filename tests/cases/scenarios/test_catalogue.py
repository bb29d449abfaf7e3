"""A case's catalogue becomes one of ours."""

from typing import Any

import pytest

from tests.cases.report import NotYet, Unreadable
from tests.cases.scenarios.catalogue import catalogs_of, length_of
from tests.cases.scenarios.values import scenario_of

TRIAL = {"type": "TRIAL", "duration": {"unit": "DAYS", "number": 30}, "fixed_price": {"*": "0"}}
MONTHLY = {
    "type": "EVERGREEN",
    "duration": {"unit": "UNLIMITED"},
    "recurring": {"billing_period": "MONTHLY", "price": {"USD": "29.95"}},
}


def case(plan: dict[str, Any], rules: dict[str, Any] | None = None, **fields: Any) -> list[dict[str, Any]]:
    """The translated catalogues of a case with one plan, which somebody is put on."""
    catalog = {"plans": {"pistol": plan}, "products": {"Pistol": {"category": "BASE"}}, "rules": rules or {}}
    at = {"at": "2024-01-01"}
    steps = [
        {**at, "do": "create_account", "account": "a", "currency": "USD"},
        {**at, "do": "subscribe", "account": "a", "subscription": "s1", "plan": "pistol"},
    ]
    raw = {"id": "made-up", "area": "test", "steps": steps, "expect": [], "catalog": catalog, **fields}
    return catalogs_of(scenario_of(raw))


def plan(*phases: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A plan of these phases."""
    return {"product": "Pistol", "category": "BASE", "price_list": "DEFAULT", "phases": list(phases), **fields}


def test_a_plan_keeps_its_phases_prices_and_when_it_is_billed():
    (document,) = case(plan(TRIAL, MONTHLY, billing_mode="IN_ARREAR"))
    trial, evergreen = document["plans"]["pistol"]["phases"]
    assert trial == {
        "kind": "trial",
        "duration": {"every": 30, "unit": "day"},
        "charges": [{"code": "fixed", "kind": "fixed", "name": "pistol", "prices": {"*": "0"}}],
    }
    (charge,) = evergreen["charges"]
    assert "duration" not in evergreen
    assert charge["length"] == {"every": 1, "unit": "month"}
    assert (charge["timing"], charge["proration"]) == ("in_arrears", "by_day")
    assert document["products"]["Pistol"] == {"name": "Pistol", "kind": "base"}


def test_a_price_in_any_currency_is_one_in_each_that_the_case_uses():
    (document,) = case(plan(MONTHLY | {"fixed_price": {"*": "5"}}))
    assert document["plans"]["pistol"]["phases"][0]["charges"][0]["prices"] == {"USD": "5"}


def test_a_month_of_thirty_days_is_a_way_of_prorating():
    (document,) = case(plan(MONTHLY), config={"proration_fixed_days_in_month": 30})
    assert document["plans"]["pistol"]["phases"][0]["charges"][0]["proration"] == "fixed_days"


def test_rules_keep_their_order_and_end_with_a_default():
    rules = {
        "change_policy": [{"from_billing_period": "ANNUAL", "to_price_list": "DEFAULT", "policy": "IMMEDIATE"}],
        "cancel_policy": [{"phase_type": "TRIAL", "policy": "IMMEDIATE"}, {"policy": "END_OF_TERM"}],
        "billing_alignment": [{"product_category": "ADD_ON", "alignment": "BUNDLE"}],
    }
    found = case(plan(MONTHLY), rules)[0]["rules"]
    assert found["change_policy"] == [
        {"then": "immediate", "of": {"length": {"every": 1, "unit": "year"}}, "to": {"price_list": "default"}},
        {"then": "end_of_term"},
    ]
    assert found["cancel_policy"] == [{"then": "immediate", "phase": "trial"}, {"then": "end_of_term"}]
    assert found["bill_alignment"] == [{"then": "group", "of": {"category": "add_on"}}, {"then": "account"}]
    assert found["create_alignment"] == [{"then": "start_of_group"}]


def test_usage_that_is_billed_does_not_exist_yet():
    with pytest.raises(NotYet, match="usage"):
        case(plan(MONTHLY | {"usages": [{"name": "calls"}]}))


def test_later_versions_are_sold_from_their_day_and_may_move_subscribers():
    older = {"plans": {"pistol": plan(MONTHLY)}, "products": {"Pistol": {"category": "BASE"}}}
    newer = plan(TRIAL, MONTHLY, effective_date_for_existing_subscriptions="2024-06-01T00:00:00+00:00")
    versions = [
        {**older, "effective_date": "2024-01-01T00:00:00+00:00"},
        {**older, "plans": {"pistol": newer}, "effective_date": "2024-05-01T00:00:00+00:00"},
    ]
    first, second = case(plan(MONTHLY), catalog={"versions": versions})
    assert "effective_on" not in first["plans"]["pistol"]
    found = second["plans"]["pistol"]
    assert (found["effective_on"], found["moves"], found["moves_on"]) == ("2024-05-01", "at_date", "2024-06-01")


def test_an_unknown_billing_period_is_refused():
    with pytest.raises(Unreadable, match="FORTNIGHTLY"):
        length_of("FORTNIGHTLY")
