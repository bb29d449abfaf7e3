"""The billed days of a timeline, cut wherever something that a price depends on changes.

Rule: docs/rules/phases.md, docs/rules/change-and-cancel.md, docs/rules/pause.md
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from itertools import groupby

import msgspec
from msgspec.structs import replace

from billsmith.core.catalog.plans import Phase, PlanVersion
from billsmith.core.catalog.rules import BillAlignment
from billsmith.core.ids import PlanVersionId
from billsmith.core.subscriptions.phases import last_phase_ends_on, phase_spans
from billsmith.core.subscriptions.subscription import Change
from billsmith.core.subscriptions.timeline import ENDINGS, Timeline, Versions, live


class Stretch(msgspec.Struct, frozen=True, gc=False):
    """Days `[start_on, end_on)` on which everything that a price depends on stays the same."""

    start_on: date
    end_on: date | None
    """None: nothing is known that ends it."""
    plan: PlanVersion
    phase_no: int
    phase: Phase
    phase_starts_on: date
    """The first billed day of this instance of the phase on this plan: a fixed charge is billed once for each.

    Pauses, quantities, other prices and a newer version of the same plan don't begin another.
    """
    phase_ends_on: date | None
    """Where the phase ends by the plan, whatever ends the stretch."""
    quantity: Decimal
    prices: dict[str, Decimal] | None
    """Prices of its own by charge code, in place of the plan's."""
    bill_alignment: BillAlignment
    own_bill_day: int | None
    anchor_on: date
    """From where day-based periods are counted: the start of the plan or phase, or the resume."""


class _Terms(msgspec.Struct, frozen=True, gc=False):
    """What the changes up to a day say."""

    plan_version_id: PlanVersionId
    aligned_on: date
    plan_starts_on: date
    anchor_on: date
    bill_alignment: BillAlignment
    quantity: Decimal
    prices: dict[str, Decimal] | None = None
    own_bill_day: int | None = None
    paused: bool = False


class _Span(msgspec.Struct, frozen=True, gc=False):
    start_on: date
    end_on: date | None
    terms: _Terms


def stretches(timeline: Timeline, versions: Versions, from_on: date = date.min) -> tuple[Stretch, ...]:
    """The billed days from `from_on` on: sorted, disjoint, without paused days and those after the end.

    A stretch that holds `from_on` is given whole, from its own start.
    """
    return tuple(
        stretch for stretch in _stretches(timeline, versions) if stretch.end_on is None or stretch.end_on > from_on
    )


def _stretches(timeline: Timeline, versions: Versions) -> Iterator[Stretch]:
    """All of them. A phase that begins while it is paused begins for billing with the first day that is billed."""
    phase: tuple[date, int] | None = None
    phase_starts_on = date.min
    for span in _spans(timeline, versions):
        if span.terms.paused:
            continue
        for stretch in _by_phase(span, versions[span.terms.plan_version_id]):
            if phase != (span.terms.plan_starts_on, stretch.phase_no):
                phase, phase_starts_on = (span.terms.plan_starts_on, stretch.phase_no), stretch.start_on
            yield replace(stretch, phase_starts_on=phase_starts_on)


def ends_on(timeline: Timeline, versions: Versions) -> date | None:
    """The first day that is no longer billed, by a cancel, a transfer or the last phase's end; None: not known."""
    end = timeline.subscription.starts_on
    for span in _spans(timeline, versions):
        if span.end_on is None:
            return None
        end = span.end_on
    return end


def billing_changes(timeline: Timeline) -> list[tuple[date, Change]]:
    """The live changes that billing knows, each with its day: by day, then position. None is before the start."""
    starts_on = timeline.subscription.starts_on
    dated = [(max(change.billing_on, starts_on), change) for change in live(timeline) if change.billing_on is not None]
    return sorted(dated, key=lambda entry: (entry[0], entry[1].position))


def _spans(timeline: Timeline, versions: Versions) -> Iterator[_Span]:
    """Days of the same terms in a row, paused ones among them, up to the end."""
    terms: _Terms | None = None
    starts_on = date.min
    for on, same_day in groupby(billing_changes(timeline), key=lambda dated: dated[0]):
        changes = [change for _, change in same_day]
        over_on = last_phase_ends_on(versions[terms.plan_version_id], terms.aligned_on) if terms else None
        if terms and over_on is not None and over_on < on:
            break
        ended = any(change.kind in ENDINGS for change in changes)
        changed = _after(terms, changes, on, versions)
        if terms and (ended or changed != terms) and starts_on < on:
            yield _Span(starts_on, on, terms)
        if ended:
            return
        if changed != terms:
            terms, starts_on = changed, on
    if terms is not None:
        over_on = last_phase_ends_on(versions[terms.plan_version_id], terms.aligned_on)
        if over_on is None or starts_on < over_on:
            yield _Span(starts_on, over_on, terms)


def _after(before: _Terms | None, changes: list[Change], on: date, versions: Versions) -> _Terms:
    """The terms once the changes of one day are made: of two that say the same thing the later counts."""
    terms = before
    for change in changes:
        terms = _with(terms, change, on)
    assert terms is not None, "a timeline begins with its creation"
    if before is None:
        return terms
    if _same_phases(before, terms, versions):
        terms = replace(terms, plan_starts_on=before.plan_starts_on, anchor_on=before.anchor_on)
    if before.paused and not terms.paused:
        terms = replace(terms, anchor_on=on)
    return terms


def _same_phases(before: _Terms, now: _Terms, versions: Versions) -> bool:
    """Whether its phases go on: the same plan, if at other prices or in another version, counted from the same day."""
    plans = {versions[terms.plan_version_id].plan for terms in (before, now)}
    return len(plans) == 1 and before.aligned_on == now.aligned_on


def _with(terms: _Terms | None, change: Change, on: date) -> _Terms | None:
    if change.kind in ("created", "plan_changed"):
        return _on_plan(terms, change, on)
    assert terms is not None, "a timeline begins with its creation"
    match change.kind:
        case "quantity_changed":
            assert change.quantity is not None
            return replace(terms, quantity=change.quantity)
        case "bill_day_changed":
            return replace(terms, own_bill_day=change.bill_cycle_day)
        case "paused" | "resumed":
            return replace(terms, paused=change.kind == "paused")
    return terms


def _on_plan(terms: _Terms | None, change: Change, on: date) -> _Terms:
    assert change.plan_version_id is not None
    assert change.aligned_on is not None
    assert change.bill_alignment is not None
    quantity = change.quantity if change.quantity is not None else (terms.quantity if terms else Decimal(1))
    kept_bill_day = terms.own_bill_day if terms else None
    return _Terms(
        plan_version_id=change.plan_version_id,
        aligned_on=change.aligned_on,
        plan_starts_on=on,
        anchor_on=on,
        bill_alignment=change.bill_alignment,
        quantity=quantity,
        prices=change.prices,
        own_bill_day=kept_bill_day if change.bill_cycle_day is None else change.bill_cycle_day,
        paused=terms is not None and terms.paused,
    )


def _by_phase(span: _Span, plan: PlanVersion) -> Iterator[Stretch]:
    """A span cut at the ends of the plan's phases."""
    terms = span.terms
    for phase in phase_spans(plan, terms.aligned_on):
        # Days before the alignment, if there are any, belong to the first phase.
        begins_on = phase.starts_on if phase.phase_no else min(phase.starts_on, terms.plan_starts_on)
        start_on = max(span.start_on, begins_on)
        end_on = min((end for end in (span.end_on, phase.ends_on) if end is not None), default=None)
        if end_on is not None and end_on <= start_on:
            continue
        yield Stretch(
            start_on=start_on,
            end_on=end_on,
            plan=plan,
            phase_no=phase.phase_no,
            phase=phase.phase,
            phase_starts_on=start_on,
            phase_ends_on=phase.ends_on,
            quantity=terms.quantity,
            prices=terms.prices,
            bill_alignment=terms.bill_alignment,
            own_bill_day=terms.own_bill_day,
            anchor_on=max(begins_on, terms.anchor_on),
        )
