"""Cycles of any kind, for tests of what holds for all of them."""

from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st

from billsmith.core.cycles.lengths import NAMED, Length
from billsmith.core.cycles.pieces import Cycle

MONTHLY = NAMED["monthly"]
DAYS = st.dates(date(2023, 12, 1), date(2028, 4, 1))
LENGTHS = st.sampled_from([*NAMED.values(), Length("day", 45), Length("month", 5), Length("year", 10)])


def cycle(start: str, end: str | None = None, length: Length = MONTHLY, bill_day: int = 1, **fields: Any) -> Cycle:
    """A cycle between two days, counted from its start where it is counted in days."""
    start_on = date.fromisoformat(start)
    given = {"anchor_on": start_on, **fields}
    return Cycle(start_on, None if end is None else date.fromisoformat(end), length, bill_day, **given)


@st.composite
def cycles(draw: st.DrawFn, ends: bool | None = None, **fields: Any) -> Cycle:
    """Any cycle; with an end, without, or either."""
    start_on = draw(DAYS)
    has_end = draw(st.booleans()) if ends is None else ends
    return Cycle(
        start_on=start_on,
        end_on=start_on + timedelta(days=draw(st.integers(1, 1500))) if has_end else None,
        length=draw(LENGTHS),
        bill_day=draw(st.integers(1, 31)),
        anchor_on=start_on - timedelta(days=draw(st.integers(0, 400))),
        timing=fields.get("timing") or draw(st.sampled_from(["in_advance", "in_arrears"])),
        proration=fields.get("proration") or draw(st.sampled_from(["by_day", "none", "full_period", "fixed_days"])),
    )
