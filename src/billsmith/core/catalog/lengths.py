"""Lengths as people write them: by name (`monthly`), in words (`14 days`), or by number and unit."""

import re
from typing import cast

from billsmith.core.catalog.given import LengthGiven
from billsmith.core.cycles.lengths import NAMED, Length, LengthInvalid, Unit, checked_length

_WORDS = re.compile(r"([0-9]{1,4}) (day|week|month|year)s?")
_NAMES = {length: name for name, length in NAMED.items()}


def length_of(given: str | LengthGiven, pointer: str) -> Length:
    """The length that is meant. Raises LengthInvalid."""
    if isinstance(given, LengthGiven):
        return checked_length(Length(given.unit, given.every), pointer)
    if given in NAMED:
        return NAMED[given]
    if words := _WORDS.fullmatch(given):
        return checked_length(Length(cast(Unit, words[2]), int(words[1])), pointer)
    raise LengthInvalid(
        f"{given[:60]!r} is no length; there are {', '.join(NAMED)}, and 14 days, 3 months, …", pointer=pointer
    )


def show_length(length: Length) -> str:
    """The length as it is written, by its name if it has one."""
    if length in _NAMES:
        return _NAMES[length]
    return f"{length.every} {length.unit}{'' if length.every == 1 else 's'}"
