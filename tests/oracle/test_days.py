"""Any story, and runs at any time in any order, come to what day-by-day sums say. ORACLE_EXAMPLES=5000 tries more."""

import os
import pprint
from collections import Counter
from datetime import date
from fractions import Fraction
from typing import Any

from hypothesis import HealthCheck, given, note, settings

from tests.oracle.engine import Engine, kept_days, key_of
from tests.oracle.stories import LATER, Told, stories

EXAMPLES = int(os.environ.get("ORACLE_EXAMPLES", "150"))


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(stories())
def test_every_day_is_billed_once_at_its_price(story: dict[str, Any]) -> None:
    note(pprint.pformat(story, width=110))
    told = Told(story)
    for wait, step in story["steps"]:
        told.tell(wait, step)
    last = told.today + LATER
    told.run(told.today)
    told.run(last)
    assert_agrees(told)
    assert told.engine.run(last) == []
    assert told.engine.run(told.today) == []


def assert_agrees(told: Told) -> None:
    engine, oracle = told.engine, told.oracle
    wanted = {at: costs.key for at, costs in oracle.billed.items() if costs.exact}
    assert _in_rows(_days_of(engine)) == _in_rows(wanted)
    exact = sum((costs.exact for costs in oracle.billed.values()), Fraction(0))
    assert abs(engine.net_minor() - exact) <= Fraction(engine.line_count(), 2)
    assert _fixed(engine) == Counter(oracle.fixed)


def _days_of(engine: Engine) -> dict[tuple[int, str, date], Any]:
    """The terms on which each day of each charge is on a line; a day that is on two makes the test fail."""
    found: dict[tuple[int, str, date], Any] = {}
    for nth in range(len(engine.there.members)):
        for line in engine.lines:
            if line.subscription_id == engine.id_of(nth) and line.kind == "recurring" and line.amount_minor:
                for end in kept_days(line):
                    at = (nth, line.charge, date.fromordinal(end.toordinal() - 1))
                    assert at not in found, f"{at} is on two lines"
                    found[at] = key_of(line)
    return found


def _fixed(engine: Engine) -> Counter[tuple[int, str, date, str, int]]:
    return Counter(
        (nth, line.charge, line.period_start_on, key_of(line)[0], line.phase)
        for nth in range(len(engine.there.members))
        for line in engine.lines
        if line.subscription_id == engine.id_of(nth) and line.kind == "fixed"
    )


def _in_rows(days: dict[tuple[int, str, date], Any]) -> list[str]:
    """Days with the same terms in a row, for people: what differs is seen at a glance."""
    rows: list[list[Any]] = []
    for (nth, charge, on), key in sorted(days.items()):
        what = (nth, charge, *key)
        if rows and rows[-1][0] == what and rows[-1][2].toordinal() + 1 == on.toordinal():
            rows[-1][2] = on
        else:
            rows.append([what, on, on])
    return [f"{first}–{last} {' '.join(map(str, what))}" for what, first, last in rows]
