"""Where the phases of a plan lie for one subscription. Rule: docs/rules/phases.md"""

from datetime import date, timedelta

import msgspec

from billsmith.core.catalog.plans import Phase, PlanVersion
from billsmith.core.cycles.lengths import Length, later, months_of

_ORDER = ("trial", "discount", "fixed_term", "evergreen")
"""The kinds of phases as plans mostly have them, one after the other."""


class PhaseSpan(msgspec.Struct, frozen=True, gc=False):
    """One phase of a plan, `[starts_on, ends_on)`; None: it has no end."""

    phase_no: int
    phase: Phase
    starts_on: date
    ends_on: date | None


def phase_spans(plan: PlanVersion, aligned_on: date) -> tuple[PhaseSpan, ...]:
    """The phases of a plan that are counted from `aligned_on`, in a row.

    Months in a row are counted from one day, not from the last phase's end: 31 January and twice a month is 31 March.
    """
    spans = []
    counted_from, starts_on = aligned_on, aligned_on
    months = 0
    for phase_no, phase in enumerate(plan.phases):
        if phase.duration is None:
            spans.append(PhaseSpan(phase_no, phase, starts_on, None))
            break
        months_more = months_of(phase.duration)
        if months_more:
            months += months_more
            ends_on = later(counted_from, Length("month", months))
        else:
            ends_on = later(starts_on, phase.duration)
            counted_from, months = ends_on, 0
        spans.append(PhaseSpan(phase_no, phase, starts_on, ends_on))
        starts_on = ends_on
    return tuple(spans)


def phase_on(plan: PlanVersion, aligned_on: date, on: date) -> PhaseSpan | None:
    """The phase of a day, the first one for days before; None once the last is over."""
    return next((span for span in phase_spans(plan, aligned_on) if span.ends_on is None or on < span.ends_on), None)


def last_phase_ends_on(plan: PlanVersion, aligned_on: date) -> date | None:
    """The first day after the last phase; None where that has no end."""
    return phase_spans(plan, aligned_on)[-1].ends_on


def aligned_like(before: PlanVersion, before_aligned_on: date, plan: PlanVersion, on: date) -> date:
    """The day to count a plan's phases from, so that on a day it is where the plan before was.

    That is the phase of the same kind, begun on the same day; where the plan has none, the next later kind, or its
    last. Where no day leads there (there is no 31 February), the phase begins up to three days earlier.
    """
    current = phase_on(before, before_aligned_on, on) or phase_spans(before, before_aligned_on)[-1]
    wanted = _ORDER.index(current.phase.kind)
    kinds = [_ORDER.index(phase.kind) for phase in plan.phases]
    like = next((no for no, kind in enumerate(kinds) if kind >= wanted), len(kinds) - 1)
    begins_on = current.starts_on if kinds[like] == wanted else on
    aligned_on = begins_on
    for phase in reversed(plan.phases[:like]):
        assert phase.duration is not None
        aligned_on = later(aligned_on, phase.duration, -1)
    around = [aligned_on + timedelta(days=shift) for shift in range(-3, 4)]
    return max((day for day in around if _begins_on(plan, day, like) <= begins_on), default=aligned_on)


def _begins_on(plan: PlanVersion, aligned_on: date, phase_no: int) -> date:
    return phase_spans(plan, aligned_on)[phase_no].starts_on
