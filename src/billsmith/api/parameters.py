"""Query parameters: what an endpoint takes, and how what was sent is read: known names, each once."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from billsmith.errors import Invalid

_MOST_PARAMETERS = 100
_LONGEST_VALUE = 1000
_DEEP = re.compile(r"([a-z_]+)\[(.*)\]", re.DOTALL)
_CONTROL = re.compile("[\0-\x1f\x7f]")


class ParameterInvalid(Invalid):
    """A query parameter that is unknown, repeated, or has a value that it can't have; `parameter` names it."""

    code = "parameter_invalid"


class Parameter(msgspec.Struct, frozen=True):
    """A query parameter as it is documented. `deep` ones are sent as `name[key]=value`, `keys` says with which keys."""

    name: str
    schema: dict[str, Any]
    description: str
    deep: bool = False
    keys: tuple[str, ...] = ()


PREVIEW = Parameter(
    "preview",
    {"type": "string", "enum": ["true", "false"], "default": "false"},
    "`true`: show what it would come to, to the cent, and change nothing.",
)


def parameter_invalid(name: str, detail: str) -> ParameterInvalid:
    """The error that names the parameter."""
    return ParameterInvalid(detail, facts={"parameter": name[:200]})


def read_query(query: bytes, parameters: Iterable[Parameter]) -> dict[str, str]:
    """What was sent, by full name (`created_at[gte]`). Raises ParameterInvalid."""
    if not query:
        return {}
    try:
        pairs = parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MOST_PARAMETERS,
        )
    except ValueError:
        raise ParameterInvalid("the query string can't be read: it is not URL-encoded UTF-8, or too long") from None
    known = {parameter.name: parameter for parameter in parameters}
    found: dict[str, str] = {}
    for name, value in pairs:
        _check(known, name, value)
        if name in found:
            raise parameter_invalid(name, f"the parameter {name[:80]!r} is there twice")
        found[name] = value
    return found


def deep(query: dict[str, str], name: str) -> dict[str, str]:
    """The values of a deep parameter by key."""
    return {
        match.group(2): value
        for sent, value in query.items()
        if (match := _DEEP.fullmatch(sent)) and match.group(1) == name
    }


def words(query: dict[str, str], name: str, choices: Iterable[str]) -> tuple[str, ...]:
    """The comma-separated values of a parameter, each one of the choices. Raises ParameterInvalid."""
    if name not in query:
        return ()
    found, allowed = query[name].split(","), tuple(choices)
    for word in found:
        if word not in allowed:
            raise parameter_invalid(name, f"{word[:80]!r} is none of {', '.join(allowed)}")
    return tuple(dict.fromkeys(found))


def one_of(query: dict[str, str], name: str, choices: Iterable[str], default: str | None = None) -> str | None:
    """The value of a parameter, one of the choices. Raises ParameterInvalid."""
    value, allowed = query.get(name, default), tuple(choices)
    if value is not None and value not in allowed:
        raise parameter_invalid(name, f"{value[:80]!r} is none of {', '.join(allowed)}")
    return value


def whole_number(query: dict[str, str], name: str, default: int, least: int, most: int) -> int:
    """The value of a parameter as a number within bounds. Raises ParameterInvalid."""
    text = query.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > len(str(most)) or not least <= int(text) <= most:
        raise parameter_invalid(name, f"{name} is a whole number from {least} to {most}")
    return int(text)


def _check(known: dict[str, Parameter], name: str, value: str) -> None:
    match = _DEEP.fullmatch(name)
    parameter = known.get(match.group(1) if match else name)
    if parameter is None or parameter.deep != bool(match):
        raise parameter_invalid(name, f"there is no parameter {name[:80]!r} here")
    if match and parameter.keys and match.group(2) not in parameter.keys:
        raise parameter_invalid(name, f"{parameter.name} can be bounded by {', '.join(parameter.keys)}")
    if len(value) > _LONGEST_VALUE or _CONTROL.search(value) or _CONTROL.search(name):
        raise parameter_invalid(name, f"the value of {name[:80]!r} is too long, or has control characters in it")
