"""What should exist − what exists: whole lines, parts of lines, what was corrected before, and what can't have been."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billsmith.core.billing.differences import (
    Billed,
    Differences,
    GivenBack,
    LinesInconsistent,
    Owed,
    differences,
    last_day_paid_for,
    remaining,
)
from billsmith.core.money import round_half_away
from billsmith.core.periods import Period

JANUARY = (1, 32)
FIRST = date(2026, 1, 1)


def days(start: int, end: int) -> Period:
    """Days of 2026, counted from 1; the end is the first that is not in it."""
    return Period(FIRST + timedelta(start - 1), FIRST + timedelta(end - 1))


def owed(key: str, start: int, end: int, amount: Any) -> Owed:
    return Owed(key, days(start, end), Fraction(amount))


def billed(key: str, start: int, end: int, amount: int, *given_back: tuple[int, int, int], adjusted: int = 0) -> Billed:
    back = tuple(GivenBack(days(since, until), minor) for since, until, minor in given_back)
    return Billed(key, days(start, end), amount, back, adjusted)


def told(found: Differences) -> list[tuple[int, int, int]]:
    """What is added and given back: first day, end, amount."""
    lines = [(one.period, one.amount_minor) for one in (*found.missing, *found.superfluous)]
    return [
        ((period.start_on - FIRST).days + 1, (period.end_on - FIRST).days + 1, amount_minor)
        for period, amount_minor in lines
    ]


@pytest.mark.parametrize(
    ("should", "there", "added"),
    [
        ([owed("a", *JANUARY, 1200)], [], [(1, 32, 1200)]),
        ([owed("a", *JANUARY, 1200)], [billed("a", *JANUARY, 1200)], []),
        ([], [billed("a", *JANUARY, 1200)], [(1, 32, -1200)]),
        ([owed("a", 1, 13, 465), owed("a", 25, 32, 271)], [billed("a", *JANUARY, 1200)], [(13, 25, -465)]),
        ([owed("a", 1, 25, 929), owed("b", 25, 32, 4)], [billed("a", *JANUARY, 1200)], [(25, 32, 4), (25, 32, -271)]),
        ([owed("b", *JANUARY, 900)], [billed("a", *JANUARY, 1200)], [(1, 32, 900), (1, 32, -1200)]),
        ([owed("a", 1, 61, 2000)], [billed("a", *JANUARY, 1000)], [(32, 61, 967)]),
        ([owed("a", *JANUARY, Fraction(5, 2))], [], [(1, 32, 3)]),
        ([owed("a", 5, 5, 1200)], [], []),
    ],
    ids=[
        "nothing there", "all there", "nothing owed", "a hole in the middle", "another price at the end",
        "another price", "days after those there", "rounded half away from zero", "no days, nothing owed",
    ],
)  # fmt: skip
def test_what_is_missing_is_added_and_what_is_superfluous_given_back(
    should: list[Owed], there: list[Billed], added: list[tuple[int, int, int]]
):
    assert told(differences(should, there)) == added


def test_days_are_paid_for_whatever_the_bounds_of_lines():
    there = [billed("a", 1, 32, 1000), billed("a", 32, 60, 1000)]
    moved = [owed("a", 1, 15, 452), owed("a", 15, 46, 1000), owed("a", 46, 74, 1000)]
    assert told(differences(moved, there)) == [(60, 74, 500)], "only the 14 days behind those there, of a month's 28"


def test_several_lines_share_what_pays_for_one_month():
    there = [billed("a", 1, 11, 323), billed("a", 21, 32, 355)]
    assert told(differences([owed("a", *JANUARY, 1000)], there)) == [(11, 21, 323)]


def test_days_given_back_are_billed_again_when_they_are_owed_again():
    there = [billed("a", *JANUARY, 1200, (13, 25, 465))]
    assert told(differences([owed("a", *JANUARY, 1200)], there)) == [(13, 25, 465)]
    twice = [*there, billed("a", 13, 25, 465)]
    assert told(differences([owed("a", *JANUARY, 1200)], twice)) == []
    assert told(differences([owed("a", 1, 13, 465), owed("a", 25, 32, 271)], twice)) == [(13, 25, -465)]


@pytest.mark.parametrize(
    ("adjusted", "back"), [(0, -348), (200, -348), (852, -348), (853, -347), (1100, -100), (1200, 0)]
)
def test_no_more_is_given_back_than_credit_notes_left(adjusted: int, back: int):
    there = [billed("a", *JANUARY, 1200, adjusted=adjusted)]
    assert told(differences([owed("a", 1, 23, 852)], there)) == [(23, 32, back)]


def test_parts_given_back_at_once_come_to_no_more_than_the_line():
    there = [billed("a", 1, 4, 5)]
    assert told(differences([owed("a", 2, 3, 2)], there)) == [(1, 2, -2), (3, 4, -2)]
    fully = differences([], [billed("a", 1, 4, 5, (1, 2, 2), (2, 3, 2))])
    assert told(fully) == [(3, 4, -1)], "a third of 5 is 2, but only 1 is left"


def test_a_line_of_nothing_is_never_given_back_and_pays_for_its_days():
    free = billed("free", *JANUARY, 0)
    assert told(differences([], [free])) == []
    assert told(differences([owed("free", *JANUARY, 0)], [free])) == []
    assert told(differences([owed("a", *JANUARY, 2400)], [free, billed("b", *JANUARY, 1200)])) == [
        (1, 32, 2400),
        (1, 32, -1200),
    ]


def test_a_line_below_zero_mirrors_one_above():
    assert told(differences([owed("a", 1, 23, -852)], [billed("a", *JANUARY, -1200)])) == [(23, 32, 348)]


def test_days_before_the_change_are_left_as_they_are():
    there = [billed("a", *JANUARY, 1200)]
    assert told(differences([], there, FIRST + timedelta(24))) == [(25, 32, -271)]
    assert told(differences([owed("b", *JANUARY, 3100)], there, FIRST + timedelta(24))) == [
        (25, 32, 700),
        (25, 32, -271),
    ]


def test_months_of_thirty_days_are_divided_by_thirty():
    month = Owed("a", Period(date(2026, 5, 1), date(2026, 6, 1)), Fraction(3000), fixed_months=True)
    there = [Billed("a", Period(date(2026, 5, 1), date(2026, 5, 16)), 1500, fixed_months=True)]
    assert [one.amount_minor for one in differences([month], there).missing] == [1500], "15 of 30; 16 of 31 are 1548"


def test_of_two_lines_for_the_same_days_one_was_corrected_to_nothing_and_the_other_pays():
    credited, paid = billed("a", *JANUARY, 1200, adjusted=1200), billed("a", *JANUARY, 1200)
    for there in ([credited, paid], [paid, credited]):
        assert told(differences([owed("a", *JANUARY, 1200)], there)) == [(1, 32, 0)]


@pytest.mark.parametrize(
    "there",
    [
        [billed("a", *JANUARY, 1200, (30, 40, 100))],
        [billed("a", *JANUARY, 1200, (40, 50, 100))],
        [billed("a", *JANUARY, 1200, (1, 11, 387), (10, 12, 77))],
        [billed("a", *JANUARY, 1200, (20, 10, 387))],
        [billed("a", *JANUARY, 1200, (1, 11, 1201))],
        [billed("a", *JANUARY, 1200, (1, 11, -1))],
        [billed("a", *JANUARY, 1200, adjusted=1201)],
        [billed("a", *JANUARY, -1200, (1, 11, 5))],
        [billed("a", 5, 5, 1200)],
        [billed("a", 9, 5, 1200)],
        [billed("a", *JANUARY, 1200), billed("a", *JANUARY, 1200)],
        [billed("a", *JANUARY, 1200), billed("a", 31, 59, 1200)],
        [billed("a", *JANUARY, 1200), billed("b", 1, 9, 5), billed("a", 12, 14, 70)],
    ],
    ids=[
        "given back partly beyond it", "given back beyond it", "given back twice", "given back backwards",
        "more than it", "less than nothing", "credited more than it", "on the other side of zero", "no days",
        "backwards", "there twice", "a day there twice", "within another",
    ],
)  # fmt: skip
def test_lines_that_can_not_have_come_about_are_refused(there: list[Billed]):
    with pytest.raises(LinesInconsistent):
        differences([], there)
    with pytest.raises(LinesInconsistent):
        remaining(there)


@pytest.mark.parametrize(
    "should", [[owed("a", 1, 10, 5), owed("a", 9, 12, 5)], [owed("a", 10, 1, 5)]], ids=["twice", "backwards"]
)
def test_days_can_not_be_owed_twice_or_backwards(should: list[Owed]):
    with pytest.raises(LinesInconsistent):
        differences(should, [])


def test_what_stays_billed_is_told_by_days():
    there = [billed("a", *JANUARY, 1200, (8, 10, 77), (17, 23, 232)), billed("b", 32, 60, 1000, (32, 60, 1000))]
    assert [(one[1], one[2]) for one in remaining(there)] == [
        (days(1, 8), 271),
        (days(10, 17), 271),
        (days(23, 32), 348),
    ]


def test_the_last_day_paid_for_is_that_of_what_stays():
    there = [billed("a", *JANUARY, 1200), billed("a", 32, 60, 1200)]
    found = differences([owed("a", 1, 23, 852)], there)
    assert last_day_paid_for(there, found.superfluous) == days(1, 23).end_on
    assert last_day_paid_for(there, differences([], there).superfluous) is None


# Random histories: what should be changes again and again, and each time what was found is done.

PRICES = {"a": 1000, "b": 333, "free": 0, "c": 7}


@st.composite
def wanted(draw: st.DrawFn) -> list[Owed]:
    """Lines in a row with holes: each of some price a day, in thirtieths."""
    bounds = sorted(draw(st.sets(st.integers(1, 70), min_size=2, max_size=7)))
    keys = [draw(st.sampled_from([None, *PRICES])) for _ in bounds[1:]]
    return [
        owed(key, start, end, Fraction(PRICES[key] * (end - start), 30))
        for key, start, end in zip(keys, bounds, bounds[1:], strict=False)
        if key is not None
    ]


def done(there: Sequence[Billed], found: Differences) -> list[Billed]:
    """The lines there once the missing are billed and the superfluous given back."""
    after = []
    for line in there:
        back = [GivenBack(one.period, -one.amount_minor) for one in found.superfluous if one.billed is line]
        after.append(Billed(line.key, line.period, line.amount_minor, (*line.given_back, *back), line.adjusted_minor))
    return after + [Billed(one.owed.key, one.period, one.amount_minor) for one in found.missing]


def each_day(periods: Sequence[tuple[Any, Period]]) -> Counter[tuple[Any, int]]:
    """How often each day is there under each key."""
    return Counter(
        (key, day.toordinal())
        for key, period in periods
        for day in (period.start_on + timedelta(n) for n in range((period.end_on - period.start_on).days))
    )


@given(st.lists(wanted(), min_size=1, max_size=6), st.data())
def test_a_rerun_adds_nothing_and_every_day_is_on_one_line(history: list[list[Owed]], data: st.DataObject):
    there: list[Billed] = []
    for should in history:
        found = differences(should, data.draw(st.permutations(there)))
        there = done(there, found)
        again = differences(should, there)
        assert (again.missing, again.superfluous) == ((), ())
        # Lines of nothing are never given back, and never in the way: days of "free" may be there beside others.
        kept = each_day([(line.key, period) for line, period, _ in remaining(there) if line.amount_minor])
        target = each_day([(one.key, one.period) for one in should])
        nothing = {line.key for line in there if not line.amount_minor}
        assert not kept - target
        assert all(key in nothing for key, _ in target - kept)
        for line in there:
            assert 0 <= line.left_minor <= line.amount_minor


@given(wanted(), wanted())
def test_what_is_billed_in_the_end_is_within_half_a_unit_a_line_of_what_is_owed(first: list[Owed], then: list[Owed]):
    there = done([], differences(first, []))
    found = differences(then, there)
    added = sum(one.amount_minor for one in (*found.missing, *found.superfluous))
    billed_in_all = sum(line.amount_minor for line in there) + added
    owed_in_all = sum((one.amount for one in then), Fraction(0))
    # A line of a share of a rounded amount may be off by that rounding, too.
    lines = len(there) + len(found.missing) + len(found.superfluous)
    assert abs(billed_in_all - owed_in_all) <= Fraction(lines, 2)


@given(wanted(), wanted(), st.integers(1, 70))
def test_nothing_before_the_change_is_touched(first: list[Owed], then: list[Owed], on: int):
    there = done([], differences(first, []))
    from_on = FIRST + timedelta(on - 1)
    found = differences(then, there, from_on)
    assert all(one.period.start_on >= from_on for one in (*found.missing, *found.superfluous))


@given(wanted())
def test_a_whole_line_is_rounded_once(should: list[Owed]):
    found = differences(should, [])
    assert [one.amount_minor for one in found.missing] == [round_half_away(one.amount) for one in should]
    assert [one.period for one in found.missing] == [one.period for one in should]
