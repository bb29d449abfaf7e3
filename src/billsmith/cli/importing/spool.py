"""The first pass: the file's mapped fields, spooled to disk, and an index of its documents.

Memory holds one small entry per document, never the rows: a document's rows may stand anywhere in the file.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from billsmith.cli.importing.mapping import FIELDS, ColumnMapping, Values
from billsmith.cli.importing.reading import BadRow, Row

SpooledRow = tuple[int, Values, Values]
"""A row's number, its fields in the order of FIELDS (missing ones empty), its metadata values."""

MOST_ROWS = 20_000
"""Of one document: it is made in one piece, in memory."""

_DOCUMENT, _CUSTOMER, _CUSTOMER_NAME, _WALK_IN, _ISSUED_ON = (
    FIELDS.index(field) for field in ("document", "customer", "customer_name", "walk_in", "issued_on")
)
_REPORT_EVERY = 20_000
_LONGEST_RUN = 2_000

_Picked = tuple[int, Values]
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[_Picked])


class SpooledDocument(msgspec.Struct):
    """One document: where its rows are, and what decides its place. The first row's date and customer count."""

    name: str
    customer: str
    walk_in: str
    customer_name: str
    issued_on: str
    first_row: int
    row_count: int
    segments: list[tuple[int, int]]


class Spool(msgspec.Struct):
    """The spool file, its documents in the order of their first rows, and what can't be used.

    A row that can't be read may belong to the document it names, the one before it or the one after it: all of them are
    spoiled.
    """

    path: Path
    documents: dict[str, SpooledDocument] = {}
    spoiled: dict[str, str] = {}
    """Documents that some row may be missing from, with the reason."""
    bad_rows: dict[int, str] = {}
    """Rows that no document could take, with the reason."""
    row_count: int = 0


def spool(rows: Iterable[Row | BadRow], mapping: ColumnMapping, path: Path, on_rows: Callable[[int], None]) -> Spool:
    """Write the mapped fields of all rows to `path`; runs of rows of one document stay together."""
    spooled = Spool(path)
    document, pick, unpack = mapping.document, mapping.picker(), mapping.unpacker()
    run: list[_Picked] = []
    current, spoils_next = "", ""

    def write(stream: BinaryIO) -> None:
        if run:
            _write(stream, spooled.documents, current, run, unpack(run[0][1])[0])
            run.clear()

    with path.open("wb") as stream:
        for row in rows:
            spooled.row_count += 1
            if spooled.row_count % _REPORT_EVERY == 0:
                on_rows(spooled.row_count)
            name = "" if isinstance(row, BadRow) else row[1][document].strip()
            if isinstance(row, BadRow) or not name:
                spoils_next = _bad(spooled, row, document, current) or spoils_next
                continue
            if name != current or len(run) == _LONGEST_RUN:
                write(stream)
                current = name
            if spoils_next:
                spooled.spoiled.setdefault(name, spoils_next)
                spoils_next = ""
            run.append((row[0], pick(row[1])))
        write(stream)
    on_rows(spooled.row_count)
    for found in spooled.documents.values():
        if found.row_count > MOST_ROWS:
            spooled.spoiled[found.name] = f"this document has {found.row_count:,} rows; {MOST_ROWS:,} are allowed"
    return spooled


def read_document(
    stream: BinaryIO, document: SpooledDocument, unpack: Callable[[Values], tuple[Values, Values]]
) -> list[SpooledRow]:
    """The rows of a document, in the order of the file."""
    found: list[SpooledRow] = []
    for offset, length in document.segments:
        stream.seek(offset)
        found += [(number, *unpack(picked)) for number, picked in _decoder.decode(stream.read(length))]
    return found


def customer_key(document: SpooledDocument) -> tuple[str, bool]:
    """(external id, is a walk-in) of the document's customer; ("", False) if it names none.

    Spreadsheets write whole numbers as 17850.0; the customer is 17850.
    """
    if document.customer:
        return whole(document.customer), False
    return (f"walk-in:{document.walk_in}", True) if document.walk_in else ("", False)


def whole(text: str) -> str:
    """17850 for 17850.0, anything else as it is."""
    number = text.removesuffix(".0")
    return number if number.isdigit() else text


def _bad(spooled: Spool, row: Row | BadRow, document: int, before: str) -> str:
    """Note a row that no document can take; what is wrong with the documents around it, "" if it is an empty row."""
    if not isinstance(row, BadRow):
        if not any(value.strip() for value in row[1]):
            return ""
        row = BadRow(row[0], "this row names no document")
    number, reason, values = row.number, row.reason, row.values
    spooled.bad_rows[number] = reason
    spoils = f"row {number} may belong to this document and can't be used: {reason}"
    named = values[document].strip() if len(values) > document else ""
    for name in (named, before):
        if name:
            spooled.spoiled.setdefault(name, spoils)
    return spoils


def _write(
    stream: BinaryIO, documents: dict[str, SpooledDocument], name: str, run: Sequence[_Picked], first: Values
) -> None:
    document = documents.get(name)
    if document is None:
        document = documents[name] = SpooledDocument(
            name=name,
            customer=first[_CUSTOMER],
            walk_in=first[_WALK_IN],
            customer_name=first[_CUSTOMER_NAME],
            issued_on=first[_ISSUED_ON],
            first_row=run[0][0],
            row_count=0,
            segments=[],
        )
    octets = _encoder.encode(run)
    document.segments.append((stream.tell(), len(octets)))
    document.row_count += len(run)
    stream.write(octets)
