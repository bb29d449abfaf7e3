"""Every shown case of the referee passes, or is listed as a deviation with its reason."""

import json
from pathlib import Path

import pytest

from tests.cases.report import Unreadable, load_deviations
from tests.cases.run import run_file

TABLES = ("proration.json", "corrections.json", "worked_examples.json", "usage_tiers.json")
OF_WHAT_IS_NOT_YET = ("usage_tiers.json",)
"""Files of which every case is skipped."""


@pytest.mark.parametrize("name", [*TABLES, "scenarios.json", "scenarios_extra.json"])
def test_every_shown_case_passes(shared: Path, name: str) -> None:
    rulings = run_file(shared / "cases" / name)
    failed = [f"{one.id}: {'; '.join(one.details)}" for one in rulings if one.status == "failed"]
    assert not failed, "\n".join(failed)
    assert rulings
    assert any(one.status == "passed" for one in rulings) == (name not in OF_WHAT_IS_NOT_YET)


def test_deviations_are_few_and_have_a_page() -> None:
    for one in load_deviations().values():
        assert Path(one.decision).is_file(), one.case


@pytest.mark.parametrize("document", [{}, "text", [1], [{"kind": "total_fraction"}]])
def test_what_is_no_list_of_cases_is_refused(document: object, tmp_path: Path) -> None:
    path = tmp_path / "cases.json"
    path.write_text(json.dumps(document))
    with pytest.raises(Unreadable, match=r"cases\.json"):
        run_file(path)


ROW = {
    "id": "row", "kind": "total_fraction", "billing_mode": "IN_ADVANCE", "billing_period": "MONTHLY",
    "start_date": "2011-02-01", "end_date": None, "target_date": "2011-02-01", "bill_cycle_day": 13,
}  # fmt: skip


@pytest.mark.parametrize(
    ("case", "status"),
    [
        (ROW | {"expected_total": "0.387096774"}, "passed"),
        (ROW | {"expected_total": "0.387096776"}, "failed"),
        (ROW | {"expected_total": "0.387096774", "billing_period": "FORTNIGHTLY"}, "skipped"),
        ({"id": "row", "kind": "nonsense"}, "failed"),
    ],
)
def test_a_wrong_figure_fails_and_what_is_not_there_is_skipped(case: object, status: str, tmp_path: Path) -> None:
    path = tmp_path / "cases.json"
    path.write_text(json.dumps([case]))
    assert [one.status for one in run_file(path)] == [status]
