"""Fills a database of today's schema with a bit of everything, and writes it down for upgrades to be tried on.

Before a migration is added: `python -m tests.migrations.populate` writes `populated/<newest migration>.sql`. From then
on tests/migrations/test_upgrade.py brings that database up to date, whatever is added later.
"""

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import asyncpg
import msgspec

from billsmith import private_postgres
from billsmith.actions import catalog as catalogs
from billsmith.actions import credits, customers, imports, invoices, tenants
from billsmith.actions.calls import Answer, Call, Keyed
from billsmith.actions.context import Context
from billsmith.actions.deliver import number_events_of
from billsmith.actions.invoices import NewInvoice, create_invoices
from billsmith.actions.money.bulk import RefundFilter, start_bulk_refund
from billsmith.actions.subscriptions.asking import QuantityChange
from billsmith.actions.subscriptions.changing import alter
from billsmith.actions.subscriptions.starting import Order, subscribe
from billsmith.clock import FixedClock
from billsmith.core.catalog.given import catalog_given
from billsmith.core.credits import NewCredit
from billsmith.core.customers import Customer, CustomerDetails
from billsmith.core.ids import shard_of
from billsmith.core.invoices import Adjustment, InvoiceDetails, Item
from billsmith.core.parties import Address, TaxId
from billsmith.core.subscriptions.starting import NewSubscription
from billsmith.core.taxes import Tax
from billsmith.core.tenants import NewTenant, Scope, TenantSettings
from billsmith.ids import IdMaker
from billsmith.store import migrations
from billsmith.store.pool import open_pool
from tests.contexts import context_over
from tests.verify.money_world import move_money

FOLDER = Path(__file__).parent / "populated"
AT = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)
NEWEST = max(path.stem for path in migrations.FOLDER.glob("*.sql"))
# Parents first; what refers to nothing comes in any order.
FIRST = ("tenants", "customers", "plans", "products")


async def populate(context: Context, clock: FixedClock) -> None:
    """Two companies and a sandbox, with customers, documents of every kind, credit, keys and an import."""
    for given in (
        NewTenant("Steve's Cloud", "EUR", "Europe/Berlin", metadata={"plan": "gold"}),
        NewTenant("Per Customer", "JPY", "Asia/Tokyo", settings=TenantSettings("customer", "X-", 4, 14, "invoice")),
    ):
        clock.at = AT
        tenant = await tenants.create_tenant(context, given, "populate", "req_populate")
        await _company(context, Call(tenant, "populate", "req_populate", "a reason"), clock)
    sandbox = NewTenant("Try", "EUR", mode="sandbox", clock_at=AT)
    await tenants.create_tenant(context, sandbox, "populate", "req_populate")


async def _company(context: Context, call: Call, clock: FixedClock) -> None:
    parent = (
        await customers.create_customer(
            context,
            call,
            CustomerDetails(
                "Tim Ünïcode 🦉", "tim", emails=("tim@example.com",), number_prefix="TIM-", metadata={"a": "b"},
                address=Address("Street 1", city="Linz", country="AT"), tax_ids=(TaxId("eu_vat", "ATU1"),), tags=("x",),
            ),
        )
    ).fresh  # fmt: skip
    child = (await customers.create_customer(context, call, CustomerDetails("Child", parent_id=parent.id))).fresh
    gone = (await customers.create_customer(context, call, CustomerDetails("Gone", "gone"))).fresh
    await customers.delete_customer(context, call, gone.id)
    keyed = msgspec.structs.replace(call, keyed=Keyed("key-1", b"\x01", lambda _: Answer(201, b'{"ok":true}')))
    await invoices.create_invoice(context, keyed, NewInvoice(parent.id, InvoiceDetails(amount_minor=100)))
    await credits.grant_credit(context, call, parent.id, NewCredit(150, expires_at=AT + timedelta(days=9)))
    lines = InvoiceDetails(items=(Item("Hosting", 1000), Item("to read", 0)), adjustments=(Adjustment(-1, "rounded"),))
    given = [
        NewInvoice(child.id, lines),
        NewInvoice(child.id, InvoiceDetails(amount_minor=-300)),
        NewInvoice(child.id, lines),
    ]
    await create_invoices(context, call, given)
    await invoices.create_invoice(context, call, NewInvoice(parent.id, lines, draft=True))
    await credits.grant_credit(context, call, child.id, NewCredit(77, currency="USD", reason="sorry"))
    await tenants.create_key(context, call, "shop", [Scope.READ, Scope.WRITE])
    await number_events_of(context, call.tenant)
    clock.at = AT + timedelta(days=10)
    await credits.expire_credits(context)
    await customers.update_customer(context, call, child.id, lambda one: msgspec.structs.replace(one, name="Grown up"))
    operation = await imports.begin_import(context, call, "year.csv")
    document = imports.ImportDocument("R-1", b"\x02", NewInvoice(parent.id, InvoiceDetails(amount_minor=5)))
    await imports.import_documents(context, call, operation, [document])
    await move_money(context, call, Tax(Decimal(19)), parent)
    await start_bulk_refund(context, call, RefundFilter(), "the fair was called off")
    await _told_by_a_gateway(context, call)
    await _subscribed(context, call, child, clock)


async def _subscribed(context: Context, call: Call, owner: Customer, clock: FixedClock) -> None:
    """A plan that is sold, and a subscription changed in the middle of a month: a part of its line is given back."""
    charge = {"code": "server", "kind": "recurring", "name": "Server", "length": "monthly"}
    phases = [{"kind": "evergreen", "charges": [charge | {"prices": {"EUR": "20", "JPY": "2000"}}]}]
    products = {"server": {"name": "Server", "kind": "base"}}
    plans = {"server": {"product": "server", "name": "Server", "phases": phases}}
    await catalogs.apply_catalog(context, call, catalog_given({"products": products, "plans": plans}))
    made = (await subscribe(context, call, owner.id, Order(NewSubscription("server", quantity=Decimal(3))))).fresh
    clock.at += timedelta(days=5)
    await alter(context, call, made.ids[0], QuantityChange(Decimal(1)))


async def _told_by_a_gateway(context: Context, call: Call) -> None:
    """An event of nobody's that a gateway told."""
    account = await context.pool.fetchval("SELECT id FROM gateway_accounts WHERE tenant_id = $1", call.tenant.id)
    await context.pool.execute(
        "INSERT INTO gateway_events (tenant_id, id, gateway_account_id, gateway_event_id, kind, type, happened_at,"
        " headers, body, status, tries, received_at) VALUES ($1, $2, $3, 'evt_1', 'other', 'ping', $4, '{}', $5,"
        " 'ignored', 0, $4)",
        call.tenant.id, context.ids.new(shard_of(call.tenant.id)), account, AT, b"raw",
    )  # fmt: skip


async def written_down(connection: "asyncpg.Connection[asyncpg.Record]") -> str:
    """Every row as an INSERT."""
    tables = await connection.fetch(
        "SELECT table_name, string_agg(column_name, ', ' ORDER BY ordinal_position) AS columns,"
        " string_agg(format('quote_nullable(%I::text)', column_name), ', ' ORDER BY ordinal_position) AS quoted"
        " FROM information_schema.columns WHERE table_schema = 'public' AND is_generated = 'NEVER'"
        " AND table_name <> 'schema_migrations' GROUP BY table_name"
    )
    text = []
    for table, columns, quoted in sorted(tables, key=lambda row: (*(row[0] != name for name in FIRST), row[0])):
        order = "parent_id NULLS FIRST" if table == "customers" else "1"
        rows = await connection.fetch(f"SELECT concat_ws(', ', {quoted}) FROM {table} ORDER BY {order}")
        text += [f"INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE VALUES ({values});\n" for (values,) in rows]
    sequences = await connection.fetch("SELECT sequencename, last_value FROM pg_sequences WHERE last_value IS NOT NULL")
    return "".join(text) + "".join(f"SELECT setval('{name}', {value});\n" for name, value in sequences)


async def fill(url: str, clock: FixedClock, folder: Path = migrations.FOLDER) -> str:
    """The content of a database that was migrated and filled just now."""
    await migrations.migrate(url, AT, folder)
    pool = await open_pool(url)
    try:
        await populate(context_over(pool, clock, IdMaker(clock.wall)), clock)
    finally:
        await pool.close()
    owner = await asyncpg.connect(url)
    try:
        return await written_down(owner)
    finally:
        await owner.close()


def write() -> None:
    """Write down today's schema filled, in a private database of its own."""
    with private_postgres.start(Path("~/.cache/billsmith-populate").expanduser()) as server:
        text = asyncio.run(_in_a_new_database(server.url))
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{NEWEST}.sql").write_text(text)
    print(f"{FOLDER / NEWEST}.sql: {text.count('INSERT')} rows", file=sys.stderr)


async def _in_a_new_database(url: Callable[[str], str]) -> str:
    admin = await asyncpg.connect(url("postgres"))
    await admin.execute("DROP DATABASE IF EXISTS populate WITH (FORCE)")
    await admin.execute("CREATE DATABASE populate")
    try:
        return await fill(url("populate"), FixedClock(AT))
    finally:
        await admin.execute("DROP DATABASE populate WITH (FORCE)")
        await admin.close()


if __name__ == "__main__":
    write()
