"""Pages: what a list answers, and the cursor that leads to the next one."""

import base64
import binascii
import struct
import zlib
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from billsmith.api.parameters import parameter_invalid

LIMIT = 20
LARGEST_LIMIT = 100

T = TypeVar("T")

_SHAPE = struct.Struct(">c16sI")
_CREATED, _ISSUED = b"c", b"i"


class Cursor(msgspec.Struct, frozen=True, gc=False):
    """The last row of a page: its id, and its date of issue where that is the order."""

    id: UUID
    issued_on: date | None = None


class Page(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Some of a list. `next_cursor` is sent as `cursor` for what follows; it is null at the end."""

    object: str = "list"
    data: list[Any]
    has_more: bool
    next_cursor: str | None


def page_of(rows: Sequence[T], limit: int, show: Callable[[T], Any], position: Callable[[T], Cursor]) -> Page:
    """The page of up to `limit` rows; one row more says that there are more."""
    shown = rows[:limit]
    more = len(rows) > limit
    return Page(
        data=[show(row) for row in shown],
        has_more=more,
        next_cursor=show_cursor(position(shown[-1])) if more else None,
    )


def show_cursor(cursor: Cursor) -> str:
    """The cursor as text: opaque to callers, checked when it comes back."""
    kind = _CREATED if cursor.issued_on is None else _ISSUED
    packed = _SHAPE.pack(kind, cursor.id.bytes, 0 if cursor.issued_on is None else cursor.issued_on.toordinal())
    return _text(packed + zlib.crc32(packed).to_bytes(4, "big"))


def read_cursor(text: str, order: str) -> Cursor:
    """The cursor behind the text of a page in this order. Raises ParameterInvalid for any other text."""
    try:
        octets = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        octets = b""
    packed, check = octets[:-4], octets[-4:]
    if len(packed) != _SHAPE.size or zlib.crc32(packed).to_bytes(4, "big") != check or _text(octets) != text:
        raise parameter_invalid("cursor", "this is not a cursor that a list gave; begin without one")
    kind, id_, day = _SHAPE.unpack(packed)
    if kind != (_ISSUED if order == "issued" else _CREATED):
        raise parameter_invalid("cursor", "this cursor is of a list in another order")
    return Cursor(UUID(bytes=id_), date.fromordinal(day) if kind == _ISSUED else None)


def _text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")
