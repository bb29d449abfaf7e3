"""Collection: one worker process charges what is due through a gateway that takes 300 ms, over ten connections."""

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import msgspec

from bench.collecting_worker import Collected, Order
from bench.measured import Figure, Measured
from bench.slow_gateway import LATENCY_MS, far_gateway
from bench.stage import Stage, analyse, differences, stage
from billsmith.actions import tenants
from billsmith.actions.calls import Call, carry_out
from billsmith.actions.context import Context
from billsmith.actions.imports import import_customers
from billsmith.actions.invoices import NewInvoice, Refusal, create_invoices
from billsmith.actions.money.accounts import create_account
from billsmith.actions.saving import record_facts
from billsmith.core.customers import CustomerDetails
from billsmith.core.facts import Fact
from billsmith.core.ids import CustomerId, PaymentMethodId, shard_of
from billsmith.core.invoices import InvoiceDetails, Item
from billsmith.core.payments.accounts import AccountDetails
from billsmith.core.payments.methods import GatewayAccount, PaymentMethod
from billsmith.core.tenants import NewTenant
from billsmith.store.events import Cause
from billsmith.store.money import payment_methods
from billsmith.store.pool import Connection
from billsmith.vault import Vault, keys_in_file
from billsmith.wiring import KEYS_FILE

INVOICES = 20_000
PAYMENTS_ASKED = 500
MADE_AT_ONCE = 500
LOOK_EVERY_SECONDS = 0.02
BOOK = "bench"
_IDLE = """
    SELECT count(*) AS open, coalesce(max(extract(epoch FROM clock_timestamp() - state_change)), 0)::float8 AS longest
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'
"""
_PAID = "SELECT count(*) FROM payments WHERE status = 'succeeded'"


class Looks(msgspec.Struct):
    """What pg_stat_activity showed while it worked."""

    looks: int = 0
    idle: int = 0
    """Looks that met a transaction between two of its statements, for however short a time."""
    longest_ms: float = 0
    """For how long one had been without a statement, at most."""
    over_a_call: int = 0
    """Looks that met one which had been so for as long as a call to the gateway takes."""


async def collection(server_url: str, rows: int | None) -> Measured:
    """Charge invoices that are due, one of each customer."""
    count = rows or INVOICES
    async with stage(server_url, customers=1) as on:
        with tempfile.TemporaryDirectory(prefix="billsmith-bench-") as name, far_gateway(Path(name)) as port:
            folder = Path(name)
            await _due(on, folder, count)
            await analyse(on.url)
            order = Order(on.url, str(folder), port, os.environ.get("BENCH_PROFILE"))
            collected, looks = await _watched(on.url, order)
            paid = await _paid(on.url)
            charged = (folder / f"{BOOK}.jsonl").read_text().count('"type":"operated"')
        if (paid, charged) != (count, count):
            raise RuntimeError(f"{count} invoices were due, {paid} are paid, the gateway charged {charged}")
        figures = [
            Figure("payments per second, one worker", count / collected.seconds, "/s", least=PAYMENTS_ASKED),
            Figure("CPU of the worker per payment", collected.cpu_seconds * 1000 / count, "ms"),
            Figure(f"looks that met a transaction idle for {LATENCY_MS} ms", looks.over_a_call, "", most=0),
            Figure("the longest that one was idle", looks.longest_ms, "ms", most=LATENCY_MS),
            Figure("looks", looks.looks, ""),
        ]
        details = {"collected": msgspec.to_builtins(collected), "looks": msgspec.to_builtins(looks)}
        return Measured("collection", figures, await differences(on), details)


async def _due(on: Stage, folder: Path, count: int) -> None:
    """A sandbox that lives in the real time, with customers, their payment methods, and an invoice of each."""
    context = msgspec.structs.replace(on.context, vault=Vault(keys_in_file(folder / KEYS_FILE)))
    tenant = await tenants.create_tenant(
        context, NewTenant("Collected", "EUR", "Europe/Berlin", mode="sandbox"), "bench", "req_bench"
    )
    call = Call(tenant, "bench", "req_bench")
    settings = {"book": BOOK, "latency_ms": str(LATENCY_MS), "max_concurrency": "1000"}
    given = AccountDetails("Far away", settings)
    account = (await create_account(context, call, "fake", given, {"api_key": "fake_bench"})).fresh
    for start in range(0, count, MADE_AT_ONCE):
        names = [f"due-{nth}" for nth in range(start, min(start + MADE_AT_ONCE, count))]
        details = [CustomerDetails(name=name, external_id=name) for name in names]
        found = await import_customers(context, call, details)
        ids = [id_ for id_ in found.values() if not isinstance(id_, Refusal)]
        await _with_methods(context, call, account, ids)
        made = (await create_invoices(context, call, list(_invoices(ids)))).fresh
        assert not any(isinstance(one, Refusal) for one in made)


async def _with_methods(context: Context, call: Call, account: GatewayAccount, ids: Sequence[CustomerId]) -> None:
    """Each with a payment method as its default, written directly: the gateway has nothing to say of it here."""
    at = datetime.now(UTC)
    methods = [
        PaymentMethod(
            PaymentMethodId(context.ids.new(shard_of(id_))), account.tenant_id, id_, account.id, f"tok_ok.n{nth}",
            "card", "active", "visa", "4242", 2099, 12, None, None, {}, 1, at, at,
        )
        for nth, id_ in enumerate(ids)
    ]  # fmt: skip

    async def verb(connection: Connection, cause: Cause) -> None:
        await payment_methods.insert_methods(connection, methods)
        facts = [Fact("payment_method.created", one.id, one.version, one, one.customer_id) for one in methods]
        await record_facts(connection, context, cause, facts)
        await connection.execute(
            "UPDATE customers SET payment_method_id = methods.id FROM payment_methods AS methods"
            " WHERE customers.tenant_id = $1 AND methods.tenant_id = $1 AND customers.id = methods.customer_id"
            " AND customers.payment_method_id IS NULL",
            account.tenant_id,
        )

    await carry_out(context, call, verb)


def _invoices(ids: Sequence[CustomerId]) -> Iterator[NewInvoice]:
    for nth, id_ in enumerate(ids):
        items = (Item("Consulting", amount_minor=10_000 + nth), Item("Travel", amount_minor=2_500))
        yield NewInvoice(id_, InvoiceDetails(items=items))


async def _watched(url: str, order: Order) -> tuple[Collected, Looks]:
    """Let the worker work, and look at its connections all the while."""
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.collecting_worker", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    looks, done = Looks(), asyncio.Event()
    looking = asyncio.create_task(_look(url, looks, done))
    said, _ = await worker.communicate(msgspec.json.encode(order))
    done.set()
    await looking
    if worker.returncode:
        raise RuntimeError("the worker failed; what it says stands above")
    return msgspec.json.decode(said, type=Collected), looks


async def _look(url: str, looks: Looks, done: asyncio.Event) -> None:
    connection = await asyncpg.connect(url)
    try:
        while not done.is_set():
            row = await connection.fetchrow(_IDLE)
            assert row is not None
            looks.looks += 1
            looks.idle += row["open"] > 0
            looks.longest_ms = max(looks.longest_ms, round(row["longest"] * 1000, 1))
            looks.over_a_call += row["longest"] * 1000 >= LATENCY_MS
            await asyncio.sleep(LOOK_EVERY_SECONDS)
    finally:
        await connection.close()


async def _paid(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval(_PAID))
    finally:
        await connection.close()
