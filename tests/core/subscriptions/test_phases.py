"""Where phases lie: counted from one day, so that months don't drift."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billsmith.core.catalog.plans import PhaseKind, PlanVersion
from billsmith.core.subscriptions.phases import aligned_like, phase_on, phase_spans
from tests.core.subscriptions.made import VERSIONS, day, phase, version

PLANS = {one.plan: one for one in VERSIONS}


def plan(*phases: tuple[PhaseKind, str | None]) -> PlanVersion:
    return version(99, "made", "basic", *(phase(kind, duration) for kind, duration in phases))


@pytest.mark.parametrize(
    ("durations", "aligned_on", "ends"),
    [
        (["30d"], "2012-2-1", ["2012-3-2"]),
        (["1m", "1m", "1m"], "2026-1-31", ["2026-2-28", "2026-3-31", "2026-4-30"]),
        (["1m", "1y"], "2024-1-29", ["2024-2-29", "2025-2-28"]),
        (["1y", "3y"], "2024-2-29", ["2025-2-28", "2028-2-29"]),
        (["30d", "1m", "1m"], "2026-1-1", ["2026-1-31", "2026-2-28", "2026-3-31"]),
        (["1m", "10d", "1m"], "2026-1-31", ["2026-2-28", "2026-3-10", "2026-4-10"]),
        (["2w"], "2026-3-20", ["2026-4-3"]),
    ],
)
def test_phases_end_where_counting_from_one_day_leads(durations: list[str], aligned_on: str, ends: list[str]) -> None:
    made = plan(*(("discount", duration) for duration in durations), ("evergreen", None))
    spans = phase_spans(made, day(aligned_on))
    assert [span.ends_on for span in spans] == [*map(day, ends), None]


@given(st.dates(date(2020, 1, 1), date(2040, 1, 1)), st.integers(1, 30))
def test_months_in_a_row_come_to_the_same_day_as_all_of_them_at_once(aligned_on: date, months: int) -> None:
    made = plan(*(("discount", "1m"),) * months, ("evergreen", None))
    at_once = plan(("discount", f"{months}m"), ("evergreen", None))
    assert phase_spans(made, aligned_on)[-1].starts_on == phase_spans(at_once, aligned_on)[-1].starts_on


@given(st.dates(date(2020, 1, 1), date(2040, 1, 1)), st.integers(-10, 900), st.sampled_from(sorted(PLANS)))
def test_every_day_is_in_one_phase(aligned_on: date, shift: int, code: str) -> None:
    on = aligned_on + timedelta(days=shift)
    spans = phase_spans(PLANS[code], aligned_on)
    assert all(one.ends_on == other.starts_on for one, other in pairwise(spans))
    found = phase_on(PLANS[code], aligned_on, on)
    if found is None:
        assert spans[-1].ends_on is not None
        assert spans[-1].ends_on <= on
    else:
        assert found.phase_no == 0 or found.starts_on <= on
        assert found.ends_on is None or on < found.ends_on


@pytest.mark.parametrize(
    ("before", "after", "aligned_on", "on", "phase_no", "begins"),
    [
        ("basic", "pro", "1-1", "1-15", 0, "1-1"),
        ("basic", "pro", "1-1", "3-15", 1, "1-31"),
        ("plain", "pro", "1-1", "3-15", 1, "1-1"),  # never on trial again
        ("basic", "saver", "1-1", "1-15", 0, "1-15"),  # no trial there: the next later kind, from the change
        ("steps", "saver", "1-31", "3-15", 0, "2-28"),
        ("saver", "steps", "1-31", "4-15", 3, "2-28"),
    ],
)
def test_the_current_phase_goes_on_in_another_plan(
    before: str, after: str, aligned_on: str, on: str, phase_no: int, begins: str
) -> None:
    aligned = aligned_like(PLANS[before], day(aligned_on), PLANS[after], day(on))
    found = phase_on(PLANS[after], aligned, day(on))
    assert found is not None
    assert (found.phase_no, found.starts_on) == (phase_no, day(begins))


@given(
    st.sampled_from(["basic", "pro", "plain", "saver", "steps"]),
    st.sampled_from(["basic", "pro", "plain", "saver", "steps"]),
    st.dates(date(2020, 1, 1), date(2030, 1, 1)),
    st.integers(0, 300),
)
def test_the_current_phase_never_begins_after_the_change(before: str, after: str, aligned_on: date, shift: int) -> None:
    on = aligned_on + timedelta(days=shift)
    current = phase_on(PLANS[before], aligned_on, on)
    assert current is not None
    aligned = aligned_like(PLANS[before], aligned_on, PLANS[after], on)
    found = phase_on(PLANS[after], aligned, on)
    assert found is not None
    kinds = [one.kind for one in PLANS[after].phases]
    if current.phase.kind in kinds:
        first = kinds.index(current.phase.kind)
        begins = phase_spans(PLANS[after], aligned)[first].starts_on
        assert timedelta(0) <= current.starts_on - begins <= timedelta(days=3)
