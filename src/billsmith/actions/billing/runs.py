"""Billing runs: one customer when asked, or all for whom something is due, a batch at a time."""

from collections.abc import Sequence
from datetime import date

from billsmith.actions.billing.customers import bill_in
from billsmith.actions.calls import Call, Outcome, carry_out, previewed_or_done
from billsmith.actions.context import Context
from billsmith.actions.money.sweeping import in_halves, of_each_tenant
from billsmith.actions.saving import lock_standing, lock_standings
from billsmith.core.customers import not_deleted
from billsmith.core.ids import CustomerId
from billsmith.core.invoices import Document
from billsmith.core.tenants import Tenant
from billsmith.errors import BillsmithError
from billsmith.store.events import Cause
from billsmith.store.pool import Connection
from billsmith.store.selling import coverage as coverage_rows
from billsmith.store.selling.coverage import BillDue

SWEEP = 1000
"""Customers that one call of a sweep bills, in one transaction per tenant."""


async def bill_customer(
    context: Context, call: Call, id_: CustomerId, until_on: date | None = None, *, preview: bool = False
) -> Outcome[list[Document]]:
    """Bill one customer for all that is due by a day, today unless said. Raises CustomerNotFound, CustomerDeleted."""

    async def verb(connection: Connection, cause: Cause) -> list[Document]:
        return await bill_customer_in(connection, context, cause, call.tenant, id_, until_on)

    return await previewed_or_done(context, call, verb, preview=preview)


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


async def bill_due(context: Context) -> int:
    """Bill a batch of those for whom something is due, of all who live in the real time; how many were looked at."""
    due = await coverage_rows.customers_to_bill(context.pool, context.clock.wall(), SWEEP)
    return await of_each_tenant(context, due, _bill_these, "a billing run")


async def bill_due_of(context: Context, call: Call) -> int:
    """Bill a batch of one tenant's customers for what is due by its own clock; how many were looked at."""
    now = context.clock.of(call.tenant)
    due = await coverage_rows.customers_to_bill_of(context.pool, call.tenant.id, now, SWEEP)
    await _bill_these(context, call, due)
    return len(due)


async def _bill_these(context: Context, call: Call, due: Sequence[BillDue]) -> None:
    async def work(some: Sequence[BillDue]) -> int:
        async def verb(connection: Connection, cause: Cause) -> int:
            ids = [one.id for one in some]
            standings = await lock_standings(connection, call.tenant, ids, ids)
            await bill_in(connection, context, cause, standings)
            return len(some)

        return (await carry_out(context, call, verb)).fresh

    async def park(one: BillDue, error: BaseException) -> None:
        async def verb(connection: Connection, cause: Cause) -> None:
            await lock_standing(connection, call.tenant, one.id)
            await coverage_rows.park_customer(connection, call.tenant.id, one.id, _because(error))

        await carry_out(context, call, verb)

    if due:
        await in_halves(due, work, park)


def _because(error: BaseException) -> str:
    """What a person reads of why a customer could not be billed."""
    if isinstance(error, BillsmithError):
        return f"{error.code}: {error.detail}"
    return f"{type(error).__name__}: {error}"[:500]
