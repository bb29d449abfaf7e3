"""What computes the tables about periods of a charge, its pieces, and the corrections of lines."""

import re
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from typing import Any

from billsmith.core.billing.differences import Billed, Differences, GivenBack, Owed, differences, remaining
from billsmith.core.cycles.bill_days import first_bill_on, nth_bill_on
from billsmith.core.cycles.lengths import NAMED, later
from billsmith.core.cycles.pieces import Cycle, pieces
from billsmith.core.cycles.proration import Share, share_of
from billsmith.core.money import round_half_away, show_amount
from billsmith.core.periods import Period
from tests.docs.examples import NOTHING, minor, or_refused
from tests.docs.pages import Example, Row

_LINE = re.compile(r"(?P<days>\S+ – \S+) (?P<key>\w+) (?P<amount>-?[\d.]+)(?P<corrections>.*)")
_GIVEN_BACK = re.compile(r"given back (\S+ – \S+) ([\d.]+)")
_CREDITED = re.compile(r"credited ([\d.]+)")


def _day(text: str) -> date:
    """A day as it is written; one without a year is of 2026."""
    return date.fromisoformat(text if len(text) > 5 else f"2026-{text}")


def _period(text: str) -> Period:
    start, end = text.split(" – ")
    return Period(_day(start), _day(end))


def _span(period: Period) -> str:
    return f"{period.start_on:%m-%d} – {period.end_on:%m-%d}"


def _money(amount_minor: int) -> str:
    return show_amount(amount_minor, "EUR")


def bounds(rows: list[Row], _: Row) -> list[Row]:
    """A day and a length → where the periods after it begin."""
    return [{"periods begin": ", ".join(str(on) for on in _begins(row))} for row in rows]


def _begins(row: Row) -> list[date]:
    start_on, length = _day(row["counted from"]), NAMED[row["length"]]
    return [later(start_on, length, n) for n in range(1, 5)]


def bill_dates(rows: list[Row], _: Row) -> list[Row]:
    """A start, a length and a bill day → the first bill date, and those after it."""
    answers = []
    for row in rows:
        length, bill_day = NAMED[row["length"]], int(row["bill day"])
        first_on = first_bill_on(_day(row["start"]), length, bill_day)
        then = ", ".join(str(nth_bill_on(first_on, length, bill_day, n)) for n in (1, 2, 3))
        answers.append({"first bill date": str(first_on), "then": then})
    return answers


def cut(rows: list[Row], _: Row) -> list[Row]:
    """How a charge repeats between two days → its first pieces, with what each costs."""
    return [{"pieces": "; ".join(islice(_pieces(row), 4))} for row in rows]


def _pieces(row: Row) -> list[str]:
    start_on = _day(row["start"])
    cycle = Cycle(
        start_on,
        None if row["end"] in NOTHING else _day(row["end"]),
        NAMED[row["length"]],
        int(row["bill day"]),
        start_on,
    )
    price = minor(row["price"])
    return [
        f"{piece.period.start_on} – {piece.period.end_on} {_part(piece.share)}: "
        f"{_money(round_half_away(price * piece.share.fraction))}"
        for piece in pieces(cycle, _day(row["run"]))
    ]


def _part(share: Share) -> str:
    return "all" if share.part == share.whole else f"{share.part}/{share.whole}"


def shares(rows: list[Row], options: Row) -> list[Row]:
    """A piece of a full period and a policy → its share, and what it costs of a price."""
    answers = []
    for row in rows:
        policy: Any = row["policy"].strip("`")
        share = share_of(
            _period(row["piece"]), _period(row["of"]), NAMED["monthly"], policy, options.get("zone", "UTC")
        )
        amount = round_half_away(minor(options["price"]) * share.fraction)
        answers.append({"share": _part(share) if share.part else "nothing", "amount": _money(amount)})
    return answers


def due_dates(rows: list[Row], _: Row) -> list[Row]:
    """A monthly charge and the day of a run → what it bills, in advance and in arrears."""
    answers = []
    for row in rows:
        start_on, end = _day(row["start"]), row["end"]
        end_on = None if end in NOTHING else _day(end)
        answer = {}
        for timing in ("in_advance", "in_arrears"):
            given: Any = timing
            cycle = Cycle(start_on, end_on, NAMED["monthly"], 1, start_on, given)
            found = [_span(piece.period) for piece in pieces(cycle, _day(row["run on"]))]
            answer[timing.replace("_", " ")] = "; ".join(found) or "nothing"
        answers.append(answer)
    return answers


def to_add(rows: list[Row], _: Row) -> list[Row]:
    """Lines that are there and those that should be → what is added and given back."""
    return [{"to add": or_refused(lambda row=row: _added(row))} for row in rows]  # type: ignore[misc]


def _added(row: Row) -> str:
    there = [_billed(text) for text in _several(row["there"])]
    should = [_owed(text) for text in _several(row["should be there"])]
    return _shown(differences(should, there)) or "nothing"


def stays(rows: list[Row], _: Row) -> list[Row]:
    """Lines with what was corrected of them → what stays billed."""
    answers = []
    for row in rows:
        kept = remaining([_billed(text) for text in _several(row["there"])])
        answers.append({"stays": "; ".join(f"{_span(days)} {_money(amount)}" for _, days, amount in kept)})
    return answers


def _several(cell: str) -> list[str]:
    return [] if cell in NOTHING else cell.split("; ")


def _read(text: str) -> re.Match[str]:
    found = _LINE.fullmatch(text)
    assert found, text
    return found


def _billed(text: str) -> Billed:
    line = _read(text)
    back = _GIVEN_BACK.findall(line["corrections"])
    return Billed(
        line["key"],
        _period(line["days"]),
        minor(line["amount"]),
        tuple(GivenBack(_period(days), minor(amount)) for days, amount in back),
        sum(minor(amount) for amount in _CREDITED.findall(line["corrections"])),
    )


def _owed(text: str) -> Owed:
    line = _read(text)
    return Owed(line["key"], _period(line["days"]), Fraction(Decimal(line["amount"]) * 100))


def _shown(found: Differences) -> str:
    lines = [f"{_span(one.period)} {one.owed.key} {_money(one.amount_minor)}" for one in found.missing]
    lines += [f"{_span(one.period)} {one.billed.key} {_money(one.amount_minor)}" for one in found.superfluous]
    return "; ".join(lines)


CYCLES: dict[str, Example] = {
    example.__name__: example for example in (bounds, bill_dates, cut, shares, due_dates, to_add, stays)
}
"""What computes the tables of the rule pages, by the name in their marker."""
