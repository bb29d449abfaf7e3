"""/v1/events"""

import re

import msgspec
from starlette.responses import Response

from billsmith.actions import deliver
from billsmith.actions.objects import EventObject
from billsmith.api.endpoints import Asked, Endpoint, answer
from billsmith.api.filters import limit_of
from billsmith.api.paging import LARGEST_LIMIT, LIMIT
from billsmith.api.parameters import Parameter, parameter_invalid, whole_number
from billsmith.core.tenants import Scope

_LARGEST_SEQUENCE = (1 << 63) - 1
_TYPE = re.compile(r"[a-z_]+\.(\*|[a-z_]+)")

PARAMETERS = (
    Parameter("after", {"type": "integer", "minimum": 0, "default": 0}, "Events behind this number; 0 begins anew."),
    Parameter(
        "limit", {"type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT, "default": LIMIT}, "How many at most."
    ),
    Parameter("type", {"type": "string"}, "Only these: `invoice.paid`, or `invoice.*` for all about invoices."),
)


class EventPage(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Events in their order. `next_after` is sent as `after` next time, whether there are more already or not.

    Of one type a page may have fewer than asked for, or none, with `has_more`: it looks through some thousand events.
    """

    object: str = "list"
    data: list[EventObject]
    has_more: bool
    next_after: int


async def list_(asked: Asked) -> Response:
    """Events behind a number, in order, each with its object as it was."""
    after = whole_number(asked.query, "after", 0, 0, _LARGEST_SEQUENCE)
    limit = limit_of(asked.query)
    pattern = _pattern(asked.query)
    found = await deliver.read_events(asked.context, asked.tenant, after, limit, pattern)
    return answer(EventPage(data=found.events, has_more=found.more, next_after=found.next_after))


def _pattern(query: dict[str, str]) -> str | None:
    """The type as a LIKE pattern. Raises ParameterInvalid."""
    text = query.get("type")
    if text is None:
        return None
    if not _TYPE.fullmatch(text):
        raise parameter_invalid("type", "a type looks like invoice.paid or invoice.*")
    return text.replace("_", r"\_").replace("*", "%")


ENDPOINTS = (
    Endpoint(
        method="GET", path="/v1/events", name="listEvents", summary="Read events", run=list_, scope=Scope.READ,
        description="Every change of state in the tenant's own order, without gaps; read on with `next_after`.",
        parameters=PARAMETERS, answers=EventPage,
    ),
)  # fmt: skip
