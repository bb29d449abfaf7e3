"""The first case whose conditions all hold decides, whatever stands behind it; where none does, the defaults hold."""

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billsmith.core.catalog import rules as matching
from billsmith.core.catalog.plans import PhaseKind, ProductKind
from billsmith.core.catalog.rules import Case, Rules, Side, Traits, decided, traits
from billsmith.core.cycles.lengths import Length
from tests.core.catalog.made import HOSTING, applied

MONTHLY = Traits("hosting", "base", Length("month"), "default", "hosting-monthly")
YEARLY = Traits("hosting", "base", Length("year"), "prepaid", "hosting-yearly")
BACKUP = Traits("backup", "add_on", Length("month"), "default", "backup")
FREE = Traits("free", "standalone", None, "default", "free")


def test_where_no_case_holds_the_defaults_do() -> None:
    none = Rules()
    assert matching.change_policy(none, MONTHLY, YEARLY, "evergreen") == "end_of_term"
    assert matching.cancel_policy(none, MONTHLY, "evergreen") == "end_of_term"
    assert matching.create_alignment(none, BACKUP) == "start_of_group"
    assert matching.change_alignment(none, MONTHLY, YEARLY, None) == "start_of_subscription"
    assert matching.bill_alignment(none, MONTHLY, None) == "account"
    assert matching.price_list_for(none, YEARLY) == "prepaid"


def test_the_hosting_companys_rules_decide_as_they_are_read() -> None:
    rules = applied(HOSTING).rules
    assert matching.change_policy(rules, MONTHLY, YEARLY, "trial") == "immediate"
    assert matching.change_policy(rules, MONTHLY, YEARLY, "evergreen") == "immediate"
    assert matching.change_policy(rules, YEARLY, MONTHLY, "evergreen") == "end_of_term"
    assert matching.bill_alignment(rules, YEARLY, None) == "subscription", "12 months are a year"
    assert matching.bill_alignment(rules, BACKUP, None) == "group"
    assert matching.price_list_for(rules, YEARLY) == "default"


@pytest.mark.parametrize(
    ("side", "fits"),
    [
        (Side(), (MONTHLY, YEARLY, BACKUP, FREE)),
        (Side(product="hosting"), (MONTHLY, YEARLY)),
        (Side(category="add_on"), (BACKUP,)),
        (Side(length=Length("month")), (MONTHLY, BACKUP)),
        (Side(length=Length("month", 12)), (YEARLY,)),
        (Side(length=Length("day", 30)), ()),
        (Side(price_list="default"), (MONTHLY, BACKUP, FREE)),
        (Side(plan="hosting-yearly"), (YEARLY,)),
        (Side(product="hosting", price_list="default"), (MONTHLY,)),
    ],
)
def test_every_condition_has_to_hold(side: Side, fits: tuple[Traits, ...]) -> None:
    plans = (MONTHLY, YEARLY, BACKUP, FREE)
    assert tuple(plan for plan in plans if decided((Case("yes", of=side),), plan, None, None)) == fits
    assert tuple(plan for plan in plans if decided((Case("yes", to=side),), FREE, plan, None)) == fits


def test_a_phase_is_a_condition_too() -> None:
    cases = (Case("a", phase="trial"), Case("b"))
    assert [decided(cases, MONTHLY, None, phase) for phase in ("trial", "evergreen", None)] == ["a", "b", "b"]


def test_what_conditions_look_at_is_read_from_the_last_phase_that_recurs() -> None:
    catalog = applied(HOSTING)
    version = catalog.plans["hosting-monthly"].versions[0]
    assert traits(version, "base") == MONTHLY
    assert traits(catalog.plans["hosting-yearly"].versions[0], "base") == YEARLY


_LENGTHS = [Length("month"), Length("month", 12), Length("year"), Length("week", 2), Length("day", 14)]


def _side(draw: Any) -> Side:
    return Side(
        product=draw(st.sampled_from([None, None, "a", "b"])),
        category=draw(st.sampled_from([None, None, *get_args(ProductKind)])),
        length=draw(st.sampled_from([None, None, *_LENGTHS])),
        price_list=draw(st.sampled_from([None, None, "x", "y"])),
        plan=draw(st.sampled_from([None, None, None, "p"])),
    )


@st.composite
def cases(draw: Any) -> tuple[Case, ...]:
    """Up to eight cases, each saying its own number."""
    phases = [None, None, *get_args(PhaseKind)]
    return tuple(
        Case(str(nth), _side(draw), _side(draw), draw(st.sampled_from(phases)))
        for nth in range(draw(st.integers(0, 8)))
    )


@st.composite
def plans(draw: Any) -> Traits:
    """A plan that some of those cases are about."""
    return Traits(
        draw(st.sampled_from("ab")), draw(st.sampled_from(get_args(ProductKind))),
        draw(st.sampled_from([None, *_LENGTHS])), draw(st.sampled_from("xy")), draw(st.sampled_from("pq")),
    )  # fmt: skip


@given(cases(), plans(), plans(), st.sampled_from([None, *get_args(PhaseKind)]))
def test_what_decides_is_the_first_case_that_would_decide_alone(
    listed: tuple[Case, ...], of: Traits, to: Traits, phase: PhaseKind | None
) -> None:
    alone = [case.then for case in listed if decided((case,), of, to, phase) is not None]
    assert decided(listed, of, to, phase) == (alone[0] if alone else None)
    assert decided((*listed, Case("last")), of, to, phase) == (alone[0] if alone else "last")
    assert decided((Case("first"), *listed), of, to, phase) == "first"
