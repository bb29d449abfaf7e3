"""Bodies, read strictly: one meaning or none, every mistake named by a JSON pointer, nothing silently dropped."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import msgspec

from billsmith.core.text import escape_pointer, pointer_under
from billsmith.errors import Invalid

T = TypeVar("T")

_PLACE = re.compile(r" - at `\$(.*)`\Z", re.DOTALL)
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
_NAMED = re.compile(r"Object (contains unknown|missing required) field `(.*)`\Z", re.DOTALL)
_SAID = {
    "Invalid RFC3339 encoded datetime": "this is no instant, such as 2026-03-31T00:00:00Z",
    "Expected `datetime` with a timezone component": "this instant has no zone; 2026-03-31T00:00:00Z has one",
    "Invalid RFC3339 encoded date": "this is no date of the calendar, such as 2026-03-31",
}
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_HINTS = {
    "amount": "an amount is a whole number of minor units, such as 1500 for 15.00",
    "quantity": 'a quantity is a decimal in a string, such as "2.5"',
    "unit_price": 'a unit price is a decimal in a string, such as "0.30"',
    "percent": 'a percentage is a decimal in a string, such as "19"',
}


class JsonMalformed(Invalid):
    """A body that is no JSON, or has two meanings."""

    code = "json_malformed"


class FieldInvalid(Invalid):
    """A field that is unknown, missing, or of another type."""

    code = "field_invalid"


class CharacterUnusable(Invalid):
    """A text with a NUL or half a character in it."""

    code = "character_unusable"


def read_body(body: bytes, shape: type[T]) -> T:
    """The body as a value of `shape`. Raises JsonMalformed, CharacterUnusable, FieldInvalid."""
    return shaped(read_json(body), shape)


def read_json(body: bytes) -> Any:
    """The JSON document; whole numbers are exact, all others are floats, which no field takes.

    Raises JsonMalformed, CharacterUnusable.
    """
    if not body.strip():
        raise JsonMalformed("the body is empty; a JSON object is needed", pointer="")
    try:
        document = json.loads(body.decode(), object_pairs_hook=_object)
    except RecursionError:
        raise JsonMalformed("this JSON is nested too deeply", pointer="") from None
    except UnicodeDecodeError:
        raise JsonMalformed("the body is not UTF-8", pointer="") from None
    except ValueError as error:
        raise JsonMalformed(f"the body is not JSON: {error}"[:200], pointer="") from None
    if b"\\u" in body:
        _usable(document)
    return document


def shaped(document: Any, shape: type[T]) -> T:
    """A JSON document as a value of `shape`. Raises FieldInvalid with the pointer of the first field that is wrong."""
    try:
        return msgspec.convert(document, shape)
    except msgspec.ValidationError as error:
        raise _field_invalid(str(error), document) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise JsonMalformed(f"one object has the field {twice[:80]!r} twice", pointer="")
    return found


def _usable(document: Any) -> None:
    for pointer, text in _texts(document):
        if _NO_TEXT.search(text):
            raise CharacterUnusable("this text has a NUL or half a character in it", pointer=pointer)


def _texts(document: Any) -> Iterator[tuple[str, str]]:
    """Every text of a document, names of fields included, with where it stands."""
    waiting = [("", document)]
    while waiting:
        pointer, value = waiting.pop()
        if isinstance(value, str):
            yield pointer, value
        elif isinstance(value, dict):
            yield from ((pointer, name) for name in value)
            waiting += [(pointer_under(pointer, name), entry) for name, entry in value.items()]
        elif isinstance(value, list):
            waiting += [(f"{pointer}/{position}", entry) for position, entry in enumerate(value)]


def _field_invalid(said: str, document: Any) -> FieldInvalid:
    """msgspec names one place in a notation of its own: `$.items[0].amount`."""
    place = _PLACE.search(said)
    sentence = said[: place.start()] if place else said
    steps = [name or number for name, number in _STEP.findall(place.group(1))] if place else []
    if place and place.group(1).endswith("[...]"):
        steps += _first_that_is_no_text(document, steps)
    if named := _NAMED.match(sentence):
        steps.append(named.group(2)[:200])
        unknown = named.group(1) == "contains unknown"
        sentence = f"there is no field {steps[-1]!r} here" if unknown else f"the field {steps[-1]!r} is missing"
    elif sentence in _SAID:
        sentence = _SAID[sentence]
    elif steps and steps[-1] in _HINTS:
        sentence = f"{sentence}: {_HINTS[steps[-1]]}"
    return FieldInvalid(sentence[:400], pointer="".join(f"/{escape_pointer(step)}" for step in steps))


def _first_that_is_no_text(document: Any, steps: Iterable[str]) -> list[str]:
    """The entry of a map of texts that is something else: all that msgspec says of it is that there is one."""
    for step in steps:
        document = document[int(step)] if isinstance(document, list) else document[step]
    return [next(name for name, entry in document.items() if not isinstance(entry, str))]
