"""The first pass: the file's mapped fields, spooled to disk, and an index of its documents.

Memory holds one small entry per document, never the rows: a document's rows may stand anywhere in the file.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from billsmith.cli.importing.mapping import FIELDS, ColumnMapping
from billsmith.cli.importing.reading import BadRow, Row

SpooledRow = tuple[int, tuple[str, ...], tuple[str, ...]]
"""A row's number, its fields in the order of FIELDS (missing ones empty), its metadata values."""

_DOCUMENT, _CUSTOMER, _CUSTOMER_NAME, _WALK_IN, _ISSUED_ON = (
    FIELDS.index(field) for field in ("document", "customer", "customer_name", "walk_in", "issued_on")
)
_REPORT_EVERY = 20_000

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[SpooledRow])


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
    """The spool file, its documents in the order of their first rows, and the rows that no document could take."""

    path: Path
    documents: list[SpooledDocument]
    rejected: dict[int, str]
    row_count: int


def spool(rows: Iterable[Row | BadRow], mapping: ColumnMapping, path: Path, on_rows: Callable[[int], None]) -> Spool:
    """Write the mapped fields of all rows to `path`; runs of rows of one document stay together."""
    documents: dict[str, SpooledDocument] = {}
    rejected: dict[int, str] = {}
    row_count = 0
    run: list[SpooledRow] = []
    current = ""
    with path.open("wb") as stream:
        for row in rows:
            row_count += 1
            if row_count % _REPORT_EVERY == 0:
                on_rows(row_count)
            if isinstance(row, BadRow):
                rejected[row.number] = row.reason
                continue
            number, values = row
            fields = tuple("" if position is None else values[position].strip() for position in mapping.positions)
            name = fields[_DOCUMENT]
            if not name:
                rejected[number] = "this row names no document"
                continue
            if name != current:
                _write(stream, documents, current, run)
                run, current = [], name
            run.append((number, fields, tuple(values[position].strip() for _, position in mapping.metadata)))
        _write(stream, documents, current, run)
    on_rows(row_count)
    return Spool(path, list(documents.values()), rejected, row_count)


def read_document(stream: BinaryIO, document: SpooledDocument) -> list[SpooledRow]:
    """The rows of a document, in the order of the file."""
    found: list[SpooledRow] = []
    for offset, length in document.segments:
        stream.seek(offset)
        found += _decoder.decode(stream.read(length))
    return found


def customer_key(document: SpooledDocument) -> tuple[str, bool]:
    """(external id, is a walk-in) of the document's customer; ("", False) if it names none.

    Spreadsheets write whole numbers as 17850.0; the customer is 17850.
    """
    if document.customer:
        return _whole(document.customer), False
    return (f"walk-in:{document.walk_in}", True) if document.walk_in else ("", False)


def _whole(text: str) -> str:
    whole = text.removesuffix(".0")
    return whole if whole.isdigit() else text


def _write(stream: BinaryIO, documents: dict[str, SpooledDocument], name: str, run: Sequence[SpooledRow]) -> None:
    if not run:
        return
    document = documents.get(name)
    if document is None:
        number, fields, _ = run[0]
        document = documents[name] = SpooledDocument(
            name=name,
            customer=fields[_CUSTOMER],
            walk_in=fields[_WALK_IN],
            customer_name=fields[_CUSTOMER_NAME],
            issued_on=fields[_ISSUED_ON],
            first_row=number,
            row_count=0,
            segments=[],
        )
    octets = _encoder.encode(run)
    document.segments.append((stream.tell(), len(octets)))
    document.row_count += len(run)
    stream.write(octets)
