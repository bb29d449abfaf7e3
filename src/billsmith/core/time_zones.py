"""Local days: which day it is in a time zone, and which time zones there are."""

from datetime import UTC, date, datetime, time
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from billsmith.errors import Invalid

EARLIEST = date(1970, 1, 1)
LATEST = date(9000, 1, 1)
"""Every date of a document, and where a sandbox's clock may stand; far enough from where dates end to add years."""

# Names that some machines have in their database: where they are depends on the machine, or is nowhere.
_NO_PLACES = {"localtime", "Factory"}


class UnknownTimeZone(Invalid):
    """Not the name of a zone in the IANA database that Billsmith carries."""

    code = "unknown_time_zone"


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(available_timezones()) - _NO_PLACES


def time_zone(name: str, pointer: str = "/time_zone") -> str:
    """The name itself. Raises UnknownTimeZone."""
    if name not in _zone_names():
        raise UnknownTimeZone(f"{name[:60]!r} is not an IANA time zone, such as Europe/Berlin", pointer=pointer)
    return name


def local_day(at: datetime, zone: str) -> date:
    """The date that it is in `zone` at the instant `at`."""
    return at.astimezone(ZoneInfo(zone)).date()


def local_midnight(on: date, zone: str) -> datetime:
    """The instant at which a day begins in `zone`; where clocks skip midnight, the moment they do so."""
    return datetime.combine(on, time.min, ZoneInfo(zone)).astimezone(UTC)
