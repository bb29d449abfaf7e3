"""Any catalogue that is taken can be written out and read back the same; applied again it changes nothing."""

import json
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, get_args

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from billsmith.core.catalog.lengths import length_of, show_length
from billsmith.core.catalog.plans import ProductKind
from billsmith.core.catalog.writing import catalog_as_given
from billsmith.core.cycles.lengths import LONGEST, NAMED, Length
from billsmith.core.cycles.proration import Proration
from tests.core.catalog.made import HOSTING, TODAY, applied, hosting, made_of, put

CODES = ["a", "b", "C-3", "d.4", "e_5"]
CURRENCIES = ["EUR", "JPY", "KWD"]
WORDS = ["monthly", "annual", "14 days", "3 months", {"every": 2, "unit": "week"}, "thirty_days"]
texts = st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), min_size=1, max_size=20)
prices = st.decimals(0, 10**15 - 1, places=12, allow_nan=False).map(lambda number: f"{number:f}")
optional = st.sampled_from([True, False])


def as_json(catalog: Any) -> Any:
    """The catalogue as it is written out."""
    return json.loads(msgspec.json.encode(catalog_as_given(catalog)))


@st.composite
def charges(draw: Any, code: str) -> dict[str, Any]:
    """A charge of either kind, in all currencies or free."""
    free = draw(st.sampled_from([False, False, False, True]))
    charge: dict[str, Any] = {
        "code": code,
        "name": draw(texts),
        "prices": {"*": "0"} if free else {currency: draw(prices) for currency in CURRENCIES},
        "kind": draw(st.sampled_from(["fixed", "recurring"])),
    }
    if charge["kind"] == "recurring":
        charge["length"] = draw(st.sampled_from(WORDS))
        if draw(optional):
            charge |= {"timing": "in_arrears", "proration": draw(st.sampled_from(get_args(Proration)))}
    elif draw(optional):
        charge["refundable"] = draw(optional)
    if draw(optional):
        charge["tax"] = {"percent": draw(st.sampled_from(["0", "7.7", "19"])), "inclusive": draw(optional)}
    if draw(optional):
        charge["per_unit"] = draw(optional)
    return charge


@st.composite
def phases(draw: Any) -> list[dict[str, Any]]:
    """Phases of which only the last may have no end."""
    kinds = draw(st.lists(st.sampled_from(["trial", "discount", "fixed_term"]), max_size=3))
    listed = [{"kind": kind, "duration": draw(st.sampled_from(WORDS))} for kind in kinds]
    if not listed or draw(optional):
        listed.append({"kind": "evergreen"})
    for phase in listed:
        phase["charges"] = [
            draw(charges(code)) for code in draw(st.lists(st.sampled_from(CODES), max_size=2, unique=True))
        ]
    return listed


@st.composite
def documents(draw: Any) -> dict[str, Any]:
    """A catalogue as somebody might write it."""
    kinds = {code: draw(st.sampled_from(get_args(ProductKind))) for code in CODES[:3]}
    add_ons = [code for code, kind in kinds.items() if kind == "add_on"]
    products = {
        code: {"name": draw(texts), "kind": kind, "metadata": draw(st.dictionaries(texts, texts, max_size=2))}
        | ({"add_ons": add_ons} if kind == "base" else {})
        for code, kind in kinds.items()
    }
    plans = {
        code: {
            "product": draw(st.sampled_from(sorted(products))),
            "name": draw(texts),
            "phases": draw(phases()),
            "direction": draw(st.sampled_from(["charge", "payout"])),
            "price_list": draw(st.sampled_from(["default", "prepaid"])),
            "retire": draw(optional),
        }
        for code in draw(st.lists(st.sampled_from(CODES), max_size=3, unique=True))
    }
    lists = sorted({plan["price_list"] for plan in plans.values()})
    sides = st.fixed_dictionaries(
        {},
        optional={"product": st.sampled_from(sorted(products)), "length": st.sampled_from(WORDS)}
        | ({"plan": st.sampled_from(sorted(plans)), "price_list": st.sampled_from(lists)} if plans else {}),
    )
    rules = {
        "change_policy": draw(st.lists(
            st.fixed_dictionaries({"then": st.sampled_from(["immediate", "illegal"]), "of": sides, "to": sides}),
            max_size=3,
        ))
    }  # fmt: skip
    return {"products": products, "plans": plans, "rules": rules}


@settings(max_examples=150)
@given(documents())
def test_what_is_taken_is_written_out_and_read_back_the_same(document: dict[str, Any]) -> None:
    catalog = applied(document)
    assert made_of(document, catalog).is_empty
    written = as_json(catalog)
    assert made_of(written, catalog).is_empty
    again = applied(written)
    assert again.products == catalog.products
    assert again.rules == catalog.rules
    for code, plan in catalog.plans.items():
        assert msgspec.structs.replace(again.plans[code].versions[0], id=plan.versions[0].id) == plan.versions[0]
        assert again.plans[code].retired_at == plan.retired_at
    assert as_json(again) == written


@settings(max_examples=100)
@given(documents(), documents())
def test_applied_after_another_it_is_so_and_then_changes_nothing(first: dict[str, Any], second: dict[str, Any]) -> None:
    """Kinds of products and directions are kept as they are, or the second would be refused."""
    for code, product in second["products"].items():
        product["kind"] = first["products"][code]["kind"]
        product["add_ons"] = first["products"][code].get("add_ons", [])
    before = applied(first)
    for code, plan in second["plans"].items():
        if code in first["plans"]:
            plan |= {key: first["plans"][code][key] for key in ("direction", "product")}
    after = applied(second, before)
    assert made_of(second, after).is_empty
    for code, plan in before.plans.items():
        assert after.plans[code].versions[: len(plan.versions)] == plan.versions, "nothing that was sold changes"
        days = [version.effective_on for version in after.plans[code].versions]
        assert days == sorted(set(days))
    for plan in after.plans.values():
        assert [version.version for version in plan.versions] == list(range(1, len(plan.versions) + 1))


@given(st.sampled_from(sorted(LONGEST)).flatmap(lambda unit: st.tuples(st.just(unit), st.integers(1, LONGEST[unit]))))
def test_a_length_is_written_as_it_can_be_read(given_: Any) -> None:
    length = Length(*given_)
    assert length_of(show_length(length), "") == length


def test_every_name_of_a_length_is_written_as_it_was_given() -> None:
    assert {name: show_length(length_of(name, "")) for name in NAMED} == {name: name for name in NAMED}


def test_the_same_price_written_otherwise_is_no_change() -> None:
    catalog = applied(HOSTING)
    same = put(hosting(), "plans.hosting-monthly.phases.1.charges.0.prices.EUR", "19.9")
    assert made_of(same, catalog).is_empty


def test_what_changes_is_told_with_what_it_was_and_for_whom() -> None:
    catalog = applied(HOSTING)
    version = catalog.plans["backup"].versions[0]
    document = put(hosting(), "plans.backup.phases.0.charges.0.prices.EUR", "3.00")
    document["plans"]["backup"] |= {"moves": "at_renewal", "effective_on": "2026-04-01"}
    document["products"]["domain"]["name"] = "Domains"
    made = made_of(document, catalog, counts={version.id: 412})
    (product,) = made.products
    assert [(edit.pointer, edit.before, edit.after) for edit in product.edits] == [("/name", "Domain", "Domains")]
    (plan,) = made.plans
    assert [(edit.pointer, edit.before, edit.after) for edit in plan.edits] == [
        ("/phases/0/charges/0/prices/EUR", "0.000000000001", "3.00")
    ]
    assert [(one.version, one.subscribers, one.becomes) for one in plan.subscribers] == [(1, 412, "at_renewal")]
    assert plan.version is not None
    assert plan.version.phases[0].charges[0].prices == {"EUR": Decimal(3)}
    assert (plan.version.effective_on, made.rules) == (date(2026, 4, 1), None)


def test_subscribers_can_be_moved_later_to_a_version_that_there_is() -> None:
    """Said again with `moves`, the same plan becomes a version more, once; without it, nothing follows."""
    first = applied(HOSTING)
    dearer = put(hosting(), "plans.backup.phases.0.charges.0.prices.EUR", "3.00")
    second = applied(dearer, first)
    moving = put(hosting(), "plans.backup.phases.0.charges.0.prices.EUR", "3.00")
    moving["plans"]["backup"]["moves"] = "at_renewal"
    third = applied(moving, second, TODAY + timedelta(days=1))
    assert [version.moves for version in third.plans["backup"].versions] == ["keep", "keep", "at_renewal"]
    assert made_of(moving, third).is_empty
    assert made_of(dearer, third).is_empty
