"""Customer credit: granted, deleted, expired, and drawn on what is owed as soon as both exist."""

from uuid import UUID

import msgspec

from billsmith.actions.calls import Call, ClockMoving, Outcome, carry_out
from billsmith.actions.context import Context
from billsmith.actions.saving import CreditNotFound, lock_standing, save
from billsmith.core.credits import Credit, NewCredit, deleted, expired, grant_posting, granted, new_credit
from billsmith.core.customers import not_deleted, today_of
from billsmith.core.decisions import Decision, Standing, credit_changed, draw_available, with_credit
from billsmith.core.facts import FactType
from billsmith.core.ids import CreditId, CustomerId, shard_of, show_id
from billsmith.core.tenants import Tenant
from billsmith.errors import BillsmithError
from billsmith.store import ledger as ledger_rows
from billsmith.store import tenants as tenant_rows
from billsmith.store.events import Cause
from billsmith.store.ledger import ExpiredCredit
from billsmith.store.listing import Filters
from billsmith.store.pool import Connection, DatabaseUnavailable

SWEEP = 500
"""Credits looked at in one go of the sweep."""


async def grant_credit(context: Context, call: Call, customer_id: CustomerId, given: NewCredit) -> Outcome[Credit]:
    """Give a customer credit, and draw it at once on what the customer owes. Raises CustomerNotFound, CreditInvalid."""

    async def verb(connection: Connection, cause: Cause) -> Credit:
        return await grant_in(connection, context, cause, call.tenant, customer_id, given)

    return await carry_out(context, call, verb)


async def grant_in(
    connection: Connection, context: Context, cause: Cause, tenant: Tenant, customer_id: CustomerId, given: NewCredit
) -> Credit:
    """The body of `grant_credit`. Raises what it does."""
    standing = await lock_standing(connection, tenant, customer_id, owed=True)
    customer, at = standing.customer, cause.caused_at
    not_deleted(customer)
    today = today_of(customer, at)
    id_ = CreditId(context.ids.new(shard_of(customer_id)))
    currency = customer.currency if given.currency is None else given.currency
    blank = new_credit(id_, tenant.id, customer.id, "granted", currency, 0, today, at)
    credit = granted(given, blank, at)
    decision = with_credit(Decision(standing), credit, [grant_posting(credit)])
    decision = draw_available(decision, at, today, on=standing.owed)
    await save(connection, context, cause, {customer.id: standing}, [decision], {})
    return next(kept for kept in reversed(decision.credits) if kept.id == id_)


async def delete_credit(context: Context, call: Call, id_: UUID) -> Outcome[Credit]:
    """Take back what is left of a credit. Raises CreditNotFound, CreditUsedUp."""

    async def verb(connection: Connection, cause: Cause) -> Credit:
        customer_id = (await get_credit(context, call.tenant, id_, connection)).customer_id
        standing = await lock_standing(connection, call.tenant, customer_id)
        credit = await get_credit(context, call.tenant, id_, connection)
        return await _take_back(connection, context, cause, standing, credit, "credit.deleted")

    return await carry_out(context, call, verb)


async def get_credit(context: Context, tenant: Tenant, id_: UUID, connection: Connection | None = None) -> Credit:
    """Raises CreditNotFound."""
    found = await ledger_rows.get_credits(connection or context.pool, tenant.id, [id_])
    if id_ not in found:
        raise CreditNotFound(f"there is no credit {show_id('credit', id_)}")
    return found[id_]


async def list_credits(context: Context, tenant: Tenant, filters: Filters) -> list[Credit]:
    """A page of credits, newest first; one more than asked for if there are more."""
    return await ledger_rows.list_credits(context.pool, tenant.id, filters)


async def expire_credits(context: Context) -> int:
    """Let go the credits of all who live in the real time whose time is over; how many.

    One that can't be let go stops no other; the first such error is raised at the end. Raises DatabaseUnavailable.
    """
    at = context.clock.wall()
    done, errors = 0, []
    page: list[ExpiredCredit] = []
    while page := await ledger_rows.expired_credits(context.pool, at, SWEEP, page[-1] if page else None):
        owners = await tenant_rows.get_tenants(context.pool, {due.tenant_id for due in page})
        for due in page:
            request_id = show_id("request", context.ids.new(shard_of(due.customer_id)))
            try:
                done += await _expire(context, Call(owners[due.tenant_id], "worker", request_id), due)
            except ClockMoving:
                continue  # the advance does it, or the next sweep
            except DatabaseUnavailable:
                raise
            except BillsmithError as error:
                errors.append(error)
    if errors:
        raise errors[0]
    return done


async def expire_credits_of(context: Context, call: Call) -> int:
    """Let go some of one tenant's credits whose time is over by its own clock, first to expire first; how many."""
    due = await ledger_rows.expired_credits_of(context.pool, call.tenant.id, context.clock.of(call.tenant), SWEEP)
    return sum([await _expire(context, call, credit) for credit in due])


async def _expire(context: Context, call: Call, due: ExpiredCredit) -> int:
    async def verb(connection: Connection, cause: Cause) -> int:
        standing = await lock_standing(connection, call.tenant, due.customer_id)
        credit = next((credit for credit in standing.credits if credit.id == due.credit_id), None)
        if credit is None:
            return 0  # drawn or deleted since we looked
        on_its_day = msgspec.structs.replace(cause, caused_at=due.expires_at)
        await _take_back(connection, context, on_its_day, standing, credit, "credit.expired")
        return 1

    return (await carry_out(context, msgspec.structs.replace(call, reason="expired"), verb)).fresh


async def _take_back(
    connection: Connection, context: Context, cause: Cause, standing: Standing, credit: Credit, type_: FactType
) -> Credit:
    on = today_of(standing.customer, cause.caused_at)
    changed, posting = (expired if type_ == "credit.expired" else deleted)(credit, on)
    decision = credit_changed(Decision(standing), changed, type_, [posting])
    await save(connection, context, cause, {credit.customer_id: standing}, [decision], {})
    return changed
