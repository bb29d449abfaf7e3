"""An endpoint: what it takes and answers, declared once for serving and for documenting, and the way in to it."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from structlog.contextvars import bind_contextvars

from billsmith.actions.calls import Answer, Call, Outcome
from billsmith.actions.context import Context
from billsmith.actions.customers import get_customer, resolve_customer
from billsmith.actions.tenants import Caller
from billsmith.api.auth import Callers, may
from billsmith.api.body import FieldInvalid, read_body, read_json
from billsmith.api.idempotency import REPLAYED, HeaderInvalid, key_in, keyed_by
from billsmith.api.limits import RateLimit, body_within
from billsmith.api.parameters import Parameter, one_of, read_query, words
from billsmith.api.problems import MediaTypeUnsupported
from billsmith.core.ids import CustomerId, find_id, show_id
from billsmith.core.tenants import Scope, Tenant
from billsmith.core.text import DESCRIPTION_LENGTH, UnusableText, line_of_text

REASON_HEADER = "Billsmith-Reason"
JSON = "application/json"

T = TypeVar("T")


class Doors(msgspec.Struct, frozen=True):
    """What every request passes: the context of the actions, who asks, and how often they may."""

    context: Context
    callers: Callers
    rate: RateLimit


class Asked(msgspec.Struct, frozen=True):
    """A request that came in: its caller is known and may do this, its query and body are read."""

    doors: Doors
    caller: Caller
    request: Request
    request_id: str
    query: dict[str, str]
    octets: bytes
    body: Any

    @property
    def context(self) -> Context:
        """What actions are given."""
        return self.doors.context

    @property
    def preview(self) -> bool:
        """Whether it is only to be shown what it would come to."""
        return one_of(self.query, "preview", ("true", "false"), "false") == "true"

    @property
    def tenant(self) -> Tenant:
        """For whom the request is."""
        return self.caller.tenant

    def id(self, kind: str) -> UUID:
        """The id in the path. Raises NotFound."""
        return find_id(kind, self.request.path_params["id"])

    def expand(self, *choices: str) -> tuple[str, ...]:
        """What is asked for in full. Raises ParameterInvalid."""
        return words(self.query, "expand", choices)

    async def customer_in_query(self) -> CustomerId | None:
        """The customer that a list is narrowed down to. Raises CustomerNotFound, for a list of nobody is a mistake."""
        if "customer" not in self.query:
            return None
        id_ = await resolve_customer(self.context, self.tenant, self.query["customer"])
        await get_customer(self.context, self.tenant, id_)
        return id_

    async def carry_out(
        self,
        verb: Callable[[Call], Awaitable[Outcome[T]]],
        show: Callable[[T], Any],
        *,
        status: int = 200,
        show_once: Callable[[T], Any] | None = None,
    ) -> Response:
        """The answer to a verb: fresh, or as it was stored under the idempotency key.

        `show_once` has what may be told only now and is never stored.
        """

        def reply(result: T) -> Answer:
            return Answer(status, msgspec.json.encode(show(result)))

        outcome = await verb(self._call(reply))
        if outcome.replayed:
            assert outcome.answer is not None
            return Response(outcome.answer.body, outcome.answer.status, REPLAYED, JSON)
        if show_once is not None:
            return answer(show_once(outcome.fresh), status)
        stored = outcome.answer or reply(outcome.fresh)
        return Response(stored.body, stored.status, None, JSON)

    def _call(self, reply: Callable[[Any], Answer]) -> Call:
        keyed = keyed_by(self.request, self.octets, reply) if self.request.method in ("POST", "PATCH") else None
        actor = show_id("key", self.caller.key_id)
        return Call(self.tenant, actor, self.request_id, reason_in(self.request), keyed)


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path under /v1."""

    method: str
    path: str
    name: str
    summary: str
    description: str = ""
    scope: Scope
    run: Callable[[Asked], Awaitable[Response]]
    moves_money: bool = False
    """Whether it may only be asked for with an idempotency key."""
    body: type | None = None
    read: Callable[[Any], Any] | None = None
    """How a JSON document becomes the body, where that is not just taking its shape."""
    example: str | None = None
    """Which of the examples of bodies is shown."""
    parameters: tuple[Parameter, ...] = ()
    answers: type
    lists: bool = False
    """Whether `answers` come as a page."""
    status: int = 200
    problems: tuple[int, ...] = ()
    """Statuses it may refuse with, beside those that every endpoint has."""


def answer(shown: Any, status: int = 200) -> Response:
    """An object or page as JSON."""
    return Response(msgspec.json.encode(shown), status, None, JSON)


async def enter(doors: Doors, endpoint: Endpoint, request: Request) -> Response:
    """Let a request in and run the endpoint. Raises every kind of error; nothing is read before the key is known."""
    caller = await doors.callers.find(request.headers.get("authorization"))
    bind_contextvars(tenant=show_id("tenant", caller.tenant.id), key=show_id("key", caller.key_id))  # for the logs
    doors.rate.take(caller.key_id)
    may(caller, endpoint.scope)
    keyed = request.method in ("POST", "PATCH")
    if keyed:
        key_in(request, needed=endpoint.moves_money)
    if request.method not in ("GET", "HEAD"):
        reason_in(request)
    octets = await body_within(request) if keyed or request.method == "PUT" else b""
    asked = Asked(
        doors=doors,
        caller=caller,
        request=request,
        request_id=request.scope["request_id"],
        query=read_query(request.scope["query_string"], endpoint.parameters),
        octets=octets,
        body=_body(endpoint, request, octets),
    )
    return await endpoint.run(asked)


def reason_in(request: Request) -> str | None:
    """Why the caller does this, kept with every transfer and event that comes of it. Raises HeaderInvalid."""
    sent = request.headers.get(REASON_HEADER)
    if sent is None:
        return None
    try:
        return line_of_text(sent.encode("latin-1").decode(), DESCRIPTION_LENGTH, "")
    except (UnusableText, UnicodeDecodeError) as error:
        raise HeaderInvalid(f"the reason can't be used: {error}"[:200], facts={"header": REASON_HEADER}) from None


def _body(endpoint: Endpoint, request: Request, octets: bytes) -> Any:
    if endpoint.body is not None:
        _says_json(request)
        return read_body(octets, endpoint.body) if endpoint.read is None else endpoint.read(read_json(octets))
    if octets.strip():
        _says_json(request)
        if read_json(octets) != {}:
            raise FieldInvalid("nothing is taken in the body here", pointer="")
    return None


def _says_json(request: Request) -> None:
    kind = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if kind != JSON and not kind.endswith("+json"):
        raise MediaTypeUnsupported(f"the body is {kind[:80]!r}; send it as {JSON}")
