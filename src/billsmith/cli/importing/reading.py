"""Rows of a file: CSV or JSON lines, plain or gzipped."""

import csv
import gzip
import json
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec

from billsmith.cli.importing.mapping import FIELDS, REQUIRED
from billsmith.errors import Invalid, NotFound

_LONGEST_FIELD = 1_000_000
_LONGEST_LINE = 8_000_000
_SHOWN = 10_000
_SURROGATE = re.compile("[\ud800-\udfff]")


class FileUnreadable(Invalid):
    """Not a CSV or JSON lines file in UTF-8."""

    code = "file_unreadable"


class FileMissing(NotFound):
    """No file of this name."""

    code = "file_missing"


class _LineTooLong(ValueError):
    """No file of rows has lines like this one."""


_UNREADABLE = (UnicodeDecodeError, csv.Error, OSError, EOFError, zlib.error, _LineTooLong)


class BadRow(msgspec.Struct, frozen=True, gc=False):
    """A row that can't be taken apart: why, the text it has, and as much of its values as could be told."""

    number: int
    reason: str
    text: str = ""
    values: tuple[str, ...] = ()


Row = tuple[int, Sequence[str]]
"""A row's number in the file (the first after the header is 1) and its values in the order of the columns."""


OPTIONAL = tuple(field for field in FIELDS if field not in REQUIRED)


def columns_of(path: Path, optional: Sequence[str] = OPTIONAL) -> list[str]:
    """The header of a CSV file, or the keys of the first JSON line. Raises FileMissing, FileUnreadable.

    Later JSON lines may have fields that the first had no value for: each of the `optional` ones is a column.
    """
    with _opened(path) as stream:
        try:
            if not is_json_lines(path):
                return next(csv.reader(_lines(stream)), [])
            first = next((line for line in _lines(stream) if line.strip()), "{}")
            keys = list(_parsed(first))
            return keys + [field for field in optional if field not in keys] if keys else []
        except (*_UNREADABLE, ValueError, RecursionError) as error:
            raise FileUnreadable(f"{path}: {error}") from error


def rows(path: Path, columns: Sequence[str]) -> Iterator[Row | BadRow]:
    """Every row in order. Raises FileUnreadable when the file ends being one (bad gzip, not UTF-8)."""
    with _opened(path) as stream:
        try:
            yield from _json_rows(stream, columns) if is_json_lines(path) else _csv_rows(stream, len(columns))
        except _UNREADABLE as error:
            raise FileUnreadable(f"{path}: {error}") from error


def is_json_lines(path: Path) -> bool:
    """Whether the name says JSON lines (.jsonl, .ndjson, with or without .gz)."""
    return path.name.lower().removesuffix(".gz").endswith((".jsonl", ".ndjson"))


def _opened(path: Path) -> IO[str]:
    if not path.is_file():
        raise FileMissing(f"there is no file {path}")
    try:
        if path.name.lower().endswith(".gz"):
            return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
        return path.open("rt", encoding="utf-8-sig", newline="")
    except OSError as error:
        raise FileUnreadable(f"{path}: {error}") from error


def _lines(stream: IO[str]) -> Iterator[str]:
    """Lines with their ends. Raises _LineTooLong."""
    while line := stream.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise _LineTooLong(f"one of its lines has more than {_LONGEST_LINE:,} characters")
        yield line


def _csv_rows(stream: IO[str], width: int) -> Iterator[Row | BadRow]:
    csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.reader(_lines(stream), strict=True)
    next(reader, None)
    number = 0
    while True:
        number += 1
        try:
            for values in reader:
                if len(values) == width:
                    yield number, values
                elif any(values):
                    text = ",".join(values)[:_SHOWN]
                    reason = f"this row has {len(values)} columns, the header {width}"
                    yield BadRow(number, reason, text, tuple(values))
                number += 1
        except csv.Error as error:
            yield BadRow(number, f"this row is no CSV: {error}")  # the reader goes on with the next line
        else:
            return


def _json_rows(stream: IO[str], columns: Sequence[str]) -> Iterator[Row | BadRow]:
    known = set(columns)
    for number, line in enumerate(_lines(stream), 1):
        if not line.strip():
            continue
        try:
            entry = _parsed(line)
        except (ValueError, RecursionError) as error:
            yield BadRow(number, f"this line is no JSON object: {error}", line[:_SHOWN])
            continue
        values = tuple(_text(entry.get(column)) for column in columns)
        if any(isinstance(value, dict | list) for value in entry.values()):
            yield BadRow(number, "a line is an object of plain values", line[:_SHOWN], values)
        elif unknown := [key for key in entry if key not in known]:
            reason = f"this line has keys that the first line has not: {', '.join(unknown)[:200]}"
            yield BadRow(number, reason, line[:_SHOWN], values)
        else:
            yield number, values


def _parsed(line: str) -> dict[str, Any]:
    """One line's object, numbers as the text they are: nothing passes through a float. Raises ValueError."""
    entry = json.loads(line, parse_float=str, parse_int=str, parse_constant=str, object_pairs_hook=_each_key_once)
    if not isinstance(entry, dict):
        raise ValueError("a line is an object of plain values")
    if "\\u" in line and any(_SURROGATE.search(f"{key}{value}") for key, value in entry.items()):
        raise ValueError("there is half a character in it")
    return entry


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entry = dict(pairs)
    if len(entry) != len(pairs):
        raise ValueError("a key stands twice in it")
    return entry


def _text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
