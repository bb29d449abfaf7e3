"""Billing runs: one customer when asked, or all for whom something is due, a batch at a time."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta

import msgspec
from msgspec.structs import replace

from billsmith.actions.billing.batches import BatchBilled, bill_claimed
from billsmith.actions.billing.customers import bill_in
from billsmith.actions.calls import Call, Outcome, carry_out, previewed_or_done
from billsmith.actions.context import Context
from billsmith.actions.money.sweeping import after_failure, of_each_tenant
from billsmith.actions.saving import lock_standing, record_facts
from billsmith.core.customers import ParkedCustomer, not_deleted
from billsmith.core.facts import Fact
from billsmith.core.ids import CustomerId, TenantId, shard_of
from billsmith.core.invoices import Document
from billsmith.core.tenants import Tenant
from billsmith.core.time_zones import local_day
from billsmith.errors import BillsmithError, Conflict, Invalid
from billsmith.store import customers as customer_rows
from billsmith.store import tenants as tenant_rows
from billsmith.store.events import Cause
from billsmith.store.pool import Connection
from billsmith.store.selling import coverage as coverage_rows
from billsmith.store.selling import runs as run_rows
from billsmith.store.selling.runs import Claimed, Parked, Place

SWEEP = 1000
"""Customers that one transaction bills."""
REASON = "a billing run"
ASK_EVERY = timedelta(seconds=2)
"""Who has something due is asked so often: that walks over all that was billed and is not forgotten yet."""
START: Place = (datetime.min.replace(tzinfo=UTC), 0)


async def bill_customer(
    context: Context, call: Call, id_: CustomerId, until_on: date | None = None, *, preview: bool = False
) -> Outcome[list[Document]]:
    """Bill one customer for all that is due by a day, today unless said; one that is parked is tried once more.

    Raises CustomerNotFound, CustomerDeleted; StillParked for what runs would park it for again.
    """

    async def verb(connection: Connection, cause: Cause) -> list[Document]:
        return await bill_customer_in(connection, context, cause, call.tenant, id_, until_on)

    doing = previewed_or_done(context, call, verb, preview=preview)
    (ended,) = await asyncio.gather(doing, return_exceptions=True)
    if not isinstance(ended, BaseException):
        return ended
    said_already = isinstance(ended, BillsmithError) or not isinstance(ended, Exception)
    if not said_already and await run_rows.parked_because(context.pool, call.tenant.id, [id_]):
        raise StillParked(f"it can't be billed: {_because(ended)}") from ended
    raise ended


class StillParked(Conflict):
    """A customer that runs leave out, and that could not be billed now either."""

    code = "customer_still_parked"


async def bill_customer_in(
    connection: Connection,
    context: Context,
    cause: Cause,
    tenant: Tenant,
    id_: CustomerId,
    until_on: date | None = None,
) -> list[Document]:
    """The body of `bill_customer`. Raises what it does."""
    standing = await lock_standing(connection, tenant, id_, owed=True)
    not_deleted(standing.customer)
    documents, _ = await bill_in(connection, context, cause, {id_: standing}, until_on)
    return documents


class Turn(msgspec.Struct, frozen=True, gc=False):
    """What one batch of one tenant came to."""

    customers: int = 0
    documents: int = 0
    parked: int = 0
    printed: int = 0
    """How many of the documents are from plates, where the batch went through at once."""
    claimed: tuple[CustomerId, ...] = ()
    after: Place | None = None
    """Where the next one goes on; None: there was nothing behind this one."""


async def bill_due(context: Context) -> int:
    """Bill a batch of every tenant for whom something is due, of all who live in the real time; how many customers.

    Each tenant has its turn, however much one of them has due.
    """
    turns: list[Turn] = []
    due = [_Due(tenant_id) for tenant_id in await _whose_turn_it_is(context)]

    async def take_turn(context: Context, call: Call, due: Sequence[_Due]) -> None:
        tenant_id = call.tenant.id
        turn = await bill_batch(context, call, after=_places.get(tenant_id, START), limit=SWEEP)
        if turn.after is None:
            _places.pop(tenant_id, None)
        else:
            _places[tenant_id] = turn.after
        turns.append(turn)

    await of_each_tenant(context, due, take_turn, REASON)
    return sum(turn.customers for turn in turns)


async def _whose_turn_it_is(context: Context) -> list[TenantId]:
    """Those with more behind their last batch; every now and then all who have something due are asked for."""
    now = context.clock.wall()
    if _places and _asked_at and _asked_at[0] <= now < _asked_at[0] + ASK_EVERY:
        return list(_places)
    _asked_at[:] = [now]
    return await run_rows.tenants_to_bill(context.pool, now)


class _Due(msgspec.Struct, frozen=True, gc=False):
    tenant_id: TenantId


_asked_at: list[datetime] = []
_places: dict[TenantId, Place] = {}
"""Where this process goes on: what it has billed lies before, in an index that is slow to forget."""


async def bill_due_of(context: Context, call: Call) -> int:
    """Bill a batch of one tenant's customers for what is due by its own clock; how many were looked at."""
    return (await bill_batch(context, call)).customers


async def bill_batch(
    context: Context, call: Call, until_on: date | None = None, after: Place = START, limit: int = SWEEP
) -> Turn:
    """Bill some of a tenant's customers for what is due by a day, and by their own today; who can't be is parked.

    Whom somebody else is working on is left to a later batch. Raises ClockMoving, DatabaseUnavailable.
    """
    claimed: list[Claimed] = []
    parked = printed = 0

    async def first(connection: Connection, cause: Cause) -> BatchBilled:
        claimed[:] = await run_rows.claim_customers(
            connection, call.tenant.id, _due_at(cause.caused_at, until_on), after, limit
        )
        return await bill_claimed(connection, context, cause, call.tenant, claimed, until_on)

    async def again(some: Sequence[Claimed]) -> int:
        async def verb(connection: Connection, cause: Cause) -> BatchBilled:
            held = await run_rows.claim_these(
                connection, call.tenant.id, _due_at(cause.caused_at, until_on), [one.id for one in some]
            )
            return await bill_claimed(connection, context, cause, call.tenant, held, until_on)

        return (await carry_out(context, call, verb)).fresh.documents

    async def park(one: Claimed, error: BaseException) -> None:
        nonlocal parked
        await _park(context, call, one.id, error)
        parked += 1

    (ended,) = await asyncio.gather(carry_out(context, call, first), return_exceptions=True)
    if not isinstance(ended, BaseException):
        documents, printed = ended.fresh.documents, ended.fresh.printed
    elif claimed:
        documents = await after_failure(claimed, ended, again, park)
    else:
        raise ended
    full = len(claimed) == limit
    after_this = (claimed[-1].next_bill_at, shard_of(claimed[-1].id)) if full else None
    return Turn(len(claimed), documents, parked, printed, tuple(one.id for one in claimed), after_this)


def _due_at(now: datetime, until_on: date | None) -> datetime:
    """By when something has to be due, at the latest: a day begins last in the far west, at noon UTC; never ahead."""
    if until_on is None:
        return now
    return min(now, datetime.combine(until_on, time(12), UTC))


async def _park(context: Context, call: Call, id_: CustomerId, error: BaseException) -> None:
    async def verb(connection: Connection, cause: Cause) -> None:
        customer = (await lock_standing(connection, call.tenant, id_)).customer
        parked = ParkedCustomer(replace(customer, version=customer.version + 1), _because(error))
        await customer_rows.update_customer(connection, parked.customer)
        await coverage_rows.park_customer(connection, call.tenant.id, id_, parked.because)
        fact = Fact("customer.billing_parked", id_, parked.customer.version, parked, id_)
        await record_facts(connection, context, cause, [fact])

    await carry_out(context, call, verb)


def _because(error: BaseException) -> str:
    """What a person reads of why a customer could not be billed."""
    if isinstance(error, BillsmithError):
        return f"{error.code}: {error.detail}"
    return f"{type(error).__name__}: {error}"[:500]


class RunAhead(Invalid):
    """A run for a day that has not begun for any customer: only a dry run looks ahead."""

    code = "run_ahead"


async def tenants_waiting(context: Context, tenant_id: TenantId | None = None) -> list[Tenant]:
    """Whose customers have something due, of all who live in the real time; or one tenant, whatever its time is."""
    ids = [tenant_id] if tenant_id else await run_rows.tenants_to_bill(context.pool, context.clock.wall())
    found = await tenant_rows.get_tenants(context.pool, ids)
    return [found[id_] for id_ in ids]


async def customers_waiting(context: Context, tenant: Tenant, until_on: date | None = None) -> int:
    """How many customers of a tenant have something due by a day, or by now; a few of them may be in a later zone."""
    due_at = _due_at(context.clock.of(tenant), until_on)
    return await run_rows.count_customers_to_bill(context.pool, tenant.id, due_at)


def check_not_ahead(context: Context, tenants: Iterable[Tenant], until_on: date | None) -> None:
    """Whether the day has begun somewhere for every tenant. Raises RunAhead."""
    for tenant in tenants:
        today = local_day(context.clock.of(tenant), _FIRST_TO_SEE_A_DAY)
        if until_on is not None and until_on > today:
            raise RunAhead(f"{until_on} has not begun yet for {tenant.name}; a dry run looks ahead", pointer="/until")


_FIRST_TO_SEE_A_DAY = "Pacific/Kiritimati"


async def parked_customers(context: Context, tenant: Tenant, limit: int = 1000) -> list[Parked]:
    """Customers that runs leave out, with the reason; the oldest first."""
    return await run_rows.parked_customers(context.pool, tenant.id, limit)


async def parked_because(context: Context, tenant: Tenant, ids: Iterable[CustomerId]) -> dict[CustomerId, str]:
    """Why runs leave out those of these customers whom they do."""
    return await run_rows.parked_because(context.pool, tenant.id, ids)


async def retry_parked(context: Context, call: Call) -> int:
    """Have all parked customers of a tenant be billed by the next run; how many there are."""

    async def verb(connection: Connection, cause: Cause) -> int:
        return await run_rows.retry_parked(connection, call.tenant.id, cause.caused_at)

    return (await carry_out(context, call, verb)).fresh
