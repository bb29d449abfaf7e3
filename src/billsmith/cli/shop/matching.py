"""Which earlier lines a returned document takes back. Pure.

A return names what came back and at which price it was sold, not which sale it belongs to. It takes back the same
customer's earlier lines of the same item and unit price: the latest sale first, each line up to what of it was not
taken back before. What finds no line stays the document's rest.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec


class SoldLine(msgspec.Struct, frozen=True, gc=False):
    """A line as it was billed."""

    line_no: int
    item: str
    unit_price: Decimal
    amount_minor: int


class SoldDocument(msgspec.Struct, frozen=True, gc=False):
    """An invoice; no more than its total can be taken back, whatever its single lines come to."""

    id: Any
    sold_at: datetime
    total_minor: int
    lines: tuple[SoldLine, ...]


class ReturnedLine(msgspec.Struct, frozen=True, gc=False):
    """What came back, with its amount as a positive number; nothing is taken back for one that is not."""

    item: str
    unit_price: Decimal
    amount_minor: int


class ReturnedDocument(msgspec.Struct, frozen=True, gc=False):
    """Several things that came back together."""

    name: str
    returned_at: datetime
    lines: tuple[ReturnedLine, ...]


class Taken(msgspec.Struct, frozen=True, gc=False):
    """A part of a line that is taken back."""

    invoice_id: Any
    line_no: int
    amount_minor: int


class Match(msgspec.Struct, frozen=True, gc=False):
    """What a returned document takes back, and for each of its lines how much found nothing to be taken back."""

    name: str
    taken: tuple[Taken, ...]
    rest_minor: tuple[int, ...]


def matched(sold: Sequence[SoldDocument], returned: Sequence[ReturnedDocument]) -> list[Match]:
    """What each of one customer's returned documents takes back, in the order in which they came back."""
    left = _Left(sold)
    return [left.take_back(document) for document in sorted(returned, key=lambda one: (one.returned_at, one.name))]


class _Left:
    """What of a customer's lines was not taken back yet."""

    def __init__(self, sold: Sequence[SoldDocument]) -> None:
        self._of_documents = {document.id: document.total_minor for document in sold}
        self._lines: dict[tuple[str, Decimal], list[tuple[datetime, Taken]]] = {}
        """Of one item and price, the latest sale last."""
        for document in sorted(sold, key=lambda one: one.sold_at):
            for line in document.lines:
                if line.amount_minor > 0:
                    whole = Taken(document.id, line.line_no, line.amount_minor)
                    self._lines.setdefault((line.item, line.unit_price), []).append((document.sold_at, whole))

    def take_back(self, document: ReturnedDocument) -> Match:
        taken: dict[tuple[Any, int], int] = {}
        rests = []
        for line in document.lines:
            rest = line.amount_minor
            for part in self._take(line, document.returned_at):
                key = part.invoice_id, part.line_no
                taken[key] = taken.get(key, 0) + part.amount_minor
                rest -= part.amount_minor
            rests.append(rest)
        parts = [Taken(invoice_id, line_no, amount) for (invoice_id, line_no), amount in taken.items()]
        return Match(document.name, tuple(parts), tuple(rests))

    def _take(self, line: ReturnedLine, returned_at: datetime) -> list[Taken]:
        parts: list[Taken] = []
        wanted = line.amount_minor
        lines = self._lines.get((line.item, line.unit_price), [])
        for position in range(len(lines) - 1, -1, -1):
            if wanted <= 0:
                break
            sold_at, left = lines[position]
            part = min(wanted, left.amount_minor, self._of_documents[left.invoice_id])
            if sold_at > returned_at or part <= 0:
                continue
            wanted -= part
            self._of_documents[left.invoice_id] -= part
            lines[position] = sold_at, Taken(left.invoice_id, left.line_no, left.amount_minor - part)
            parts.append(Taken(left.invoice_id, left.line_no, part))
        return parts
