"""The pieces of a cycle: they tile its days, and finding the next costs the same after ten years."""

from datetime import date, timedelta
from fractions import Fraction
from itertools import islice, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billsmith.core.cycles import pieces as pieces_module
from billsmith.core.cycles.lengths import NAMED, Length, months_of
from billsmith.core.cycles.pieces import Cycle, Piece, all_pieces, next_due_on, pieces
from tests.core.cycles.made import cycle, cycles

FAR = date(2040, 1, 1)


def shown(found: tuple[Piece, ...]) -> list[tuple[str, str, str, str]]:
    """Each as start, end, share and when it is due."""
    return [
        (str(one.period.start_on), str(one.period.end_on), f"{one.share.part}/{one.share.whole}", str(one.due_on))
        for one in found
    ]


def test_in_advance_a_piece_is_due_when_it_starts_and_in_arrears_when_it_ends():
    asked: dict[str, Any] = {"start": "2026-01-10", "end": "2026-03-15"}
    assert shown(pieces(cycle(**asked), FAR)) == [
        ("2026-01-10", "2026-02-01", "22/31", "2026-01-10"),
        ("2026-02-01", "2026-03-01", "1/1", "2026-02-01"),
        ("2026-03-01", "2026-03-15", "14/31", "2026-03-01"),
    ]
    in_arrears = pieces(cycle(**asked, timing="in_arrears"), FAR)
    assert [str(one.due_on) for one in in_arrears] == ["2026-02-01", "2026-03-01", "2026-03-15"]


def test_what_is_due_by_a_day_includes_that_day():
    assert len(pieces(cycle("2026-01-01"), date(2026, 1, 31))) == 1
    assert len(pieces(cycle("2026-01-01"), date(2026, 2, 1))) == 2
    assert len(pieces(cycle("2026-01-01", timing="in_arrears"), date(2026, 1, 31))) == 0
    assert len(pieces(cycle("2026-01-01", timing="in_arrears"), date(2026, 2, 1))) == 1


def test_month_ends_come_back():
    found = shown(pieces(cycle("2026-01-31", bill_day=31), date(2026, 3, 31)))
    assert [(start, end) for start, end, _, _ in found] == [
        ("2026-01-31", "2026-02-28"), ("2026-02-28", "2026-03-31"), ("2026-03-31", "2026-04-30"),
    ]  # fmt: skip
    assert {share for _, _, share, _ in found} == {"1/1"}


def test_lengths_in_days_ignore_the_bill_day_and_run_from_their_anchor():
    weekly = cycle("2026-01-07", length=NAMED["weekly"], bill_day=20, anchor_on=date(2026, 1, 3))
    assert shown(pieces(weekly, date(2026, 1, 10))) == [
        ("2026-01-07", "2026-01-10", "3/7", "2026-01-07"), ("2026-01-10", "2026-01-17", "1/1", "2026-01-10"),
    ]  # fmt: skip


def test_a_bill_day_almost_a_year_away_makes_one_long_piece():
    annual = cycle("2012-05-01", length=NAMED["annual"], bill_day=30)
    assert shown(pieces(annual, date(2012, 5, 1))) == [("2012-05-01", "2012-05-30", "29/366", "2012-05-01")]
    past = cycle("2012-05-31", length=NAMED["annual"], bill_day=30)
    assert shown(pieces(past, date(2012, 5, 31))) == [("2012-05-31", "2013-05-30", "364/365", "2012-05-31")]


@pytest.mark.parametrize(
    ("end", "share"),
    [("2026-02-13", "12/31"), ("2026-02-05", "4/31"), ("2026-02-28", None)],
)
def test_all_before_the_first_bill_date_is_one_piece(end: str, share: str | None):
    found = shown(pieces(cycle("2026-02-01", end, bill_day=13), FAR))
    if share is None:
        assert [row[2] for row in found] == ["12/31", "15/28"]
    else:
        assert found == [("2026-02-01", end, share, "2026-02-01")]


@given(cycles(ends=True))
def test_pieces_tile_the_days_from_start_to_end(one: Cycle):
    found = pieces(one, FAR)
    assert found[0].period.start_on == one.start_on
    assert found[-1].period.end_on == one.end_on
    assert all(before.period.end_on == after.period.start_on for before, after in pairwise(found))
    assert all(piece.period.start_on < piece.period.end_on for piece in found)


@given(cycles())
def test_each_is_due_in_order_and_costs_from_nothing_to_all(one: Cycle):
    found = tuple(islice(all_pieces(one), 12))
    assert [piece.due_on for piece in found] == sorted(piece.due_on for piece in found)
    assert all(0 <= piece.share.fraction <= 1 for piece in found)
    assert all(piece.share.fraction == 1 for piece in found[1:-1]), "only the first and the last can be cut"


@given(cycles(proration="by_day"))
def test_a_piece_costs_its_days_of_the_period_it_belongs_to(one: Cycle):
    for piece in islice(all_pieces(one), 6):
        days = (piece.period.end_on - piece.period.start_on).days
        assert piece.share.fraction == Fraction(days, (piece.full.end_on - piece.full.start_on).days)


@given(cycles(), st.integers(-100, 3000))
def test_from_a_day_on_they_are_the_tail_of_all(one: Cycle, shift: int):
    from_on = one.start_on + timedelta(days=shift)
    until_on = from_on + timedelta(days=800)
    tail = tuple(piece for piece in pieces(one, until_on) if piece.period.end_on > from_on)
    assert pieces(one, until_on, from_on) == tail


@given(cycles(), st.integers(-400, 2000))
def test_the_next_due_date_is_that_of_the_next_piece(one: Cycle, shift: int):
    after_on = one.start_on + timedelta(days=shift)
    known = pieces(one, date(2060, 1, 1)) if one.end_on else pieces(one, after_on + timedelta(days=9000))
    due = [piece.due_on for piece in known if piece.due_on > after_on]
    assert next_due_on(one, after_on) == (due[0] if due else None)


@given(cycles(ends=False), st.integers(1, 1200))
def test_an_end_that_is_known_cuts_what_would_be_billed_without_it(endless: Cycle, days: int):
    """Where the end is, nothing before its own piece changes."""
    end_on = endless.start_on + timedelta(days=days)
    cut = pieces(
        Cycle(
            endless.start_on, end_on, endless.length, endless.bill_day, endless.anchor_on, endless.timing,
            endless.proration,
        ),
        FAR,
    )  # fmt: skip
    whole = tuple(islice(all_pieces(endless), len(cut)))
    assert cut[:-1] == whole[:-1]
    assert cut[-1].period.start_on == whole[-1].period.start_on


@pytest.mark.parametrize("length", [NAMED["monthly"], NAMED["weekly"], NAMED["annual"], Length("day")])
def test_after_ten_years_the_next_piece_is_found_without_a_walk(length: Length, monkeypatch: pytest.MonkeyPatch):
    bounds: list[date] = []
    name = "_bounds_in_months" if months_of(length) else "_bounds_in_days"
    original = getattr(pieces_module, name)

    def counted(*given: Any):
        for on in original(*given):
            bounds.append(on)
            yield on

    monkeypatch.setattr(pieces_module, name, counted)
    old = cycle("2016-01-05", length=length)
    assert len(pieces(old, date(2026, 1, 5), date(2026, 1, 5))) <= 2
    assert len(bounds) <= 5
    bounds.clear()
    assert next_due_on(old, date(2026, 1, 5)) is not None
    assert len(bounds) <= 5
