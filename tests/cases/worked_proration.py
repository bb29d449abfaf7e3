"""Worked examples about proration. What each of them states is followed: a plan that is ended during a day is used to
the end of that day, one that is changed during a day is used up to it; seconds where it counts seconds.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from billsmith.core.billing.differences import Billed, Differences, Owed, differences
from billsmith.core.cycles.bill_days import next_occurrence
from billsmith.core.cycles.lengths import NAMED, later, months_of
from billsmith.core.cycles.pieces import Cycle, Piece, pieces
from billsmith.core.cycles.proration import Share, share_of, share_of_instants
from billsmith.core.money import percent_of, round_half_away
from billsmith.core.periods import Period
from tests.cases.report import Unreadable

Inputs = dict[str, Any]
Outputs = dict[str, Any]

INTERVALS = {"week": "weekly", "month": "monthly", "quarter": "quarterly", "year": "annual"}
SOME_DAY = date(2025, 1, 1)
NEVER = date(9000, 1, 1)


def _on(instant: str) -> date:
    return datetime.fromisoformat(instant).date()


def _share(amount: int, share: Share) -> int:
    return round_half_away(amount * share.fraction)


def _with_tax(net: int, inputs: Inputs) -> int:
    return net + round_half_away(percent_of(net, Decimal(inputs.get("tax_rate", "0"))))


def _first_piece(inputs: Inputs, start_on: date) -> Piece:
    """The first month from a start: up to the first of the next one, or to its own day."""
    bill_day = {"calendar": 1, "anniversary": start_on.day}[inputs["billing_time"]]
    return pieces(Cycle(start_on, None, NAMED["monthly"], bill_day, start_on), start_on)[0]


def _calendar_period(on: date, months: int) -> Period:
    """The month, quarter or year of the calendar that a day lies in."""
    start_on = date(on.year, (on.month - 1) // months * months + 1, 1) if months <= 12 else on
    return Period(start_on, later(start_on, NAMED["monthly"], months))


def _changed(before: Billed, price: int, from_on: date, full: Period) -> Differences:
    """The lines that a change of price makes of one that was billed up to the end of its period."""
    end_on = before.period.end_on
    after = Period(from_on, end_on)
    share = share_of(after, full, NAMED["monthly"], "by_day")
    owed = [Owed("new", after, price * share.fraction)]
    if before.period.start_on < from_on:
        owed.append(Owed(before.key, Period(before.period.start_on, from_on), Fraction(0)))
    return differences(owed, [before])


def _terminated_in_arrears(inputs: Inputs) -> Outputs:
    if inputs["pay_in_advance"]:
        raise Unreadable("in arrears, and paid in advance")
    start_on, end_on = _on(inputs["started"]), _on(inputs["terminated"]) + timedelta(days=1)
    length = NAMED[INTERVALS[inputs["interval"]]]
    if inputs["billing_time"] == "calendar":
        full = _calendar_period(start_on, months_of(length))
        share = share_of(Period(max(start_on, full.start_on), min(end_on, full.end_on)), full, length, "by_day")
        return {"amount": _share(inputs["amount"], share)}
    cycle = Cycle(start_on, end_on, length, start_on.day, start_on, "in_arrears")
    return {"amount": _share(inputs["amount"], pieces(cycle, end_on)[-1].share)}


def _upgraded(inputs: Inputs) -> Outputs:
    if "plan_amounts" not in inputs:
        return _upgraded_in_a_month(inputs)
    start_on = _on(inputs["start"])
    piece = _first_piece(inputs, start_on)
    fees, credits = [_share(inputs["plan_amounts"][0], piece.share)], []
    billed = Billed(0, piece.period, fees[0])
    for nth, (instant, amount) in enumerate(zip(inputs["upgrades"], inputs["plan_amounts"][1:], strict=True), 1):
        found = _changed(billed, amount, _on(instant), piece.full)
        (new,) = found.missing
        fees.append(new.amount_minor)
        credits += [_with_tax(-one.amount_minor, inputs) for one in found.superfluous]
        billed = Billed(nth, new.period, new.amount_minor)
    return {"invoice_fees": fees, "credit_notes_incl_tax": credits}


def _upgraded_in_a_month(inputs: Inputs) -> Outputs:
    """Of a month without a year: `May (31 days)`, changed on `May 11`."""
    days, on = (re.search(r"\d+", inputs[field]) for field in ("month", "changed"))
    if days is None or on is None:
        raise Unreadable("neither days of a month nor a day of it")
    full = Period(SOME_DAY, SOME_DAY + timedelta(days=int(days[0])))
    found = _changed(Billed("old", full, inputs["old"]), inputs["new"], SOME_DAY + timedelta(days=int(on[0]) - 1), full)
    return {"new_fee": found.missing[0].amount_minor, "credit": -found.superfluous[0].amount_minor}


def _charge(charge: Inputs) -> int:
    """Units times a price in major units, in minor ones."""
    return int(Decimal(charge["unit"]) * charge["units"] * 100)


def _fixed_charges(inputs: Inputs) -> Outputs:
    start_on = _on(inputs["start"])
    piece = _first_piece(inputs, start_on)
    amounts = sorted(_charge(one) for one in inputs["charges"])
    first = [_share(amount, piece.share) if inputs["prorated"] else amount for amount in amounts]
    return {"first_invoice_fees_sorted": first, "next_invoice_fees_sorted": amounts}


def _fixed_charges_upgraded(inputs: Inputs) -> Outputs:
    """Charges of the same item are netted: what is new of it, less what is given back of it."""
    start_on, changed_on = _on(inputs["start"]), _on(inputs["upgrade"])
    piece = _first_piece(inputs, start_on)
    first = {one["item"]: _share(_charge(one), piece.share) for one in inputs["old"]}
    outputs: Outputs = {"first": list(first.values())}
    for new in inputs["new"]:
        before = Billed("old", piece.period, first.get(new["item"], 0))
        found = _changed(before, _charge(new), changed_on, piece.full)
        net = sum(one.amount_minor for one in (*found.missing, *found.superfluous))
        outputs[f"upgrade_{new['item']}"] = net
    return outputs


def _discounted(inputs: Inputs) -> Outputs:
    """A line is given back by its own amount, which is the discounted one."""
    factor = Fraction(inputs["factor"])
    full = Period(SOME_DAY, SOME_DAY + timedelta(days=factor.denominator))
    changed_on = full.end_on - timedelta(days=factor.numerator)
    outputs: Outputs = {"credit": {}, "charge": {}}
    for name, old in inputs["old"].items():
        amounts = [
            amount - round_half_away(percent_of(amount, Decimal(inputs["discount_percent"])))
            for amount in (old, inputs["new"][name])
        ]
        found = _changed(Billed("old", full, amounts[0]), amounts[1], changed_on, full)
        outputs["credit"][name] = -found.superfluous[0].amount_minor
        outputs["charge"][name] = found.missing[0].amount_minor
    return outputs


def _by_days(inputs: Inputs) -> Outputs:
    """Prices in major units, of a period with so many days of which so many remain."""
    prices = [inputs["seat"] * seats for seats in inputs["seats"]] if "seat" in inputs else _old_and_new(inputs)
    old, new = (int(Decimal(price) * 100) for price in prices)
    full = Period(SOME_DAY, SOME_DAY + timedelta(days=inputs["total"]))
    changed_on = full.end_on - timedelta(days=inputs["remaining"])
    found = _changed(Billed("old", full, old), new, changed_on, full)
    lines = [one.amount_minor for one in (*found.superfluous, *found.missing)]
    return {"lines": lines, "net": sum(lines)}


def _old_and_new(inputs: Inputs) -> tuple[Any, Any]:
    return inputs["old"], inputs["new"]


def _seats(inputs: Inputs) -> Outputs:
    """More seats at the price of now; the next cycle has the plan that is to come."""
    start_on = _on(inputs["cycle_start"])
    full = Period(start_on, later(start_on, NAMED["monthly"]))
    now, before, after = (inputs[name] for name in ("seat_price_now", "seats_before", "seats_after"))
    found = _changed(Billed("old", full, now * before), now * after, _on(inputs["changed_at"]), full)
    net = sum(one.amount_minor for one in (*found.missing, *found.superfluous))
    return {
        "proration": abs(net),
        "direction": "debit" if net >= 0 else "credit",
        "next_cycle_amount": inputs["seat_price_next_cycle"] * after,
    }


def _by_seconds(inputs: Inputs) -> Outputs:
    start_at = datetime(2025, 1, 1, tzinfo=UTC)
    end_at = start_at + timedelta(seconds=inputs["period_seconds"])
    changed_at = end_at - timedelta(seconds=inputs["remaining_seconds"])
    share = share_of_instants(changed_at, end_at, start_at, end_at)
    credit, charge = _share(inputs["old"], share), _share(inputs["new"], share)
    return {"credit": credit, "charge": charge, "net": charge - credit}


def _month_ends(inputs: Inputs) -> Outputs:
    following = [
        next_occurrence(day, date.fromisoformat(on) + timedelta(days=1)).isoformat() for on, day in inputs["cases"]
    ]
    return {"next": following}


AREAS: dict[str, Callable[[Inputs], Outputs]] = {
    "billing.anniversary_month_ends": _month_ends,
    "proration.days": _by_days,
    "proration.fixed_charge.advance": _fixed_charges,
    "proration.fixed_charge.upgrade": _fixed_charges_upgraded,
    "proration.seats_with_pending_plan_change": _seats,
    "proration.seconds.plan_change": _by_seconds,
    "proration.terminate.arrears": _terminated_in_arrears,
    "proration.upgrade.advance": _upgraded,
    "proration.with_percent_discount": _discounted,
}
"""By area, what gives its outputs."""
