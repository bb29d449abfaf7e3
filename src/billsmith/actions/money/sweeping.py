"""How sweeps get through many rows: each tenant by itself, a poisoned row is found and parked, the others go on."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar
from uuid import UUID

from billsmith.actions.calls import Call, ClockMoving
from billsmith.actions.context import Context
from billsmith.core.ids import TenantId, show_id
from billsmith.core.tenants import Tenant
from billsmith.store import tenants as tenant_rows
from billsmith.store.pool import DatabaseUnavailable

NOBODYS_FAULT = (ClockMoving, DatabaseUnavailable)
TENANTS_AT_ONCE = 4


class OfTenant(Protocol):
    """Whatever is due of a tenant."""

    @property
    def tenant_id(self) -> TenantId:
        """Whose it is."""


T = TypeVar("T")
D = TypeVar("D", bound=OfTenant)


def worker_call(context: Context, tenant: Tenant, reason: str, clock_holder: UUID | None = None) -> Call:
    """A call by which the worker does what is due."""
    request_id = show_id("request", context.ids.new(context.ids.any_shard()))
    return Call(tenant, "worker", request_id, reason, clock_holder=clock_holder)


async def in_halves(
    rows: Sequence[T],
    work: Callable[[Sequence[T]], Awaitable[int]],
    park: Callable[[T, Exception], Awaitable[None]],
) -> int:
    """Do `work`, one transaction, on all rows; if it fails, on each half, until the culprit stands alone: it is parked.

    How much was done. Raises ClockMoving, DatabaseUnavailable, and what `park` raises.
    """
    if not rows:
        return 0
    (ended,) = await asyncio.gather(work(rows), return_exceptions=True)
    if not isinstance(ended, BaseException):
        return ended
    return await after_failure(rows, ended, work, park)


async def after_failure(
    rows: Sequence[T],
    error: BaseException,
    work: Callable[[Sequence[T]], Awaitable[int]],
    park: Callable[[T, Exception], Awaitable[None]],
) -> int:
    """What `in_halves` does where all rows together ended with an error. Raises what it does."""
    if isinstance(error, NOBODYS_FAULT) or not isinstance(error, Exception):
        raise error
    if len(rows) == 1:
        await park(rows[0], error)
        return 0
    half = len(rows) // 2
    return await in_halves(rows[:half], work, park) + await in_halves(rows[half:], work, park)


async def of_each_tenant(
    context: Context, due: Sequence[D], work: Callable[[Context, Call, Sequence[D]], Awaitable[object]], reason: str
) -> int:
    """Do `work` on what is due, tenant by tenant, a few at once; a tenant for whom it fails stops no other.

    How many were due; those of a tenant whose clock is being moved don't count: the advance works on them. Raises the
    first error there was, at the end.
    """
    owners = await tenant_rows.get_tenants(context.pool, {one.tenant_id for one in due})
    by_tenant: dict[TenantId, list[D]] = {}
    for one in due:
        by_tenant.setdefault(one.tenant_id, []).append(one)
    room = asyncio.Semaphore(TENANTS_AT_ONCE)

    async def of_one(tenant_id: TenantId, of_tenant: list[D]) -> int:
        async with room:
            try:
                await work(context, worker_call(context, owners[tenant_id], reason), of_tenant)
            except ClockMoving:
                return 0
        return len(of_tenant)

    ends = await asyncio.gather(*(of_one(*one) for one in by_tenant.items()), return_exceptions=True)
    for end in ends:
        if isinstance(end, BaseException):
            raise end
    return sum(end for end in ends if isinstance(end, int))
