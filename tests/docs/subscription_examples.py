"""What computes the tables about subscriptions."""

import re
from datetime import date
from decimal import Decimal
from typing import Any

from billsmith.core.subscriptions.cancelling import Cancel, cancelled
from billsmith.core.subscriptions.changing import PlanChange, bill_day_changed, plan_changed, quantity_changed
from billsmith.core.subscriptions.group import Group, begun
from billsmith.core.subscriptions.pausing import Pause, paused, resumed
from billsmith.core.subscriptions.phases import phase_spans
from billsmith.core.subscriptions.undoing import undone
from billsmith.core.time_zones import local_day
from billsmith.errors import BillsmithError
from tests.core.subscriptions.made import BASE, at, billed, charged, phase, started, version
from tests.docs.pages import Example, Row

_SAID = re.compile(r"(?P<what>[a-z ]+?)(?: (?P<value>[a-z0-9-]+))?(?:, (?P<when>[a-z_]+|\d{4}-\d\d-\d\d))?")


def phases(rows: list[Row], _: Row) -> list[Row]:
    """How long phases last, and the day they are counted from → where they end."""
    return [{"ends": ", ".join(map(str, _ends(row["phases"].split(" + "), row["counted from"])))} for row in rows]


def _ends(durations: list[str], counted_from: str) -> list[date]:
    made = [phase("discount", duration.replace(" ", "")[: duration.index(" ") + 1]) for duration in durations]
    spans = phase_spans(version(99, "made", "basic", *made, phase("evergreen")), date.fromisoformat(counted_from))
    return [span.ends_on for span in spans if span.ends_on is not None]


def timeline(rows: list[Row], options: Row) -> list[Row]:
    """What is asked for, day after day, of a subscription → what is billed, and what it is then."""
    group = started(options["plan"], on=options["starts"])
    answers = []
    for row in rows:
        group = begun(at(group, row["on"])).group
        if "through" in options:
            group = charged(group, options["through"])
        try:
            group = asked_of(group, row["asked"])
            shown = _billed(group)
        except BillsmithError as error:
            shown = f"refused: `{error.code}`"
        answers.append({"billed": shown, "status": group.lead.subscription.status})
    return answers


def _billed(group: Group) -> str:
    parts = []
    for stretch in billed(group):
        times = "" if stretch.quantity == 1 else f" × {stretch.quantity}"
        day = "" if stretch.own_bill_day is None else f" (day {stretch.own_bill_day})"
        days = f"{stretch.start_on} – {stretch.end_on or '…'}"
        parts.append(f"{days} {stretch.phase.kind} of {stretch.plan.plan}{times}{day}")
    return "; ".join(parts) or "nothing"


def asked_of(group: Group, said: str) -> Group:
    if said in ("–", "start"):
        return group
    found = _SAID.fullmatch(said)
    assert found, said
    what, value, when = found["what"], found["value"], _when(found["when"])
    match what:
        case "plan":
            return plan_changed(group, BASE, PlanChange(value, billing=when)).group
        case "quantity":
            return quantity_changed(group, BASE, Decimal(value), when or "immediate").group
        case "bill day":
            return bill_day_changed(group, BASE, int(value)).group
        case "cancel":
            return cancelled(group, BASE, Cancel(when)).group
        case "undo":
            wanted: Any = value
            return undone(group, BASE, wanted).group
        case "pause" | "resume":
            switch = paused if what == "pause" else resumed
            return switch(group, Pause(on=when if isinstance(when, date) else None)).group
    raise AssertionError(said)


def _when(text: str | None) -> Any:
    return date.fromisoformat(text) if text and text[0].isdigit() else text


def ends(rows: list[Row], options: Row) -> list[Row]:
    """How a cancel is asked for → when use and billing end."""
    group = charged(at(started(options["plan"], on=options["starts"]), options["on"]), options["through"])
    return [_end(group, row) for row in rows]


def _end(group: Group, row: Row) -> Row:
    refund: Any = row["refund"]
    asked = Cancel(_when(row["billing"]), _when(row["use"]), refund)
    made = cancelled(group, BASE, asked)
    ((_, change),) = made.added
    assert change.entitlement_at is not None
    now = change.entitlement_at == group.at
    used_until = "now" if now else str(local_day(change.entitlement_at, group.zone))
    return {"use ends": used_until, "billing ends": str(change.billing_on)}


SUBSCRIPTIONS: dict[str, Example] = {example.__name__: example for example in (phases, timeline, ends)}
