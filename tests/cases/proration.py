"""Tables of periods, fractions and bill days, each row answered by the functions of core/cycles.

The referee rounds fractions to nine decimals and sums what it rounded; ours are exact, so a sum of n pieces may differ
by n half units of the ninth decimal.
"""

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, timezone
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from billsmith.core.cycles.bill_days import bill_day_of_month, first_bill_on, next_occurrence
from billsmith.core.cycles.lengths import NAMED, Length, later, months_of
from billsmith.core.cycles.pieces import Cycle, Piece, all_pieces, next_due_on, pieces
from billsmith.core.cycles.proration import Share, days_in_fixed_months, share_of
from billsmith.core.periods import Period, PeriodBackwards, period
from tests.cases.report import NotYet

Case = dict[str, Any]


def has_shape(case: Case) -> bool:
    """Whether it is a row of such a table."""
    return case.get("kind") in KINDS


def differ(case: Case) -> list[str]:
    """What differs; nothing if the row's figure is ours."""
    return list(KINDS[case["kind"]](case))


def differs(what: str, expected: object, got: object) -> list[str]:
    """One difference, or none."""
    return [] if expected == got else [f"{what}: expected {expected}, got {got}"]


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _needed(text: str) -> date:
    return date.fromisoformat(text)


def length_named(name: str) -> Length:
    """The length that the referee calls so."""
    name = name.lower()
    if name not in NAMED:
        raise NotYet(f"billing period {name}")
    return NAMED[name]


def _cycle(case: Case) -> Cycle:
    start_on = _needed(case["start_date"])
    return Cycle(
        start_on=start_on,
        end_on=_day(case.get("end_date")),
        length=length_named(case["billing_period"]),
        bill_day=case["bill_cycle_day"],
        anchor_on=start_on,
        timing="in_advance" if case["billing_mode"] == "IN_ADVANCE" else "in_arrears",
        proration="fixed_days" if case.get("fixed_days_in_month") else "by_day",
    )


def _billed(case: Case, cycle: Cycle) -> tuple[Piece, ...]:
    target_on = case["target_date"]
    if target_on is None:
        return ()
    until_on = _needed(target_on)
    if case.get("in_arrear_mode") == "GREEDY" and until_on > cycle.start_on:
        # Greedy: a run strictly inside a period is one at its end.
        until_on = next_due_on(cycle, until_on - timedelta(days=1)) or until_on
    return pieces(cycle, until_on)


def _total(case: Case) -> Iterator[str]:
    found = _billed(case, _cycle(case))
    total = sum((piece.share.fraction for piece in found), Fraction(0))
    yield from _close("total", case["expected_total"], total, max(1, len(found)))


def _close(what: str, expected: str, got: Fraction, terms: int = 1) -> list[str]:
    near = abs(Fraction(expected) - got) <= Fraction(terms, 2 * 10**9)
    return [] if near else [f"{what}: expected {expected}, got {float(got):.9f}"]


def _periods(case: Case) -> list[str]:
    got = [(str(one.period.start_on), str(one.period.end_on)) for one in _billed(case, _cycle(case))]
    return differs("periods", [(one["start_date"], one["end_date"]) for one in case["expected_periods"]], got)


def _interval(case: Case) -> list[str]:
    cycle = _cycle(case)
    found = _billed(case, cycle)
    end_on = found[-1].period.end_on if found else None
    bill_dates = _bill_dates(cycle)
    reached = [on for on in bill_dates if end_on is not None and on <= end_on]
    got = {
        "first_billing_cycle_date": bill_dates[0],
        "last_billing_cycle_date": reached[-1] if reached else None,
        "next_billing_cycle_date": next(on for on in bill_dates if end_on is None or on > end_on),
        "effective_end_date": end_on,
        "has_something_to_bill": bool(found),
        "number_of_whole_periods_first_to_last": max(0, len(reached) - 1),
    }
    shown = {name: value.isoformat() if isinstance(value, date) else value for name, value in got.items()}
    return [line for name, value in case["expected"].items() for line in differs(name, value, shown[name])]


def _bill_dates(cycle: Cycle) -> list[date]:
    """Enough of them: from the first on or after the start."""
    first_on = (
        first_bill_on(cycle.start_on, cycle.length, cycle.bill_day) if months_of(cycle.length) else cycle.start_on
    )
    endless = Cycle(first_on, None, cycle.length, cycle.bill_day, first_on)
    return [piece.period.start_on for piece, _ in zip(all_pieces(endless), range(200), strict=False)]


def _leading(case: Case) -> list[str]:
    end_on, length = _needed(case["first_billing_cycle_date"]), length_named(case["billing_period"])
    full = Period(later(end_on, length, -1), end_on)
    return _piece(case, Period(_needed(case["start_date"]), end_on), full, length)


def _trailing(case: Case) -> list[str]:
    start_on, length = _needed(case["last_billing_cycle_date"]), length_named(case["billing_period"])
    full = Period(start_on, later(start_on, length))
    return _piece(case, Period(start_on, _needed(case["end_date"])), full, length)


def _piece(case: Case, piece: Period, full: Period, length: Length) -> list[str]:
    fixed = case["fixed_days_in_month"]
    if fixed:
        share = Share(days_in_fixed_months(piece, fixed), fixed * (months_of(length) or 1))
    else:
        share = share_of(piece, full, length, "by_day")
    return _close("fraction", case["expected_total"], share.fraction)


def _fixed_month(case: Case) -> list[str]:
    days = days_in_fixed_months(
        Period(_needed(case["start_date"]), _needed(case["end_date"])), case["fixed_days_in_month"]
    )
    return differs("days", case["expected_days"], days)


def _whole(case: Case) -> list[str]:
    start_on, end_on = _needed(case["start_date"]), _needed(case["end_date"])
    length = length_named(case["billing_period"])
    cycle = Cycle(start_on, end_on, length, start_on.day, start_on, "in_arrears")
    whole = [piece for piece in pieces(cycle, end_on) if piece.share.fraction == 1]
    return differs("whole periods", case["expected_count"], len(whole))


def _moved(sign: int) -> Callable[[Case], list[str]]:
    def moved(case: Case) -> list[str]:
        on = later(_needed(case["start_date"]), length_named(case["billing_period"]), sign * case["count"])
        return differs("date", case["expected_date"], on.isoformat())

    return moved


def _local_day(case: Case) -> date:
    at = datetime.fromisoformat(case["date_time"])
    zone = case["timezone"]
    if zone[0] in "+-":
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
        return at.astimezone(timezone(offset if zone[0] == "+" else -offset)).date()
    return at.astimezone(ZoneInfo(zone)).date()


def _aligned(case: Case) -> list[str]:
    on = _local_day(case)
    if months_of(length_named(case["billing_period"])):
        on = bill_day_of_month(on, case["bill_cycle_day"])
    return differs("date", case["expected_date"], on.isoformat())


def _aligned_to_next(case: Case) -> list[str]:
    on, length = _local_day(case), length_named(case["billing_period"])
    if months_of(length):
        on = next_occurrence(case["bill_cycle_day"], on)
    elif case.get("previous_transition"):
        before_on = datetime.fromisoformat(case["previous_transition"]).date()
        cycle = Cycle(before_on, None, length, 1, before_on)
        on = on if on == before_on else next_due_on(cycle, on - timedelta(days=1)) or on
    return differs("date", case["expected_date"], on.isoformat())


def _invalid(case: Case) -> list[str]:
    """Dates that no subscription can have: the end is refused, and nothing is billed before the start."""
    start_on, end_on = _needed(case["start_date"]), _day(case.get("end_date"))
    if end_on is not None and end_on < start_on:
        try:
            period(start_on, end_on)
        except PeriodBackwards:
            return []
        return ["an end before the start was taken"]
    return [] if not _billed(case, _cycle(case)) else ["something was billed before the start"]


KINDS: dict[str, Callable[[Case], Any]] = {
    "total_fraction": _total,
    "periods": _periods,
    "interval_detail": _interval,
    "leading_fraction": _leading,
    "trailing_fraction": _trailing,
    "days_between_fixed_month": _fixed_month,
    "whole_periods": _whole,
    "advance_periods": _moved(1),
    "recede_periods": _moved(-1),
    "bcd_from_start": lambda case: differs("bill day", case["expected_bill_cycle_day"], _local_day(case).day),
    "align_date_to_bcd": _aligned,
    "align_to_next_bcd": _aligned_to_next,
    "invalid_dates": _invalid,
}
