"""One call of one verb: who asks and why, its idempotency key, and the one transaction it is carried out in."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

from billsmith.actions.context import Context
from billsmith.core.ids import CauseId, TenantId, shard_of
from billsmith.core.tenants import Tenant
from billsmith.errors import Conflict, Invalid
from billsmith.store import idempotency
from billsmith.store import tenants as tenant_rows
from billsmith.store.events import Cause, insert_cause
from billsmith.store.idempotency import StoredAnswer
from billsmith.store.pool import Connection, DatabaseUnavailable
from billsmith.store.transaction import CommitUnknown, transact

KEYS_KEPT = timedelta(days=30)
LOOK_AGAIN_AFTER_SECONDS = (0.05, 0.2, 0.5, 1, 2, 4, 8)
"""When a commit whose reply was lost is looked up; a database that restarts is back within that time, mostly."""

STEPS_LEASE = timedelta(seconds=90)
"""How long a call in several steps may take: the call to the outside is cut before."""

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
    clock_holder: UUID | None = None
    """Set on what belongs to the advance that is moving its sandbox's clock; all others have to wait for its end."""


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


class Begun(msgspec.Struct, Generic[T], frozen=True):
    """What the first transaction of a verb came to: its result so far, and what is to be done after the commit."""

    now: T
    subject: str
    """What was made or changed, as a shown id."""
    later: tuple[Any, ...] = ()


class KeyReused(Invalid):
    """The same idempotency key with another request."""

    code = "idempotency_key_reused"


class KeyRunning(Conflict):
    """The first call with this key has not ended yet."""

    code = "idempotency_key_running"


class KeyInterrupted(Exception):
    """The first call with this key was cut off after it had made `subject`: somebody has to answer in its place."""

    def __init__(self, subject: str) -> None:
        super().__init__(subject)
        self.subject = subject


class ClockMoving(Conflict):
    """The clock of this sandbox is being moved; writes wait until it stands still."""

    code = "clock_moving"


async def carry_out(
    context: Context,
    call: Call,
    verb: Callable[[Connection, Cause], Awaitable[T]],
    *,
    goes_on: Callable[[T], str | None] | None = None,
) -> Outcome[T]:
    """Do `verb` in one transaction, under its key if it has one; the answer is stored in that same transaction.

    A repeat gets the stored answer. An error rolls back everything, the key too, so that it can be used again. A call
    without a key always has a result. If the reply to the commit is lost, its cause is looked up, and `verb` is done
    again only if that is not there. `goes_on` names what is being made, where more than this transaction belongs to
    the call: then the key stays running (`carry_out_in_steps`).

    Raises KeyReused, KeyRunning, ClockMoving, CommitUnknown, and whatever the verb raises.
    """
    cause = cause_of(context, call)
    ended: list[Outcome[T]] = []

    async def work(connection: Connection) -> Outcome[T]:
        # What has ended once was sent to be committed. If its cause is there, or is just coming, it came through.
        if ended and not await insert_cause(connection, cause):
            return ended[-1]
        current = await _at_its_time(connection, context, call, cause)
        keyed = call.keyed
        if keyed is None and not ended:
            await insert_cause(connection, current)
        elif keyed is not None:
            new_cause = None if ended else current
            if (stored := await _stored_answer(connection, context, call.tenant.id, keyed, new_cause)) is not None:
                return Outcome(None, stored, replayed=True)
        result = await verb(connection, current)
        answer = None
        if keyed is not None and goes_on is not None and (subject := goes_on(result)) is not None:
            lease_until = context.clock.wall() + STEPS_LEASE
            await idempotency.name_subject(connection, call.tenant.id, keyed.key, subject, lease_until)
        elif keyed is not None:
            answer = keyed.reply(result)
            await idempotency.complete_key(connection, call.tenant.id, keyed.key, answer.status, answer.body)
        ended.append(Outcome(result, answer))
        return ended[-1]

    try:
        return await transact(context.pool, work)
    except CommitUnknown as error:
        unknown = error
    for seconds in LOOK_AGAIN_AFTER_SECONDS:
        await asyncio.sleep(seconds)
        with contextlib.suppress(DatabaseUnavailable):
            return await transact(context.pool, work)
    raise unknown


async def carry_out_in_steps(
    context: Context,
    call: Call,
    begin: Callable[[Connection, Cause], Awaitable[Begun[T]]],
    *,
    go_on: Callable[[Begun[T]], Awaitable[None]],
    reread: Callable[[Connection, str], Awaitable[T]],
) -> Outcome[T]:
    """A verb that may call the outside: `begin` in one transaction, `go_on` with none open, then the answer is stored.

    Where there is nothing to go on with, the first transaction is all. `reread` reads what was made as it is at the
    end. A repeat meanwhile gets KeyRunning naming it; one that finds the first cut off answers in its place. Raises
    what the steps raise, KeyReused.
    """
    keyed = call.keyed
    first = call
    if keyed is not None:
        first = msgspec.structs.replace(
            call, keyed=Keyed(keyed.key, keyed.fingerprint, lambda one: keyed.reply(one.now))
        )
    try:
        begun = await carry_out(context, first, begin, goes_on=lambda one: one.subject if one.later else None)
    except KeyInterrupted as interrupted:
        return await _answered(context, call, interrupted.subject, reread, replayed=True)
    if begun.result is None or not begun.result.later:
        return Outcome(None if begun.result is None else begun.result.now, begun.answer, begun.replayed)
    await go_on(begun.result)
    return await _answered(context, call, begun.result.subject, reread, replayed=False)


async def _answered(
    context: Context,
    call: Call,
    subject: str,
    reread: Callable[[Connection, str], Awaitable[T]],
    *,
    replayed: bool,
) -> Outcome[T]:
    async def work(connection: Connection) -> Outcome[T]:
        result = await reread(connection, subject)
        if call.keyed is None:
            return Outcome(result)
        answer = call.keyed.reply(result)
        await idempotency.complete_key(connection, call.tenant.id, call.keyed.key, answer.status, answer.body)
        return Outcome(None if replayed else result, answer, replayed)

    return await transact(context.pool, work)


async def answered_before(context: Context, call: Call) -> Outcome[Any] | None:
    """The answer stored under the call's key, for a verb of several transactions. Raises KeyReused, KeyRunning."""
    if call.keyed is None:
        return None
    stored = await idempotency.get_key(context.pool, call.tenant.id, call.keyed.key)
    return None if stored is None else Outcome(None, _same_answer(stored, call.keyed), replayed=True)


class Previewed(Exception):
    """Carries what a verb came to out of its transaction, which is rolled back."""

    def __init__(self, result: Any) -> None:
        super().__init__()
        self.result = result


async def previewed_or_done(
    context: Context, call: Call, verb: Callable[[Connection, Cause], Awaitable[T]], *, preview: bool
) -> Outcome[T]:
    """Carry a verb out, or, as a preview, do just the same and roll it back: it shows what will happen."""
    if not preview:
        return await carry_out(context, call, verb)

    async def rolled_back(connection: Connection, cause: Cause) -> Any:
        raise Previewed(await verb(connection, cause))

    try:
        return await carry_out(context, msgspec.structs.replace(call, keyed=None), rolled_back)
    except Previewed as previewed:
        return Outcome(previewed.result)


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


async def _at_its_time(connection: Connection, context: Context, call: Call, cause: Cause) -> Cause:
    """The cause at the tenant's time, which in a sandbox stands still from here on until the transaction ends."""
    if call.tenant.mode == "live":
        return cause
    clock = await tenant_rows.share_clock(connection, call.tenant.id)
    assert clock is not None, "a tenant is never deleted"
    held = clock.held_until is not None and clock.held_until > context.clock.wall()
    if (held or call.clock_holder is not None) and clock.holder != call.clock_holder:
        raise ClockMoving("the clock of this sandbox is being moved; try again when it stands still")
    return msgspec.structs.replace(cause, caused_at=context.clock.of(clock))


async def _stored_answer(
    connection: Connection, context: Context, tenant_id: TenantId, keyed: Keyed, cause: Cause | None
) -> Answer | None:
    """The answer of the first call with this key; None if this is the first, whose cause is then written."""
    expires_at = context.clock.wall() + KEYS_KEPT
    if cause is None:
        taken = await idempotency.take_key(connection, tenant_id, keyed.key, keyed.fingerprint, expires_at)
    else:
        taken = await idempotency.take_key_for(connection, keyed.key, keyed.fingerprint, expires_at, cause)
    if taken:
        return None
    stored = await idempotency.get_key(connection, tenant_id, keyed.key)
    if stored is None:
        raise KeyRunning("the first call with this key was just undone; try again")
    if stored.subject is not None and stored.answer is None and stored.fingerprint == keyed.fingerprint:
        assert stored.lease_until is not None
        if stored.lease_until <= context.clock.wall():
            raise KeyInterrupted(stored.subject)
    return _same_answer(stored, keyed)


def _same_answer(stored: StoredAnswer, keyed: Keyed) -> Answer:
    if stored.fingerprint != keyed.fingerprint:
        raise KeyReused("this idempotency key was used for another request", pointer="")
    if stored.answer is None or stored.answer_status is None:
        facts = {} if stored.subject is None else {"making": stored.subject}
        raise KeyRunning("the first call with this key is still running; try again in a moment", facts=facts)
    return Answer(stored.answer_status, stored.answer)
