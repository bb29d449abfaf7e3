"""The corrections format itself: what it compares, and what it takes for inconsistent."""

from typing import Any

import pytest

from tests.cases.corrections import differ, has_shape
from tests.cases.report import NotYet, Unreadable

LINE = {"type": "RECURRING", "start_date": "2026-01-01", "end_date": "2026-02-01", "amount": "12.00", "rate": "12.00"}
MONTH = {**LINE, "plan": "P", "id": "month"}
BACK = {"type": "REPAIR_ADJ", "start_date": "2026-01-23", "end_date": "2026-02-01", "amount": "-3.48"}
UP_TO_23 = {**MONTH, "end_date": "2026-01-23"}
SET_UP = {"type": "FIXED", "start_date": "2026-01-01", "end_date": None, "amount": "5", "plan": "P", "id": "fee"}


def case(*existing: Any, proposed: Any = (), expected: Any = (), kind: str = "merge_with_proposed") -> dict[str, Any]:
    return {"id": "c", "kind": kind, "existing": [*existing], "proposed": [*proposed], "expected": [*expected]}


@pytest.mark.parametrize(
    "expected",
    [
        BACK | {"amount": "-3.480"},
        BACK | {"linked_to": "month"},
    ],
)
def test_amounts_are_compared_by_value_and_links_where_they_are_said(expected: dict[str, Any]):
    assert differ(case(MONTH, proposed=[UP_TO_23], expected=[expected])) == []


@pytest.mark.parametrize(
    "expected",
    [
        [],
        [BACK, BACK],
        [BACK | {"amount": "-3.47"}],
        [BACK | {"end_date": "2026-01-31"}],
        [BACK | {"linked_to": "another"}],
        [BACK | {"type": "ITEM_ADJ"}],
    ],
)
def test_another_line_amount_date_or_link_differs(expected: list[dict[str, Any]]):
    assert differ(case(MONTH, proposed=[UP_TO_23], expected=expected))


def test_another_rate_or_plan_of_a_line_differs():
    assert differ(case(proposed=[MONTH], expected=[LINE])) == []
    assert differ(case(proposed=[MONTH], expected=[LINE | {"rate": "13"}]))
    assert differ(case(proposed=[MONTH], expected=[LINE | {"plan": "Q"}]))


def test_what_is_charged_once_is_added_once_and_not_given_back():
    assert differ(case(proposed=[SET_UP], expected=[SET_UP])) == []
    assert differ(case(SET_UP, proposed=[SET_UP])) == []
    assert differ(case(SET_UP)) == []


@pytest.mark.parametrize(
    "existing",
    [
        [MONTH, BACK | {"linked_to": "another"}],
        [MONTH, BACK],
        [MONTH, BACK | {"linked_to": "month", "end_date": "2026-02-02"}],
        [MONTH, MONTH | {"id": "again"}],
        [MONTH | {"end_date": "2025-12-01"}],
    ],
    ids=["of no line", "of nothing", "beyond its line", "there twice", "backwards"],
)
def test_inconsistent_lines_are_refused(existing: list[dict[str, Any]]):
    assert differ(case(*existing, kind="invalid")) == []
    assert differ(case(*existing, kind="net_of_billed"))


def test_consistent_lines_that_a_case_calls_invalid_fail_it():
    assert differ(case(MONTH, BACK | {"linked_to": "month"}, kind="invalid"))


def test_what_is_not_known_is_named():
    with pytest.raises(NotYet, match="split"):
        differ(case(kind="split"))
    with pytest.raises(NotYet, match="USAGE"):
        differ(case(MONTH | {"type": "USAGE"}))
    with pytest.raises(Unreadable, match="cent"):
        differ(case(MONTH | {"amount": "0.001"}))


def test_the_shape_is_enough_to_know_it():
    assert has_shape(case())
    assert not has_shape({"id": "c", "kind": "total_fraction"})
