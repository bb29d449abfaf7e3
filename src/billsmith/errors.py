"""Errors, one class per reason, each of a kind that the doors translate once.

A class is raised where its rule lives and carries a stable `code`. The five kinds below (and `Unauthenticated`) are all
that the API knows; it never branches on a message. Kind → HTTP status: `api/problems.py`.
"""

from typing import ClassVar


class FieldError:
    """One thing wrong with one field: a JSON pointer into what was sent and a sentence about it."""

    __slots__ = ("detail", "pointer")

    def __init__(self, pointer: str, detail: str) -> None:
        self.pointer = pointer
        self.detail = detail


class BillsmithError(Exception):
    """What went wrong, for a person (`detail`) and for a program (`code`, `pointer`, `errors`, `facts`).

    `facts` are further members of the problem document, such as the id of the object that is in the way.
    """

    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something went wrong"

    def __init__(
        self,
        detail: str,
        *,
        pointer: str | None = None,
        errors: tuple[FieldError, ...] = (),
        facts: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors or ((FieldError(pointer, detail),) if pointer is not None else ())
        self.facts = facts or {}

    def under(self, prefix: str) -> "BillsmithError":
        """The same error with every pointer moved below `prefix` (an item of a batch, a nested object)."""
        self.errors = tuple(FieldError(prefix + error.pointer, error.detail) for error in self.errors)
        return self


class Invalid(BillsmithError):
    """What was sent can't be meant: fix the input. HTTP 422."""

    code = "invalid"
    title = "The input is not valid"


class Unauthenticated(BillsmithError):
    """No key, or one that is unknown or revoked. HTTP 401."""

    code = "unauthenticated"
    title = "A valid API key is needed"


class NotFound(BillsmithError):
    """There is no such object for this tenant. HTTP 404."""

    code = "not_found"
    title = "There is no such object"


class Conflict(BillsmithError):
    """The input is fine, the object's state is not. HTTP 409."""

    code = "conflict"
    title = "The state of the object does not allow this"


class Refused(BillsmithError):
    """Understood and possible, but not for this caller. HTTP 403."""

    code = "refused"
    title = "This is not allowed"


class Unavailable(BillsmithError):
    """Something that Billsmith needs can't be reached now; nothing was stored. HTTP 503."""

    code = "unavailable"
    title = "Not available right now"
