"""Which part of a price a piece costs, by each policy."""

from datetime import UTC, date, datetime
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billsmith.core.cycles.lengths import NAMED
from billsmith.core.cycles.pieces import Cycle, all_pieces, pieces
from billsmith.core.cycles.proration import (
    ALL,
    NOTHING,
    Proration,
    Share,
    days_in_fixed_months,
    share_of,
    share_of_instants,
)
from billsmith.core.money import round_half_away
from billsmith.core.periods import Period
from tests.core.cycles.made import MONTHLY, cycle, cycles


def share(start: str, end: str, full_start: str, full_end: str, proration: Proration, zone: str = "UTC") -> Share:
    days = [date.fromisoformat(text) for text in (start, end, full_start, full_end)]
    return share_of(Period(*days[:2]), Period(*days[2:]), MONTHLY, proration, zone)


@pytest.mark.parametrize(
    ("proration", "expected"),
    [
        ("by_day", Share(22, 31)),
        ("none", NOTHING),
        ("full_period", ALL),
        ("fixed_days", Share(21, 30)),
        ("by_second", Share(22 * 86400, 31 * 86400)),
    ],
)
def test_ten_january_to_february_by_each_policy(proration: Proration, expected: Share):
    assert share("2026-01-10", "2026-02-01", "2026-01-01", "2026-02-01", proration) == expected


@pytest.mark.parametrize("proration", ["by_day", "none", "full_period", "fixed_days", "by_second"])
def test_a_whole_period_costs_all_by_every_policy(proration: Proration):
    assert share("2026-02-01", "2026-03-01", "2026-02-01", "2026-03-01", proration) == ALL


def test_22_of_31_days_of_twenty_are_14_19():
    first, second = pieces(cycle("2026-01-10"), date(2026, 2, 1))
    assert (first.share, second.share) == (Share(22, 31), ALL)
    assert round_half_away(2000 * first.share.fraction) == 1419


def test_a_year_from_mid_march_to_the_first_is_351_of_365_days():
    (piece,) = pieces(cycle("2026-03-15", length=NAMED["annual"]), date(2026, 3, 15))
    assert (piece.period, piece.share) == (Period(date(2026, 3, 15), date(2027, 3, 1)), Share(351, 365))


@pytest.mark.parametrize(
    ("start", "end", "fixed", "days"),
    [
        ("2023-05-15", "2023-05-23", 30, 8),
        ("2023-05-23", "2023-06-15", 30, 22),
        ("2023-02-23", "2023-03-15", 30, 22),
        ("2023-06-23", "2023-07-15", 28, 20),
        ("2024-02-23", "2024-03-15", 30, 22),
        ("2023-01-31", "2023-02-01", 30, 0),
        ("2023-12-02", "2024-06-01", 30, 179),
        ("2023-12-01", "2024-12-01", 30, 360),
    ],
)
def test_where_every_month_has_thirty_days(start: str, end: str, fixed: int, days: int):
    period = Period(date.fromisoformat(start), date.fromisoformat(end))
    assert days_in_fixed_months(period, fixed) == days


def test_no_piece_costs_more_than_all_where_every_month_has_thirty_days():
    assert share("2026-02-28", "2026-03-30", "2026-02-28", "2026-03-31", "fixed_days") == Share(30, 30)


@given(st.lists(st.dates(date(2023, 1, 1), date(2025, 1, 1)), min_size=3, max_size=3).map(sorted))
def test_days_of_months_of_thirty_add_up(days: list[date]):
    first, middle, last = days
    parts = days_in_fixed_months(Period(first, middle)), days_in_fixed_months(Period(middle, last))
    assert min(parts) >= 0
    assert sum(parts) == days_in_fixed_months(Period(first, last))


def test_an_hour_less_in_march_and_one_more_in_october_where_clocks_change():
    spring = share("2026-03-29", "2026-03-30", "2026-03-01", "2026-04-01", "by_second", "Europe/Berlin")
    autumn = share("2026-10-25", "2026-10-26", "2026-10-01", "2026-11-01", "by_second", "Europe/Berlin")
    assert spring == Share(23 * 3600, (31 * 24 - 1) * 3600)
    assert autumn == Share(25 * 3600, (31 * 24 + 1) * 3600)


def test_between_instants_seconds_count():
    noon, midnight, end = (datetime(2026, 3, day, hour, tzinfo=UTC) for day, hour in ((16, 12), (1, 0), (31, 0)))
    assert share_of_instants(noon, end, midnight, end) == Share(14 * 86400 + 43200, 30 * 86400)


@given(cycles(ends=False), st.integers(0, 4), st.data())
def test_the_shares_of_all_pieces_of_one_period_add_to_one(endless: Cycle, nth: int, data: st.DataObject):
    full = next(islice(all_pieces(endless), nth, None)).full
    cuts = data.draw(st.sets(st.dates(full.start_on, full.end_on), max_size=5))
    parts = [Period(*bounds) for bounds in pairwise(sorted({full.start_on, full.end_on, *cuts}))]
    shares = [share_of(part, full, endless.length, "by_day") for part in parts]
    assert sum(share.fraction for share in shares) == 1
    assert all(share.fraction > 0 for share in shares)
