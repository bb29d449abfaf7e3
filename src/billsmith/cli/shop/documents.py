"""The shop's file: which of its documents sell something, and which take something back."""

import tempfile
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

import msgspec

from billsmith.actions.imports import ImportDocument
from billsmith.cli.importing.building import build
from billsmith.cli.importing.mapping import FIELDS, parse_mapping, resolve
from billsmith.cli.importing.reading import columns_of, rows
from billsmith.cli.importing.spool import SpooledDocument, SpooledRow, customer_key, read_document, spool
from billsmith.cli.importing.workers import in_order
from billsmith.cli.shop.about import CURRENCY, MAPPING, TIME_ZONE
from billsmith.core.customers import CustomerDetails
from billsmith.core.ids import CustomerId

RETURNED = "C"
"""What the number of a document begins with that takes something back."""
_QUANTITY, _UNIT_PRICE, _ISSUED_ON = (FIELDS.index(field) for field in ("quantity", "unit_price", "issued_on"))


class Returned(msgspec.Struct, frozen=True):
    """A document that takes something back. `names_lines`: what it takes back was sold by an earlier one (C…)."""

    name: str
    returned_at: datetime
    customer: str
    walk_in: bool
    names_lines: bool
    document: SpooledDocument
    rows: list[SpooledRow]


class Year(msgspec.Struct, frozen=True):
    """The documents of the file, in the order of their dates."""

    sold_at: dict[str, datetime]
    """By name, every document that sells something, or comes to nothing."""
    owing: dict[str, int]
    """By customer, how many documents have something to be paid."""
    walk_ins: frozenset[str]
    returned: list[Returned]
    keys: list[str]
    """Of metadata."""

    def details_of(self, customer: str) -> CustomerDetails:
        """The customer as the import makes it."""
        if customer in self.walk_ins:
            country = customer.removeprefix("walk-in:")
            return CustomerDetails(name=f"Walk-in {country}", external_id=customer, draw_credit=False)
        return CustomerDetails(name=f"Customer {customer}", external_id=customer)

    def built(self, returned: Returned, customer_id: CustomerId) -> ImportDocument:
        """The returned document as the import would make it: an invoice with a negative total."""
        return build(returned.document, returned.rows, customer_id, self.keys, CURRENCY, TIME_ZONE)


def read_year(file: Path, on_rows: Callable[[int], None]) -> Year:
    """Read the file once. Raises what the import raises for one that can't be read."""
    columns = columns_of(file)
    mapping = resolve(parse_mapping(MAPPING), columns)
    sold_at: dict[str, datetime] = {}
    owing: dict[str, int] = {}
    walk_ins: set[str] = set()
    returned: list[Returned] = []
    with tempfile.TemporaryDirectory(prefix="billsmith-demo-") as folder:
        spooled = spool(rows(file, columns), mapping, Path(folder) / "rows", on_rows)
        unpack = mapping.unpacker()
        documents, _ = in_order(list(spooled.documents.values()), TIME_ZONE)
        with spooled.path.open("rb") as stream:
            for document in documents:
                found = read_document(stream, document, unpack)
                at = datetime.fromisoformat(document.issued_on).replace(tzinfo=None)
                total = sum((_amount(row) for row in found), Decimal(0))
                customer, walk_in = customer_key(document)
                if walk_in:
                    walk_ins.add(customer)
                if customer and (document.name.startswith(RETURNED) or total < 0):
                    names_lines = document.name.startswith(RETURNED)
                    returned.append(Returned(document.name, at, customer, walk_in, names_lines, document, found))
                    continue
                sold_at[document.name] = at
                if total > 0:
                    owing[customer] = owing.get(customer, 0) + 1
    return Year(sold_at, owing, frozenset(walk_ins), returned, [key for key, _ in mapping.metadata])


def groups(owing: Mapping[str, int], most: int) -> list[list[str]]:
    """The customers in groups that have about `most` documents together, and no more unless one alone has."""
    parts: list[list[str]] = [[]]
    size = 0
    for customer in sorted(owing):
        if parts[-1] and size + owing[customer] > most:
            parts.append([])
            size = 0
        parts[-1].append(customer)
        size += owing[customer]
    return [part for part in parts if part]


def _amount(row: SpooledRow) -> Decimal:
    """What a row comes to, before rounding; nothing where it can't be read: the import says so."""
    try:
        return Decimal(row[1][_QUANTITY]) * Decimal(row[1][_UNIT_PRICE])
    except InvalidOperation:
        return Decimal(0)
