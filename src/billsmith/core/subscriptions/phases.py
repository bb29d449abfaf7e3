"""Where the phases of a plan lie for one subscription. Rule: docs/rules/phases.md"""

from datetime import date

import msgspec

from billsmith.core.catalog.plans import Phase, PlanVersion
from billsmith.core.cycles.lengths import Length, later

_ORDER = ("trial", "discount", "fixed_term", "evergreen")


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
