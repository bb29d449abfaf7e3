"""Rows of a file: CSV or JSON lines, plain or gzipped."""

import csv
import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import msgspec

from billsmith.errors import Invalid, NotFound

_LONGEST_FIELD = 1_000_000


class FileUnreadable(Invalid):
    """Not a CSV or JSON lines file in UTF-8."""

    code = "file_unreadable"


class FileMissing(NotFound):
    """No file of this name."""

    code = "file_missing"


class BadRow(msgspec.Struct, frozen=True, gc=False):
    """A row that can't be taken apart."""

    number: int
    reason: str


Row = tuple[int, Sequence[str]]
"""A row's number in the file (the first after the header is 1) and its values in the order of the columns."""


def columns_of(path: Path) -> list[str]:
    """The header of a CSV file, or the keys of the first JSON line. Raises FileMissing, FileUnreadable."""
    with _opened(path) as stream:
        try:
            if is_json_lines(path):
                return list(json.loads(stream.readline() or "{}"))
            return next(csv.reader(stream), [])
        except (ValueError, csv.Error, OSError, AttributeError, TypeError) as error:
            raise FileUnreadable(f"{path}: {error}") from error


def rows(path: Path, columns: Sequence[str]) -> Iterator[Row | BadRow]:
    """Every row in order. Raises FileUnreadable when the file ends being one (bad gzip, not UTF-8)."""
    with _opened(path) as stream:
        try:
            yield from _json_rows(stream, columns) if is_json_lines(path) else _csv_rows(stream, len(columns))
        except (UnicodeDecodeError, csv.Error, OSError, EOFError) as error:
            raise FileUnreadable(f"{path}: {error}") from error


def is_json_lines(path: Path) -> bool:
    """Whether the name says JSON lines (.jsonl, .ndjson, with or without .gz)."""
    return path.name.removesuffix(".gz").endswith((".jsonl", ".ndjson"))


def _opened(path: Path) -> IO[str]:
    if not path.is_file():
        raise FileMissing(f"there is no file {path}")
    if path.name.endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open("rt", encoding="utf-8-sig", newline="")


def _csv_rows(stream: IO[str], width: int) -> Iterator[Row | BadRow]:
    csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.reader(stream)
    next(reader, None)
    for number, values in enumerate(reader, 1):
        if len(values) == width:
            yield number, values
        elif values:
            yield BadRow(number, f"this row has {len(values)} columns, the header {width}")


def _json_rows(stream: IO[str], columns: Sequence[str]) -> Iterator[Row | BadRow]:
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        try:
            # Numbers stay the text they are: nothing passes through a float.
            entry = json.loads(line, parse_float=str, parse_int=str)
        except (ValueError, RecursionError) as error:
            yield BadRow(number, f"this line is no JSON: {error}")
            continue
        if not isinstance(entry, dict) or any(isinstance(value, dict | list) for value in entry.values()):
            yield BadRow(number, "a line is an object of plain values")
        elif unknown := [key for key in entry if key not in columns]:
            yield BadRow(number, f"this line has keys that the first line has not: {', '.join(unknown)[:200]}")
        else:
            yield number, [_text(entry.get(column)) for column in columns]


def _text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
