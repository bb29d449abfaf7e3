"""What a run would bill, by today or a later day: worked out by the same rules, without a lock, and written nowhere."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

import msgspec

from billsmith.actions.billing.customers import all_due, is_billed
from billsmith.actions.billing.loading import load_bought
from billsmith.actions.context import Context
from billsmith.core.customers import today_of
from billsmith.core.tenants import Tenant
from billsmith.errors import BillsmithError
from billsmith.store import customers as customer_rows
from billsmith.store.selling import runs as run_rows

AT_ONCE = 500


class Sum(msgspec.Struct):
    """Documents of one currency and what they come to, tax included, before credit is drawn."""

    documents: int = 0
    lines: int = 0
    total_minor: int = 0


class Forecast(msgspec.Struct):
    """What some customers have due, by currency; and how many of them could not be billed."""

    looked_at: int = 0
    """How many customers were looked at; some of them have nothing due after all."""
    customers: int = 0
    refused: int = 0
    sums: dict[str, Sum] = {}

    def add(self, other: "Forecast") -> None:
        """Count others in."""
        self.looked_at += other.looked_at
        self.customers += other.customers
        self.refused += other.refused
        for currency, more in other.sums.items():
            found = self.sums.setdefault(currency, Sum())
            found.documents += more.documents
            found.lines += more.lines
            found.total_minor += more.total_minor


async def forecast(context: Context, tenant: Tenant, until_on: date | None = None) -> AsyncIterator[Forecast]:
    """What a run would bill a tenant's customers by a day, or by each one's today; a batch at a time."""
    now, due_at = context.clock.of(tenant), _due_at(context, tenant, until_on)
    after = UUID(int=0)
    while ids := await run_rows.customers_to_bill_page(context.pool, tenant.id, due_at, after, AT_ONCE):
        after = ids[-1]
        async with context.pool.acquire() as connection:
            found = await customer_rows.get_customers(connection, tenant.id, ids)
            customers = [one for one in found.values() if is_billed(one)]
            days = {one.id: until_on or today_of(one, now) for one in customers}
            loaded = await load_bought(connection, tenant.id, customers, days)
        batch = Forecast(looked_at=len(ids))
        for customer in customers:
            try:
                billed = all_due(customer, tenant.settings, loaded[customer.id], days[customer.id])
            except (BillsmithError, ArithmeticError, LookupError, ValueError):
                batch.refused += 1
                continue
            made = [document for one in billed for document in one.bills]
            batch.customers += bool(made)
            for document in made:
                total = batch.sums.setdefault(document.currency, Sum())
                total.documents += 1
                total.lines += len(document.lines)
                total.total_minor += document.total_minor if document.direction == "charge" else -document.total_minor
        yield batch


async def customers_to_forecast(context: Context, tenant: Tenant, until_on: date | None = None) -> int:
    """How many customers a forecast looks at."""
    return await run_rows.count_customers_to_bill(context.pool, tenant.id, _due_at(context, tenant, until_on))


def _due_at(context: Context, tenant: Tenant, until_on: date | None) -> datetime:
    """A day ends last in the far west, twelve hours after it does in UTC."""
    if until_on is None:
        return context.clock.of(tenant)
    return datetime.combine(until_on, time(12), UTC) + timedelta(days=1)
