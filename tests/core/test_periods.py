"""Days: which one it is where, and the half-open spans of them. Rule: docs/rules/periods.md"""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billsmith.core.periods import Period, PeriodBackwards, period
from billsmith.core.time_zones import UnknownTimeZone, local_day, time_zone


@given(st.dates(), st.dates())
def test_a_period_ends_on_or_after_its_start(one: date, other: date) -> None:
    start, end = sorted((one, other))
    assert period(start, end) == Period(start, end)
    if start != end:
        with pytest.raises(PeriodBackwards) as refused:
            period(end, start, "/items/0/period")
        assert [error.pointer for error in refused.value.errors] == ["/items/0/period/end"]


@pytest.mark.parametrize(
    ("instant", "zone", "day"),
    [
        ("2026-03-15T11:00", "UTC", "2026-03-15"),
        ("2026-03-15T11:00", "Pacific/Auckland", "2026-03-16"),
        ("2026-03-15T10:59", "Pacific/Auckland", "2026-03-15"),  # UTC+13 until 5 April
        ("2026-06-15T11:59", "Pacific/Auckland", "2026-06-15"),  # UTC+12 afterwards
        ("2026-06-15T12:00", "Pacific/Auckland", "2026-06-16"),
        ("2026-03-15T09:00", "Pacific/Honolulu", "2026-03-14"),
        ("2026-03-15T10:00", "Pacific/Kiritimati", "2026-03-16"),  # UTC+14
        ("2026-03-29T00:59", "Europe/Berlin", "2026-03-29"),  # a minute before the gap
        ("2026-10-24T22:00", "Europe/Berlin", "2026-10-25"),  # the day with the fold begins
        ("2026-10-25T22:59", "Europe/Berlin", "2026-10-25"),  # and has 25 hours
        ("2026-10-25T23:00", "Europe/Berlin", "2026-10-26"),
        ("2011-12-30T09:59", "Pacific/Apia", "2011-12-29"),  # Samoa had no 30 December 2011
        ("2011-12-30T10:00", "Pacific/Apia", "2011-12-31"),
    ],
)
def test_the_day_that_it_is_somewhere(instant: str, zone: str, day: str) -> None:
    assert local_day(datetime.fromisoformat(instant).replace(tzinfo=UTC), zone) == date.fromisoformat(day)


@given(
    st.lists(
        st.integers(86_400, 2**32).map(lambda second: datetime.fromtimestamp(second, UTC)), min_size=2, max_size=5
    ),
    st.sampled_from(["Pacific/Auckland", "America/New_York", "Asia/Kathmandu", "Pacific/Apia", "UTC"]),
)
def test_days_never_run_backwards(instants: list[datetime], zone: str) -> None:
    moments = sorted(instants)
    days = [local_day(moment, zone) for moment in moments]
    assert all(one <= other for one, other in pairwise(days))
    assert all(abs(day - moment.date()) <= timedelta(days=1) for day, moment in zip(days, moments, strict=True))


@pytest.mark.parametrize("name", ["Europe/Berlin", "UTC", "America/Argentina/Buenos_Aires"])
def test_a_time_zone_is_kept_by_its_name(name: str) -> None:
    assert time_zone(name) == name


@pytest.mark.parametrize(
    "name", ["", "utc+1", "Mars/Base", "../../etc/passwd", "localtime", "Factory", "\x00", "x" * 999]
)
def test_what_is_no_time_zone(name: str) -> None:
    with pytest.raises(UnknownTimeZone) as refused:
        time_zone(name, "/time_zone")
    assert [error.pointer for error in refused.value.errors] == ["/time_zone"]
    assert len(refused.value.detail) < 200
