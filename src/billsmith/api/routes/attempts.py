"""/v1/attempts"""

from starlette.responses import Response

from billsmith.actions.money import unknown
from billsmith.actions.money_objects import AttemptObject, attempt_object
from billsmith.api.endpoints import Asked, Endpoint, answer
from billsmith.api.filters import Listed
from billsmith.api.paging import Cursor, page_of
from billsmith.api.schemas.attempts import AttemptToResolve
from billsmith.core.payments.results import OperationKind
from billsmith.core.tenants import Scope

ATTEMPTS = "/v1/attempts"
ATTEMPT = ATTEMPTS + "/{id}"

ATTEMPTS_LISTED = Listed(
    choices={"status": ("unknown",), "kind": tuple(OperationKind)},
    texts=("currency",),
    instants=("created_at",),
    customer=True,
)


async def list_unknown(asked: Asked) -> Response:
    """A page of attempts whose outcome nobody knows."""
    filters = ATTEMPTS_LISTED.read(asked.query, asked.tenant, await asked.customer_in_query())
    found = await unknown.list_unknown(asked.context, asked.tenant, filters)
    return answer(page_of(found, filters.limit, attempt_object, lambda attempt: Cursor(attempt.id)))


async def get_attempt(asked: Asked) -> Response:
    """One attempt."""
    return answer(attempt_object(await unknown.get_attempt(asked.context, asked.tenant, asked.id("attempt"))))


async def resolve(asked: Asked) -> Response:
    """Decide an attempt on a person's word."""
    given: AttemptToResolve = asked.body
    id_, resolution = asked.id("attempt"), given.resolution()
    return await asked.carry_out(
        lambda call: unknown.resolve_attempt(asked.context, call, id_, resolution), attempt_object
    )


ENDPOINTS = (
    Endpoint(
        method="GET", path=ATTEMPTS, name="listUnknownAttempts", summary="List attempts that need attention",
        description="Calls to a gateway whose outcome nobody knows. They are asked about again by themselves.",
        run=list_unknown, scope=Scope.READ, parameters=ATTEMPTS_LISTED.parameters(), answers=AttemptObject, lists=True,
        problems=(404,),
    ),
    Endpoint(
        method="GET", path=ATTEMPT, name="getAttempt", summary="Get an attempt", run=get_attempt, scope=Scope.READ,
        answers=AttemptObject, problems=(404,),
    ),
    Endpoint(
        method="POST", path=ATTEMPT + "/resolve", name="resolveAttempt", summary="Resolve an unknown attempt",
        description="By a person, with evidence: all that follows from the outcome is done. Only while it is unknown.",
        run=resolve, scope=Scope.ADMIN, moves_money=True, body=AttemptToResolve, example="resolution",
        answers=AttemptObject, problems=(404, 409),
    ),
)  # fmt: skip
