"""Random stories: what is asked when, told to the software and to the oracle alike."""

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from billsmith.actions.subscriptions.asking import Asked, BillDayChange, QuantityChange, Resume, Undo, decided
from billsmith.core.billing.entries import Covered
from billsmith.core.subscriptions.cancelling import Cancel
from billsmith.core.subscriptions.changing import PlanChange
from billsmith.core.subscriptions.pausing import Pause
from billsmith.core.subscriptions.starting import NewSubscription
from billsmith.errors import BillsmithError
from tests.oracle.asked import ADD_ONS, PLANS, Entry, Subscribed
from tests.oracle.days import Oracle
from tests.oracle.engine import Engine, key_of

HORIZON = timedelta(days=800)
LATER = timedelta(days=450)
"""After its last step a story is left alone for so long, so that all that was scheduled has come."""

BASES = [code for code, plan in PLANS.items() if plan.kind == "base"]
ADDED = [code for code, plan in PLANS.items() if plan.kind == "add_on"]
UNDOABLE = {"cancel": ("end",), "plan": ("plan",), "quantity": ("quantity",), "bill_day": ("bill_day",),
            "pause": ("pause", "resume")}  # fmt: skip

starts = st.sampled_from(
    [date(2023, 12, 31), date(2024, 1, 1), date(2024, 1, 30), date(2024, 2, 29), date(2025, 1, 31), date(2025, 3, 15)]
) | st.dates(date(2023, 11, 1), date(2025, 6, 30))
bill_days = st.sampled_from([1, 15, 28, 29, 30, 31])
quantities = st.sampled_from(["1", "2", "3", "0.5", "0"])
whens = st.sampled_from(["immediate", "end_of_term", "start_of_term"]) | st.integers(-70, 70)
only = {"fee": st.sampled_from(["0", "13.37", "8.8888"])}

steps = st.one_of(
    st.tuples(st.just("plan"), st.integers(0, 1), st.sampled_from(BASES + ADDED), whens,
              st.none() | quantities, st.none() | only["fee"], st.booleans(), st.none() | bill_days),
    st.tuples(st.just("quantity"), st.integers(0, 1), quantities, whens),
    st.tuples(st.just("bill_day"), st.integers(0, 1), bill_days, st.none() | st.integers(-40, 60)),
    st.tuples(st.just("pause"), st.none() | st.integers(0, 1), st.none() | st.integers(-60, 60)),
    st.tuples(st.just("resume"), st.none() | st.integers(0, 1), st.none() | st.integers(-20, 60)),
    st.tuples(st.just("cancel"), st.integers(0, 1), whens, st.sampled_from(["prorated", "none", "full"])),
    st.tuples(st.just("undo"), st.integers(0, 1), st.sampled_from(sorted(UNDOABLE))),
    st.tuples(st.just("add_on"), st.sampled_from(ADDED), quantities),
    st.tuples(st.just("run"), st.integers(-40, 0)),
    st.tuples(st.just("run_ahead"), st.integers(1, 70)),
)  # fmt: skip
waits = st.sampled_from([0, 0, 1, 5, 13, 28, 31, 60]) | st.integers(0, 100)


@st.composite
def stories(draw: st.DrawFn, most_steps: int = 8) -> dict[str, Any]:
    """A start, then steps with days between them."""
    return {
        "start": draw(starts),
        "begins": draw(st.sampled_from([0, 0, 0, -45, 20])),
        "plan": draw(st.sampled_from(BASES)),
        "customers_day": draw(st.none() | bill_days),
        "own_day": draw(st.none() | st.none() | bill_days),
        "quantity": draw(quantities),
        "add_on": draw(st.none() | st.sampled_from(ADDED)),
        "steps": draw(st.lists(st.tuples(waits, steps), min_size=1, max_size=most_steps)),
    }


Done = NewSubscription | Asked | date
"""What was carried out: started, asked of the nth one, or a run by a day."""


class Told:
    """A story told to both sides; `did` is what the software carried out of it, and when.

    On a clock, runs come by themselves on every day on which something is due, and with everything that is asked.
    """

    def __init__(self, story: dict[str, Any], *, on_clock: bool = False) -> None:
        self.today: date = story["start"]
        self.on_clock = on_clock
        self.did: list[tuple[date, int, Done]] = []
        self.engine = Engine(story["customers_day"])
        self.number = 0
        self.through: dict[int, date | None] = {}
        begins_on = self.today + timedelta(days=story["begins"])
        asked = NewSubscription(
            story["plan"], Decimal(story["quantity"]), starts_on=begins_on, bill_cycle_day=story["own_day"]
        )
        self.engine.subscribe(self.today, asked)
        self.did.append((self.today, 0, asked))
        first = Entry("plan", begins_on, 0, story["plan"], begins_on, Fraction(story["quantity"]), (), story["own_day"])
        length = sum((wait for wait, _ in story["steps"]), 0)
        until = max(begins_on, self.today) + timedelta(days=length) + HORIZON
        self.oracle = Oracle([Subscribed(begins_on, [first])], story["customers_day"], until)

        if story["add_on"] is not None:
            self._add_on(story["add_on"], "1")
        if on_clock:
            self.run(self.today)

    def tell(self, wait: int, step: tuple[Any, ...]) -> None:
        self.wait(timedelta(days=wait))
        before = len(self.did)
        getattr(self, f"_{step[0]}")(*step[1:])
        if self.on_clock and len(self.did) > before:
            self.run(self.today)

    def wait(self, days: timedelta) -> None:
        """On a clock with the runs that are due on the way."""
        self.today += days
        while self.on_clock:
            due = [one.subscription.next_bill_on for one in self.engine.there.members]
            on = min((on for on in due if on is not None and on <= self.today), default=None)
            if on is None:
                return
            self.run(on)

    def run(self, until_on: date) -> None:
        self.engine.run(until_on)
        given = self.engine.customer.bill_cycle_day
        if given != self.oracle.customers_day:
            assert self.oracle.customers_day is None
            assert given in self.oracle.days_to_give()
            self.oracle.customers_day = given
        self.oracle.run(until_on)
        self.through = {nth: self._charged_through(nth) for nth in range(len(self.oracle.subscribed))}

    # Steps

    def _run(self, days: int) -> None:
        self.run(self.today + timedelta(days=days))
        self.did.append((self.today, 0, self.today + timedelta(days=days)))

    _run_ahead = _run

    def _add_on(self, plan: str, quantity: str) -> None:
        if len(self.oracle.subscribed) > 1:
            return
        asked = NewSubscription(plan, Decimal(quantity))
        try:
            self.engine.subscribe(self.today, asked)
        except BillsmithError:
            return
        self.did.append((self.today, 1, asked))
        base = self.oracle.subscribed[0]
        on = max(self.today, base.starts_on)
        entries = [Entry("plan", on, self._next(), plan, base.starts_on, Fraction(quantity))]
        for pending in base.entries[1:]:
            if pending.on > self.today and pending.kind in ("end", "pause", "resume"):
                entries.append(Entry(pending.kind, pending.on, self._next()))
        self.oracle.subscribed.append(Subscribed(on, entries))

    def _plan(self, nth: int, plan: str, when: Any, quantity: Any, price: Any, anew: bool, day: int | None) -> None:
        of = self._of(nth)
        if of is None:
            return
        on = self._day(nth, when)
        has_fee = any(charge.code == "fee" for phase in PLANS[plan].phases for charge in phase.charges)
        prices = (("fee", price),) if price is not None and has_fee else ()
        own = {code: Decimal(one) for code, one in prices} or None
        asked = PlanChange(
            plan, quantity and Decimal(quantity), own, day, self._when(when),
            alignment="change_of_plan" if anew else "start_of_subscription",
        )  # fmt: skip
        if not self._did(nth, asked):
            return
        counted_from = on if anew else of.starts_on
        new = Entry("plan", on, self._next(), plan, counted_from, quantity and Fraction(quantity), prices, day)
        self._put(nth, new)
        if nth == 0 and len(self.oracle.subscribed) > 1 and "backup" not in ADD_ONS[PLANS[plan].product]:
            self._end_too(on, new.asked_no)

    def _quantity(self, nth: int, quantity: str, when: Any) -> None:
        if self._of(nth) is None:
            return
        on = self._day(nth, when)
        if self._did(nth, QuantityChange(Decimal(quantity), self._when(when))):
            self._put(nth, Entry("quantity", on, self._next(), quantity=Fraction(quantity)))

    def _bill_day(self, nth: int, day: int, days: int | None) -> None:
        of = self._of(nth)
        if of is None:
            return
        asked_on = None if days is None else self.today + timedelta(days=days)
        on = max(asked_on or self.today, of.starts_on)
        while on.day != day and not (on.day < day and (on + timedelta(days=1)).month != on.month):
            on += timedelta(days=1)
        if not self._did(nth, BillDayChange(day, asked_on)):
            return
        self._put(nth, Entry("bill_day", on, self._next(), bill_day=day))
        if nth == 0 and len(self.oracle.subscribed) > 1:
            terms = [span.terms for span in self.oracle.spans(1) if span.end > on]
            if terms and terms[0].plan.alignment == "group":
                self._put(1, Entry("bill_day", max(on, self.oracle.subscribed[1].starts_on), self.number, bill_day=day))

    def _pause(self, only: int | None, days: int | None) -> None:
        self._switch("pause", only, days)

    def _resume(self, only: int | None, days: int | None) -> None:
        self._switch("resume", only, days)

    def _switch(self, kind: str, only: int | None, days: int | None) -> None:
        if only is not None and self._of(only) is None:
            return
        on = self.today if days is None else self.today + timedelta(days=days)
        asked = Pause(None if days is None else on, only=None if only is None else self.engine.id_of(only))
        ends = [self._end_of(nth) for nth in range(len(self.oracle.subscribed))]
        if not self._did(only or 0, asked if kind == "pause" else Resume(asked)):
            return
        number = self._next()
        for nth, of in enumerate(self.oracle.subscribed):
            end_on = ends[nth]
            if only not in (None, nth) or (end_on is not None and end_on <= max(on, self.today)):
                continue
            start = max(on, of.starts_on)
            switches = sorted(
                (entry.on, entry.asked_no, entry.kind)
                for entry in of.entries
                if entry.kind in ("pause", "resume") and entry.on <= start
            )
            if (switches[-1][2] if switches else "resume") != kind:
                of.entries.append(Entry(kind, start, number))

    def _cancel(self, nth: int, when: Any, refund: Any) -> None:
        of = self._of(nth)
        if of is None:
            return
        on = used_until = self._day(nth, when)
        if refund == "none":
            on = max(on, self.through.get(nth) or on)
        elif refund == "full":
            on = min(on, self.oracle.period_starts_on(nth, self.today))
        asked = Cancel(self._when(when), refund=refund)
        if not self._did(nth, asked):
            return
        # One that is pending is replaced; of one that took effect for use only the earlier end of billing counts.
        self._drop(nth, [entry for entry in of.entries if entry.kind == "end" and self._is_pending(entry)])
        new = Entry("end", on, self._next(), used_until=used_until)
        of.entries.append(new)
        if nth == 0 and len(self.oracle.subscribed) > 1:
            self._end_too(on, new.asked_no)

    def _undo(self, nth: int, what: Any) -> None:
        of = self._of(nth)
        if of is None:
            return
        if self._did(nth, Undo(what)):
            kinds = UNDOABLE[what]
            self._drop(nth, [one for one in of.entries[1:] if one.kind in kinds and self._is_pending(one)])

    # What the oracle is told

    def _of(self, nth: int) -> Subscribed | None:
        return self.oracle.subscribed[nth] if nth < len(self.oracle.subscribed) else None

    def _next(self) -> int:
        self.number += 1
        return self.number

    def _when(self, when: Any) -> Any:
        return self.today + timedelta(days=when) if isinstance(when, int) else when

    def _day(self, nth: int, when: Any) -> date:
        of = self.oracle.subscribed[nth]
        on: date
        if when == "immediate":
            on = self.today
        elif when == "end_of_term":
            on = max(self.through.get(nth) or self.today, self.today)
        elif when == "start_of_term":
            on = self.oracle.period_starts_on(nth, self.today)
        else:
            on = self.today + timedelta(days=when)
        return max(on, of.starts_on)

    def _charged_through(self, nth: int) -> date | None:
        """As of the last run."""
        wanted = self.oracle.wanted(nth, self.oracle.spans(nth))

        def stands(line: Covered, on: date) -> bool:
            return (nth, line.charge, on) in wanted and wanted[nth, line.charge, on].key == key_of(line)

        return self.engine.charged_through(nth, stands)

    def _did(self, nth: int, asked: Asked) -> bool:
        try:
            self.engine.keep(decided(self.engine.at(self.today), self.engine.id_of(nth), asked))
        except BillsmithError:
            return False
        self.did.append((self.today, nth, asked))
        return True

    def _is_pending(self, entry: Entry) -> bool:
        return min(entry.on, entry.used_until or entry.on) > self.today

    def _put(self, nth: int, new: Entry) -> None:
        """In place of those of its kind that are pending for its day or later."""
        of = self.oracle.subscribed[nth]
        later = [one for one in of.entries[1:] if one.kind == new.kind and one.on >= new.on and self._is_pending(one)]
        self._drop(nth, later)
        of.entries.append(new)

    def _drop(self, nth: int, gone: list[Entry]) -> None:
        """With those of a base what they brought about for its add-on."""
        of = self.oracle.subscribed[nth]
        of.entries = [one for one in of.entries if one not in gone]
        if nth == 0 and len(self.oracle.subscribed) > 1:
            numbers = {one.asked_no for one in gone}
            along = self.oracle.subscribed[1]
            along.entries = [one for one in along.entries if one.asked_no not in numbers or not self._is_pending(one)]

    def _end_too(self, on: date, number: int) -> None:
        of = self.oracle.subscribed[1]
        of.entries.append(Entry("end", max(on, of.starts_on), number))

    def _end_of(self, nth: int) -> date | None:
        return min((one.on for one in self.oracle.subscribed[nth].entries if one.kind == "end"), default=None)
