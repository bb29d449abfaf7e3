"""Lines that are billed and lines that should be, answered by core/billing/differences.py.

Lines match by plan and rate, day by day; a fixed one as a whole, by its plan and its day. All are dollars and cents.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from billsmith.core.billing.differences import (
    Billed,
    GivenBack,
    LinesInconsistent,
    Owed,
    differences,
    remaining,
)
from billsmith.core.periods import Period
from tests.cases.report import NotYet, Unreadable

Case = dict[str, Any]

CORRECTIONS = ("REPAIR_ADJ", "ITEM_ADJ")
KINDS = ("merge_with_proposed", "net_of_billed", "invalid")


class Item(NamedTuple):
    """An item to add, as cases write it; what one does not mention is not compared."""

    type: str
    start_date: str
    end_date: str | None
    amount: Decimal
    plan: str | None = None
    rate: Decimal | None = None
    linked_to: str | None = None


def has_shape(case: Case) -> bool:
    """Whether it has lines that exist, and what is to be done with them."""
    return isinstance(case.get("existing"), list) and "kind" in case


def differ(case: Case) -> list[str]:
    """What differs; nothing if the lines to add are ours."""
    if case["kind"] not in KINDS:
        raise NotYet(f"kind {case['kind']}")
    wants_refusal = bool(case.get("invalid")) or case["kind"] == "invalid"
    try:
        got = _to_add(case)
    except LinesInconsistent as refused:
        return [] if wants_refusal else [f"refused: {refused.detail}"]
    if wants_refusal:
        return ["inconsistent lines were taken:", *map(_shown, got)]
    return _compared([_item(one) for one in case["expected"]], got)


def _to_add(case: Case) -> list[Item]:
    billed = _all_billed(case["existing"])
    proposed = case.get("proposed") or []
    if case["kind"] == "net_of_billed" or (case["kind"] == "invalid" and not proposed):
        return [_line(line.about, days, amount) for line, days, amount in remaining(billed) if _recurs(line.about)]
    found = differences([_owed(line) for line in proposed], billed)
    return [
        *(_line(one.owed.about, one.period, one.amount_minor) for one in found.missing),
        # What is charged once is given back by a verb, never because days are not owed any more.
        *(
            Item("REPAIR_ADJ", *_dates(one.period), _major(one.amount_minor), linked_to=one.billed.about.get("id"))
            for one in found.superfluous
            if _recurs(one.billed.about)
        ),
    ]


def _all_billed(existing: Sequence[Case]) -> list[Billed]:
    lines = [one for one in existing if one["type"] not in CORRECTIONS]
    ids = {line.get("id") for line in lines}
    for one in existing:
        # The ledger can't hold such a row: a give-back and a credit note refer to their line.
        if one["type"] in CORRECTIONS and one.get("linked_to") not in ids:
            raise LinesInconsistent(f"{one.get('id')} corrects {one.get('linked_to')}, which is not there")
    return [_billed(line, existing) for line in lines]


def _billed(line: Case, existing: Sequence[Case]) -> Billed:
    linked = [other for other in existing if other["type"] in CORRECTIONS and other["linked_to"] == line.get("id")]
    return Billed(
        _key(line),
        _days(line),
        _minor(line),
        tuple(GivenBack(_days(other), -_minor(other)) for other in linked if other["type"] == "REPAIR_ADJ"),
        sum(-_minor(other) for other in linked if other["type"] == "ITEM_ADJ"),
        about=line,
    )


def _owed(line: Case) -> Owed:
    return Owed(_key(line), _days(line), Fraction(_minor(line)), about=line)


def _recurs(line: Case) -> bool:
    return bool(line["type"] == "RECURRING")


def _key(line: Case) -> tuple[Any, ...]:
    if line["type"] == "FIXED":
        return "FIXED", line.get("plan"), line["start_date"]
    if not _recurs(line):
        raise NotYet(f"item {line['type']}")
    return "RECURRING", line.get("plan"), Decimal(line["rate"])


def _days(line: Case) -> Period:
    start_on = date.fromisoformat(line["start_date"])
    if line["type"] == "FIXED":
        return Period(start_on, start_on + timedelta(days=1))
    return Period(start_on, date.fromisoformat(line["end_date"]))


def _minor(line: Case) -> int:
    units = Decimal(line["amount"]) * 100
    if units != int(units):
        raise Unreadable(f"{line['amount']} has a fraction of a cent")
    return int(units)


def _major(amount_minor: int) -> Decimal:
    return Decimal(amount_minor) / 100


def _dates(days: Period) -> tuple[str, str]:
    return days.start_on.isoformat(), days.end_on.isoformat()


def _line(of: Case, days: Period, amount_minor: int) -> Item:
    start, end = _dates(days)
    end_said = end if _recurs(of) else of.get("end_date")
    return Item(of["type"], start, end_said, _major(amount_minor), of.get("plan"), _rate(of))


def _rate(of: Case) -> Decimal | None:
    return None if of.get("rate") is None else Decimal(of["rate"])


def _item(one: Case) -> Item:
    start, end, amount = one["start_date"], one.get("end_date"), Decimal(one["amount"])
    return Item(one["type"], start, end, amount, one.get("plan"), _rate(one), one.get("linked_to"))


def _compared(expected: Sequence[Item], got: Sequence[Item]) -> list[str]:
    left, missing = list(got), []
    for one in expected:
        found = next((item for item in left if _matches(one, item)), None)
        if found is None:
            missing.append(one)
        else:
            left.remove(found)
    return [f"expected {_shown(one)}" for one in missing] + [f"got      {_shown(one)}" for one in left]


def _matches(expected: Item, got: Item) -> bool:
    always, if_said = expected[:4] == got[:4], zip(expected[4:], got[4:], strict=True)
    return always and all(wanted is None or wanted == there for wanted, there in if_said)


def _shown(item: Item) -> str:
    return " ".join(str(field) for field in item if field is not None)
