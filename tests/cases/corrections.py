"""Lines that are billed and lines that should be, answered by core/billing/differences.py."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from billsmith.core.billing.differences import (
    Billed,
    GivenBack,
    LinesInconsistent,
    Owed,
    differences,
    remaining,
)
from billsmith.core.periods import Period

Case = dict[str, Any]
Shown = tuple[str, str, str, int]


def has_shape(case: Case) -> bool:
    """Whether it has lines that exist, and lines that should."""
    return "existing" in case and "expected" in case


def differ(case: Case) -> list[str]:
    """What differs; nothing if the lines to add are ours."""
    wants_refusal = bool(case.get("invalid")) or case["kind"] == "invalid"
    try:
        got = sorted(_lines(case))
    except LinesInconsistent as refused:
        return [] if wants_refusal else [f"refused: {refused.detail}"]
    if wants_refusal:
        return [f"inconsistent lines were taken: {got}"]
    expected = sorted((one["type"], one["start_date"], one["end_date"], _minor(one)) for one in case["expected"])
    return [] if got == expected else [f"lines to add: expected {expected}, got {got}"]


def _lines(case: Case) -> list[Shown]:
    billed = [_billed(line, case["existing"]) for line in case["existing"] if line["type"] == "RECURRING"]
    if case["kind"] == "net_of_billed":
        return [_shown("RECURRING", days, amount) for _, days, amount in remaining(billed)]
    owed = [Owed(_key(line), _days(line), Fraction(_minor(line))) for line in case["proposed"]]
    found = differences(owed, billed)
    return [
        *(_shown("RECURRING", one.period, one.amount_minor) for one in found.missing),
        *(_shown("REPAIR_ADJ", one.period, one.amount_minor) for one in found.superfluous),
    ]


def _billed(line: Case, existing: Sequence[Case]) -> Billed:
    linked = [other for other in existing if other.get("linked_to") == line.get("id")]
    return Billed(
        _key(line),
        _days(line),
        _minor(line),
        tuple(GivenBack(_days(other), -_minor(other)) for other in linked if other["type"] == "REPAIR_ADJ"),
        sum(-_minor(other) for other in linked if other["type"] == "ITEM_ADJ"),
    )


def _key(line: Case) -> tuple[Any, Decimal]:
    return line.get("plan"), Decimal(line["rate"])


def _days(line: Case) -> Period:
    return Period(date.fromisoformat(line["start_date"]), date.fromisoformat(line["end_date"]))


def _minor(line: Case) -> int:
    return int(Decimal(line["amount"]) * 100)


def _shown(type_: str, days: Period, amount_minor: int) -> Shown:
    return type_, days.start_on.isoformat(), days.end_on.isoformat(), amount_minor
