"""The oracle: day by day, what each day of a subscription costs, from what was asked and the rules in docs/rules alone.

Days, sums and the standard library's calendar; nothing of the software under test is imported. What is billed is kept
as a price for each day of each charge. A run goes through the days: those that are due and not there, or there under
other terms, get the price that they have by now; those that should no longer be there are taken away.

One thing is no sum over days of what holds now: a day that is billed keeps its price while its terms stay the same,
whatever becomes of the days around it. The rule says so: given back is a share of the line's own amount, and lines are
compared by days and terms. So the oracle keeps a day's price from when it was billed.
"""

import calendar
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from functools import lru_cache

from tests.oracle.asked import PLANS, Charge, Entry, Length, Phase, Plan, Subscribed

DAY = timedelta(days=1)
Key = tuple[str, int, Fraction, Fraction]
"""Plan, phase, price, quantity: equal ones cost the same."""


@dataclass(frozen=True)
class Terms:
    """What holds on a day."""

    plan: Plan
    counted_from: date
    plan_since: date
    period_from: date
    quantity: Fraction
    prices: tuple[tuple[str, str], ...]
    own_bill_day: int | None
    phase_no: int = 0

    @property
    def phase(self) -> Phase:
        return self.plan.phases[self.phase_no]

    def price(self, charge: Charge) -> Fraction:
        return Fraction(dict(self.prices).get(charge.code, charge.price))

    def times(self, charge: Charge) -> Fraction:
        return self.quantity if charge.per_unit else Fraction(1)

    def gives_day(self, charge: Charge) -> bool:
        """Whether a line of it gives a customer without a bill cycle day one."""
        by_month = charge.every is not None and charge.every[1] == "m" and charge.every[0] < 12
        follows_customer = self.plan.alignment == "account" and self.own_bill_day is None
        return follows_customer and by_month and bool(self.price(charge) * self.times(charge))


@dataclass(frozen=True)
class Span:
    """Days in a row on which the same terms hold; the last is the day before `end`."""

    start: date
    end: date
    terms: Terms
    open_end: bool


@dataclass(frozen=True)
class Costs:
    """What a day of a charge costs, exactly, in minor units, and when it is due."""

    key: Key
    exact: Fraction
    due_on: date
    since: date
    """From when its terms hold."""


Billed = dict[tuple[int, str, date], Costs]
"""By subscription, charge and day."""


@dataclass
class Oracle:
    subscribed: list[Subscribed]
    """The base first."""
    customers_day: int | None
    until: date
    """Nothing behind this day is looked at."""
    billed: Billed = field(default_factory=dict)
    fixed: set[tuple[int, str, date, str, int]] = field(default_factory=set)
    ran_to: date = date.min

    def run(self, target: date) -> None:
        """What a run by a day does: lines that were made for days ahead stay in sight of one that looks less far."""
        self.ran_to = max(self.ran_to, target)
        for nth in range(len(self.subscribed)):
            spans = self.spans(nth)
            self._charge_once(nth, spans)
            wanted = self.wanted(nth, spans)
            for at, costs in wanted.items():
                there = self.billed.get(at)
                if costs.due_on <= self.ran_to and (there is None or there.key != costs.key):
                    self.billed[at] = costs
            for at in [at for at in self.billed if at[0] == nth]:
                there, now = self.billed[at], wanted.get(at)
                gone_since = _gone_since(spans, at[2]) if now is None else now.since
                if (now is None or now.key != there.key) and gone_since <= target and there.exact:
                    del self.billed[at]

    def wanted(self, nth: int, spans: list[Span]) -> Billed:
        """Every day that is to be billed, now or later."""
        found: Billed = {}
        for span in spans:
            for charge in span.terms.phase.charges:
                if charge.every is None:
                    continue
                price, times = span.terms.price(charge), span.terms.times(charge)
                key = (span.terms.plan.code, span.terms.phase_no, price, times)
                elsewhere = self.subscribed[nth].billed_elsewhere_until or date.min
                start = max(span.start, elsewhere)
                for first, last, share in _pieces(span, start, charge.every, self._bill_day(nth, span, spans)):
                    daily = price * times * 100 * share / (last - first).days
                    due_on = last if charge.in_arrears else first
                    for on in _days(first, last):
                        found[nth, charge.code, on] = Costs(key, daily, due_on, span.start)
        return found

    def spans(self, nth: int) -> list[Span]:
        """The billed days of a subscription, cut where terms change."""
        subscribed = self.subscribed[nth]
        return _spans(subscribed.starts_on, tuple(subscribed.entries), self.until)

    def period_starts_on(self, nth: int, today: date) -> date:
        """Where the current period begins, of several charges the latest."""
        spans = self.spans(nth)
        now = next((span for span in spans if span.start <= today < span.end), None)
        if now is None:
            over = [span.end for span in spans if span.end <= today]
            return max(over, default=self.subscribed[nth].starts_on)
        starts = []
        whole = Span(now.terms.period_from, self.until, now.terms, True)
        for charge in now.terms.phase.charges:
            if charge.every is not None:
                bill_day = self._bill_day(nth, now, spans)
                periods = _pieces(whole, whole.start, charge.every, bill_day)
                starts.append(next(first for first, last, _ in periods if first <= today < last))
        return max(starts, default=now.terms.period_from)

    def _bill_day(self, nth: int, span: Span, spans: list[Span]) -> int:
        terms = span.terms
        if terms.own_bill_day is not None:
            return terms.own_bill_day
        if terms.plan.alignment == "account" and self.customers_day is not None:
            return self.customers_day
        base = self.spans(0)
        if terms.plan.alignment == "group" and nth > 0 and base:
            own = [one.terms.own_bill_day for one in base if one.start <= span.start]
            return (own[-1] if own else None) or _first_paid_day(base) or base[0].start.day
        return _first_paid_day(spans) or span.start.day

    def days_to_give(self) -> set[int]:
        """Which days the first paid recurring charges shorter than a year would give a customer who has none."""
        found = set()
        for nth in range(len(self.subscribed)):
            paid = (
                span.start.day for span in self.spans(nth) if any(map(span.terms.gives_day, span.terms.phase.charges))
            )
            found.update(list(paid)[:1])
        return found

    def _charge_once(self, nth: int, spans: list[Span]) -> None:
        """On the first billed day of a phase on a plan: not again after a pause, or at another quantity or price."""
        phase = None
        for span in spans:
            if phase != (phase := (span.terms.plan_since, span.terms.phase_no)) and span.start <= self.ran_to:
                for charge in span.terms.phase.charges:
                    if charge.every is None:
                        self.fixed.add((nth, charge.code, span.start, span.terms.plan.code, span.terms.phase_no))


@lru_cache(maxsize=16)
def _spans(starts_on: date, entries: tuple[Entry, ...], until: date) -> list[Span]:
    found, before, start = list[Span](), None, starts_on
    for on, terms in _terms_by_day(starts_on, entries, until):
        if terms != before:
            if before is not None:
                found.append(Span(start, on, before, on == until))
            start, before = on, terms
    return found


def _terms_by_day(starts_on: date, entries: tuple[Entry, ...], until: date) -> Iterator[tuple[date, Terms | None]]:
    """The terms of every day from its start to its end; None while it is paused, and on its end."""
    ends = [entry.on for entry in entries if entry.kind == "end"]
    end = max(min([*ends, until]), starts_on)
    in_order = sorted(entries, key=lambda entry: (max(entry.on, starts_on), entry.asked_no))
    terms: Terms | None = None
    paused = False
    for on in _days(starts_on, end):
        before, was_paused = terms, paused
        while in_order and in_order[0].on <= on:
            entry = in_order.pop(0)
            if entry.kind in ("pause", "resume"):
                paused = entry.kind == "pause"
            else:
                terms = _with(terms, entry, on)
        assert terms is not None
        goes_on = before is not None and (before.plan.code, before.counted_from) == (
            terms.plan.code,
            terms.counted_from,
        )
        if goes_on and before is not None:
            terms = _replaced(terms, plan_since=before.plan_since, period_from=before.period_from)
        if was_paused and not paused:
            terms = _replaced(terms, period_from=on)
        yield on, None if paused else _in_phase(terms, on)
    yield end, None


def _with(terms: Terms | None, entry: Entry, on: date) -> Terms | None:
    if entry.kind == "plan":
        quantity = entry.quantity if entry.quantity is not None else terms.quantity if terms else Fraction(1)
        kept = terms.own_bill_day if terms else None
        day = kept if entry.bill_day is None else entry.bill_day
        return Terms(PLANS[entry.plan], entry.counted_from, on, on, quantity, entry.prices, day)
    assert terms is not None
    if entry.kind == "quantity":
        assert entry.quantity is not None
        return _replaced(terms, quantity=entry.quantity)
    if entry.kind == "bill_day":
        return _replaced(terms, own_bill_day=entry.bill_day)
    return terms


def _in_phase(terms: Terms, on: date) -> Terms:
    """The terms with the phase of the day: phases in months are counted from one day."""
    starts, counted_from, months = terms.counted_from, terms.counted_from, 0
    for no, phase in enumerate(terms.plan.phases):
        since = max(starts, terms.plan_since) if no else terms.plan_since
        ends = None
        if phase.lasts is not None and phase.lasts[1] == "m":
            months += phase.lasts[0]
            ends = month_later(counted_from, months)
        elif phase.lasts is not None:
            ends = starts + phase.lasts[0] * DAY
            counted_from, months = ends, 0
        if ends is None or on < ends:
            return _replaced(terms, phase_no=no, period_from=max(since, terms.period_from))
        starts = ends
    raise AssertionError("the last phase has no end")


def _replaced(terms: Terms, **fields: object) -> Terms:
    return Terms(**{**terms.__dict__, **fields})  # type: ignore[arg-type]


def _pieces(span: Span, start: date, every: Length, bill_day: int) -> Iterator[tuple[date, date, Fraction]]:
    """Periods and pieces from a day to the span's end: first day, the day after the last, share of the price."""
    if start >= span.end:
        return
    bounds = _bill_dates(start, every, bill_day) if every[1] == "m" else _every_so_many_days(span, start, every[0])
    first = start
    for bound in bounds:
        last = bound if span.open_end else min(bound, span.end)
        if last > first:
            yield first, last, _share(first, last, bound, every, bill_day)
        if bound >= span.end:
            return
        first = bound


def _share(first: date, last: date, bound: date, every: Length, bill_day: int) -> Fraction:
    """A piece that begins on a bill date belongs to the period from there on, any other to the one up to its end."""
    if every[1] == "d":
        return Fraction((last - first).days, every[0])
    begins_on_bill_date = on_day(first.year, first.month, bill_day) == first
    if begins_on_bill_date and last == bound:
        return Fraction(1)
    if begins_on_bill_date:
        return Fraction((last - first).days, (month_later(first, every[0]) - first).days)
    return Fraction((last - first).days, (last - month_later(last, -every[0])).days)


def _bill_dates(start: date, every: Length, bill_day: int) -> Iterator[date]:
    months = every[0]
    nth = 0
    while on_day(start.year, start.month + nth * months, bill_day) <= start:
        nth += 1
    while True:
        yield on_day(start.year, start.month + nth * months, bill_day)
        nth += 1


def _every_so_many_days(span: Span, start: date, days: int) -> Iterator[date]:
    bound = span.terms.period_from
    while True:
        if bound > start:
            yield bound
        bound += days * DAY


def _gone_since(spans: list[Span], on: date) -> date:
    """From when nothing is billed that was billed on this day."""
    return max((span.end for span in spans if span.end <= on), default=date.min)


def _first_paid_day(spans: list[Span]) -> int | None:
    for span in spans:
        for charge in span.terms.phase.charges:
            if charge.every is not None and span.terms.price(charge) * span.terms.times(charge):
                return span.start.day
    return None


def on_day(year: int, month: int, day: int) -> date:
    """The day of a month, or its last."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    return date(year, month, min(day, calendar.monthrange(year, month)[1]))


def month_later(on: date, months: int) -> date:
    """So many months later by plain calendar."""
    return on_day(on.year, on.month + months, on.day)


def _days(start: date, end: date) -> Iterator[date]:
    for number in range((end - start).days):
        yield start + number * DAY
