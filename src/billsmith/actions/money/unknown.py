"""Attempts whose outcome nobody knows: listed for people, and resolved by one of them with evidence."""

from typing import Any, Literal
from uuid import UUID

import msgspec

from billsmith.actions.calls import Call, Outcome, carry_out
from billsmith.actions.context import Context
from billsmith.actions.money.recording import Heard, record_in
from billsmith.actions.saving import lock_standing
from billsmith.core.currencies import minor_digits
from billsmith.core.ids import AttemptId, show_id
from billsmith.core.payments.payment import Attempt
from billsmith.core.payments.results import Decline, DeclineBucket, OperationResult, OperationStatus
from billsmith.core.tenants import Tenant
from billsmith.core.text import DESCRIPTION_LENGTH, NAME_LENGTH, block_of_text, line_of_text
from billsmith.errors import Conflict, Invalid, NotFound
from billsmith.store.events import Cause
from billsmith.store.listing import Filters
from billsmith.store.money import payments as payment_rows
from billsmith.store.pool import Connection

LARGEST_AMOUNT_MINOR = 10**15 - 1


class AttemptNotFound(NotFound):
    """No such attempt of this tenant."""

    code = "attempt_not_found"


class AttemptDecided(Conflict):
    """Only an attempt whose outcome nobody knows is resolved by a person."""

    code = "attempt_decided"


class ResolutionInvalid(Invalid):
    """A resolution that can't be meant."""

    code = "resolution_invalid"


class Resolution(msgspec.Struct, frozen=True, gc=False):
    """What a person found out, and how: what the gateway's own pages, a bank statement or its support say."""

    outcome: Literal["succeeded", "failed"]
    evidence: str
    gateway_id: str | None = None
    """The gateway's id of it; needed where it succeeded."""
    amount_minor: int | None = None
    """What really moved, where it is not what was asked."""
    currency: str | None = None


async def get_attempt(context: Context, tenant: Tenant, id_: UUID) -> Attempt:
    """Raises AttemptNotFound."""
    return await _read(context.pool, tenant, id_)


async def list_unknown(context: Context, tenant: Tenant, filters: Filters) -> list[Attempt]:
    """A page of attempts whose outcome nobody knows, newest first; one more than asked for if there are more."""
    filters = msgspec.structs.replace(filters, equal={**filters.equal, "status": "unknown"})
    return await payment_rows.list_attempts(context.pool, tenant.id, filters)


async def newest_unknown(context: Context, tenant: Tenant, limit: int) -> list[Attempt]:
    """The newest of them, at most `limit`."""
    return (await list_unknown(context, tenant, Filters(limit)))[:limit]


async def resolve_attempt(context: Context, call: Call, id_: UUID, given: Resolution) -> Outcome[Attempt]:
    """Decide an attempt on a person's word: money moved, or it did not; all that follows from it is done.

    Raises AttemptNotFound, AttemptDecided unless its outcome is unknown, ResolutionInvalid, UnusableText.
    """

    async def verb(connection: Connection, cause: Cause) -> Attempt:
        attempt = await _read(connection, call.tenant, id_)
        await lock_standing(connection, call.tenant, attempt.customer_id)
        attempt = await _read(connection, call.tenant, id_)
        _open_to_people(context, attempt)
        heard = _heard(attempt, given)
        changed = await record_in(connection, context, cause, call.tenant, {attempt.id: heard}, {attempt.customer_id})
        assert changed == [attempt.id], "what is unknown takes any outcome"
        return await _read(connection, call.tenant, id_)

    return await carry_out(context, call, verb)


def _open_to_people(context: Context, attempt: Attempt) -> None:
    """Also one that was cut off and that nobody could ask about yet; never while a call may be under way."""
    if attempt.status not in ("sent", "unknown"):
        raise AttemptDecided(f"this attempt is {attempt.status}; only one whose outcome is unknown is resolved by hand")
    if attempt.lease_until > context.clock.wall():
        raise AttemptDecided("a call to the gateway may be under way; try again in a minute")


def _heard(attempt: Attempt, given: Resolution) -> Heard:
    evidence = block_of_text(given.evidence, DESCRIPTION_LENGTH, "/evidence")
    if given.outcome == "failed":
        if given.gateway_id is not None or given.amount_minor is not None or given.currency is not None:
            raise ResolutionInvalid("what failed moved nothing: it has no amount and no gateway id", pointer="/outcome")
        decline = Decline(
            DeclineBucket.RETRY_LATER, "resolved_as_failed", "The payment could not be made.", "resolved by a person"
        )
        return Heard(OperationResult(OperationStatus.FAILED, decline=decline), evidence=evidence)
    if given.gateway_id is None:
        raise ResolutionInvalid("name the gateway's own id of what succeeded", pointer="/gateway_id")
    gateway_id = line_of_text(given.gateway_id, NAME_LENGTH, "/gateway_id")
    amount = attempt.amount_minor if given.amount_minor is None else given.amount_minor
    if not 0 < amount <= LARGEST_AMOUNT_MINOR:
        raise ResolutionInvalid("the amount that moved is more than zero", pointer="/amount")
    currency = attempt.currency if given.currency is None else given.currency
    minor_digits(currency)
    result = OperationResult(OperationStatus.SUCCEEDED, gateway_id=gateway_id, amount_minor=amount, currency=currency)
    return Heard(result, evidence=evidence)


async def _read(connection: Any, tenant: Tenant, id_: UUID) -> Attempt:
    found: dict[UUID, Attempt] = await payment_rows.get_attempts(connection, tenant.id, [AttemptId(id_)])
    if id_ not in found:
        raise AttemptNotFound(f"there is no attempt {show_id('attempt', id_)}")
    return found[id_]
