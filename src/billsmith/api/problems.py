"""Problem documents (RFC 9457): every error, wherever it comes from, in one format; kind → HTTP status stands here."""

from typing import Any

import msgspec
from starlette.responses import Response

from billsmith.actions.calls import KeyRunning
from billsmith.errors import (
    BillsmithError,
    Conflict,
    Invalid,
    NotFound,
    Refused,
    Unauthenticated,
    Unavailable,
)

MEDIA_TYPE = "application/problem+json"
CHALLENGES = 'Bearer realm="Billsmith", Basic realm="Billsmith"'


class PathUnknown(NotFound):
    """Nothing is served under this path."""

    code = "path_unknown"
    title = "There is nothing under this path"


class MethodNotAllowed(Refused):
    """The path exists, but not with this method; the Allow header names those it has."""

    code = "method_not_allowed"
    title = "This path does not have this method"


class BodyTooLarge(Invalid):
    """More than a request may carry."""

    code = "body_too_large"
    title = "The request is too large"


class MediaTypeUnsupported(Invalid):
    """A body that does not say it is JSON."""

    code = "media_type_unsupported"
    title = "The body must be JSON"


class TooManyRequests(Refused):
    """This key asks faster than it may."""

    code = "too_many_requests"
    title = "This key asks too often"


STATUS: dict[type[BillsmithError], int] = {
    Invalid: 422,
    Unauthenticated: 401,
    NotFound: 404,
    Conflict: 409,
    Refused: 403,
    Unavailable: 503,
    MethodNotAllowed: 405,
    BodyTooLarge: 413,
    MediaTypeUnsupported: 415,
    TooManyRequests: 429,
}
RETRY_AFTER_SECONDS: dict[type[BillsmithError], int] = {KeyRunning: 1, Unavailable: 2, TooManyRequests: 1}


class ProblemError(msgspec.Struct, frozen=True, gc=False):
    """One thing wrong with one field: a JSON pointer into the body that was sent, and a sentence about it."""

    pointer: str
    detail: str


class Problem(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Why a request was not carried out (RFC 9457). `code` is stable; `detail` is for people.

    Further members may name what is in the way, such as `existing`, or what is meant, such as `parameter` or `header`.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: tuple[ProblemError, ...]
    request_id: str


def status_of(error: BillsmithError) -> int:
    """The HTTP status of an error: its own if HTTP has one for just that, else its kind's; 500 for one of no kind."""
    return _of_kind(STATUS, error) or 500


def problem_of(error: BillsmithError, request_id: str, *, under: str = "") -> dict[str, Any]:
    """The members of the problem document; `under` is where in the body the one thing stands that it is about."""
    problem = Problem(
        type=f"urn:billsmith:problem:{error.code}",
        title=error.title,
        status=status_of(error),
        code=error.code,
        detail=_sendable(error.detail),
        errors=tuple(ProblemError(_sendable(under + field.pointer), _sendable(field.detail)) for field in error.errors),
        request_id=request_id,
    )
    return {**{name: _sendable(value) for name, value in error.facts.items()}, **msgspec.structs.asdict(problem)}


def problem_answer(error: BillsmithError, request_id: str, headers: dict[str, str] | None = None) -> Response:
    """The answer that says what is wrong, and when to try again where that may help."""
    status = status_of(error)
    said = dict(headers or {})
    if status == 401:
        said["WWW-Authenticate"] = CHALLENGES
    if seconds := _of_kind(RETRY_AFTER_SECONDS, error):
        said["Retry-After"] = str(seconds)
    return Response(msgspec.json.encode(problem_of(error, request_id)), status, said, MEDIA_TYPE)


def _of_kind(table: dict[type[BillsmithError], int], error: BillsmithError) -> int | None:
    return next((table[kind] for kind in type(error).__mro__ if kind in table), None)


def _sendable(text: str) -> str:
    """The text with what is no character (half of a surrogate pair that was sent to us) shown as an escape."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
