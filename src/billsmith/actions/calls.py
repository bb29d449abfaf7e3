"""One call of one verb: who asks and why, its idempotency key, and the one transaction it is carried out in."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Generic, TypeVar

import msgspec

from billsmith.actions.context import Context
from billsmith.core.ids import CauseId, shard_of
from billsmith.core.tenants import Tenant
from billsmith.errors import Conflict, Invalid
from billsmith.store import idempotency
from billsmith.store.events import Cause, insert_cause
from billsmith.store.pool import Connection
from billsmith.store.transaction import transact

KEYS_KEPT = timedelta(days=30)

T = TypeVar("T")


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What a door says, as it is stored under a key: never read here."""

    status: int
    body: bytes


class Keyed(msgspec.Struct, frozen=True, gc=False):
    """An idempotency key, the fingerprint of what was sent with it, and how the result becomes an answer."""

    key: str
    fingerprint: bytes
    reply: Callable[[Any], Answer]


class Call(msgspec.Struct, frozen=True, gc=False):
    """Who asks for a verb, for which tenant, why, and in which request; `keyed` if it must happen once only."""

    tenant: Tenant
    actor: str
    request_id: str
    reason: str | None = None
    keyed: Keyed | None = None


class Outcome(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """What came of a call: the result, its answer if it was keyed; or, replayed, only the answer stored before."""

    result: T | None
    answer: Answer | None = None
    replayed: bool = False

    @property
    def fresh(self) -> T:
        """The result of a call that can't have been a repeat, because it had no key."""
        assert self.result is not None, "this outcome was replayed"
        return self.result


class KeyReused(Invalid):
    """The same idempotency key with another request."""

    code = "idempotency_key_reused"


class KeyRunning(Conflict):
    """The first call with this key has not ended yet."""

    code = "idempotency_key_running"


async def carry_out(context: Context, call: Call, verb: Callable[[Connection, Cause], Awaitable[T]]) -> Outcome[T]:
    """Do `verb` in one transaction, under its key if it has one; the answer is stored in that same transaction.

    A repeat gets the stored answer. An error rolls back everything, the key too, so that it can be used again. A call
    without a key always has a result. Raises KeyReused, KeyRunning and whatever the verb raises.
    """

    async def work(connection: Connection) -> Outcome[T]:
        keyed = call.keyed
        if keyed is not None and (stored := await _stored_answer(connection, context, call, keyed)) is not None:
            return Outcome(None, stored, replayed=True)
        cause = cause_of(context, call)
        await insert_cause(connection, cause)
        result = await verb(connection, cause)
        if keyed is None:
            return Outcome(result)
        answer = keyed.reply(result)
        await idempotency.complete_key(connection, call.tenant.id, keyed.key, answer.status, answer.body)
        return Outcome(result, answer)

    return await transact(context.pool, work)


def cause_of(context: Context, call: Call) -> Cause:
    """The cause that this call's transfers and events will name."""
    return Cause(
        tenant_id=call.tenant.id,
        id=CauseId(context.ids.new(shard_of(call.tenant.id))),
        actor=call.actor,
        reason=call.reason,
        request_id=call.request_id,
        caused_at=context.clock.of(call.tenant),
    )


async def _stored_answer(connection: Connection, context: Context, call: Call, keyed: Keyed) -> Answer | None:
    tenant_id = call.tenant.id
    expires_at = context.clock.wall() + KEYS_KEPT
    if await idempotency.take_key(connection, tenant_id, keyed.key, keyed.fingerprint, expires_at):
        return None
    stored = await idempotency.get_key(connection, tenant_id, keyed.key)
    if stored is None:
        raise KeyRunning("the first call with this key was just undone; try again")
    if stored.fingerprint != keyed.fingerprint:
        raise KeyReused("this idempotency key was used for another request", pointer="")
    if stored.answer is None or stored.answer_status is None:
        raise KeyRunning("the first call with this key is still running; try again in a moment")
    return Answer(stored.answer_status, stored.answer)
