"""`billsmith run`: what it bills, shows, refuses and leaves to be mended; and that it stops when it is told to."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from billsmith.actions import customers, tenants
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.cli.main import app
from billsmith.clock import Clock
from billsmith.core.customers import CustomerDetails
from billsmith.core.tenants import NewTenant
from billsmith.gateways.registry import load_gateways
from billsmith.ids import IdMaker
from billsmith.store.pool import open_pool
from billsmith.vault import Vault
from tests.actions.subscriptions.made import sell, started
from tests.contexts import TEST_KEY

CUSTOMERS = 4
TODAY = datetime.now(UTC).date()


def with_context(url: str, work: Callable[[Context], Awaitable[Any]]) -> Any:
    async def opened() -> Any:
        pool, clock = await open_pool(url), Clock()
        try:
            return await work(
                Context(pool, clock, IdMaker(clock.wall), load_gateways([], plugins=()), Vault([TEST_KEY]))
            )
        finally:
            await pool.close()

    return asyncio.run(opened())


def told(url: str, sql: str) -> Any:
    async def ask() -> Any:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    return asyncio.run(ask())


@pytest.fixture
def due(database: str) -> str:
    """A database in which some customers have a month due."""

    async def work(context: Context) -> None:
        tenant = await tenants.create_tenant(context, NewTenant("Cloud", "EUR"), "test", "req_test")
        call = Call(tenant, "test", "req_test")
        await sell(context, call)
        for nth in range(CUSTOMERS):
            details = CustomerDetails(f"Customer {nth}", bill_cycle_day=1)
            owner = (await customers.create_customer(context, call, details)).fresh
            await started(context, call, owner, bill="later")

    with_context(database, work)
    return database


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, due: str) -> dict[str, str]:
    monkeypatch.delenv("MIGRATE_DATABASE_URL", raising=False)
    return {
        "BILLSMITH_HOME": str(tmp_path), "DATABASE_URL": due, "COLUMNS": "200", "BILLSMITH_SECRET_KEYS": TEST_KEY,
    }  # fmt: skip


@pytest.fixture
def run(environment: dict[str, str]) -> Callable[..., Result]:
    """Types `billsmith run …`."""
    return lambda *args: CliRunner().invoke(app, ["run", *args], env=environment)


def test_a_run_bills_what_is_due_once(run: Callable[..., Result], due: str) -> None:
    said = json.loads(run("--json", "--workers", "2").stdout)
    assert (said["customers"], said["documents"], said["parked"]) == (CUSTOMERS, CUSTOMERS, 0)
    again = run("--workers", "1")
    assert again.exit_code == 0
    assert "nothing is due" in again.stdout
    assert told(due, "SELECT count(*) FROM invoices") == CUSTOMERS


def test_a_dry_run_shows_a_later_day_and_stores_nothing(run: Callable[..., Result], due: str) -> None:
    said = run("--dry-run", "--until", str(TODAY + timedelta(days=40)))
    assert said.exit_code == 0
    assert f"{CUSTOMERS} customers have something due; nothing was stored" in said.stdout
    assert "EUR" in said.stdout
    assert told(due, "SELECT count(*) FROM invoices") == 0


def test_a_day_that_has_not_begun_is_refused(run: Callable[..., Result], due: str) -> None:
    said = run("--until", str(TODAY + timedelta(days=3)))
    assert said.exit_code == 1
    assert "has not begun yet for Cloud; a dry run looks ahead" in said.stderr
    assert told(due, "SELECT count(*) FROM invoices") == 0
    assert run("--workers", "1").exit_code == 0
    again = run("--until", str(TODAY + timedelta(days=3)))
    assert again.exit_code == 1, "also when nobody has anything due"


def test_who_can_not_be_billed_is_listed_with_the_reason_and_tried_again(run: Callable[..., Result], due: str) -> None:
    one = "(SELECT id FROM subscriptions ORDER BY id LIMIT 1)"
    told(due, f"UPDATE subscriptions SET currency = 'JPY' WHERE id = {one} RETURNING 1")
    assert run("--workers", "1").exit_code == 3
    listed = json.loads(run("--parked", "--json").stdout)
    assert [entry["name"] for entry in listed] == ["Customer 0"]
    assert listed[0]["because"]
    assert "Customer 0" in run("--parked").stdout
    told(due, f"UPDATE subscriptions SET currency = 'EUR' WHERE id = {one} RETURNING 1")
    said = json.loads(run("--retry-parked", "--json", "--workers", "1").stdout)
    assert (said["documents"], said["parked"]) == (1, 0)
    assert "nobody is parked" in run("--parked").stdout


def test_it_stops_when_told_to_and_goes_on_when_started_again(environment: dict[str, str], due: str) -> None:
    command = [sys.executable, "-c", "from billsmith.cli.main import main; main()", "run", "--json", "--workers", "1"]
    with subprocess.Popen(command, env=os.environ | environment, stdout=subprocess.PIPE, text=True) as program:
        program.send_signal(signal.SIGINT)
        program.communicate(timeout=60)
    said = json.loads(CliRunner().invoke(app, ["run", "--json"], env=environment).stdout)
    assert told(due, "SELECT count(*) FROM invoices") == CUSTOMERS
    assert said["parked"] == 0
