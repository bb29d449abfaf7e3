"""`subscriptions import|list|show`: made of a file once, refused with reasons, tried without a trace."""

import asyncio
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from billsmith.actions import tenants
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.cli.main import app
from billsmith.clock import Clock
from billsmith.core.tenants import NewTenant
from billsmith.gateways.registry import load_gateways
from billsmith.ids import IdMaker
from billsmith.store.pool import open_pool
from billsmith.vault import Vault
from tests.actions.made import customer, everything
from tests.actions.subscriptions.made import sell
from tests.contexts import TEST_KEY

Run = Callable[..., Result]

HEADER = "external_id,customer,plan,quantity,starts_on,billed_through_on,base,price.server,metadata.rack,tags\n"
ROWS = (
    "s-1,ada,server,2,2020-01-31,2026-07-31,,17.50,7,\"red, vip\"\n"
    "s-2,ada,backup,,2020-01-31,,s-1,,,\n"
    "s-3,17.0,domain,1.5,,,,,,\n"
)  # fmt: skip


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database: str) -> Run:
    """Types a command for the database of this test, in which two customers can subscribe."""
    monkeypatch.delenv("MIGRATE_DATABASE_URL", raising=False)
    environment = {"BILLSMITH_HOME": str(tmp_path), "DATABASE_URL": database, "COLUMNS": "200"}

    async def prepare(context: Context) -> None:
        tenant = await tenants.create_tenant(context, NewTenant("Cloud", "EUR"), actor="test", request_id="req_test")
        call = Call(tenant, "test", "req_test")
        await sell(context, call)
        for name in ("ada", "17"):
            await customer(context, call, name=name, external_id=name)

    inside(database, prepare)
    return lambda *args: CliRunner().invoke(app, args, env=environment | {"BILLSMITH_SECRET_KEYS": TEST_KEY})


def inside(database: str, work: Callable[[Context], Any]) -> Any:
    """What comes of some work in the database of the test."""

    async def worked() -> Any:
        pool, clock = await open_pool(database), Clock()
        context = Context(pool, clock, IdMaker(clock.wall), load_gateways([], plugins=()), Vault([TEST_KEY]))
        try:
            return await work(context)
        finally:
            await pool.close()

    return asyncio.run(worked())


def stored(database: str) -> Any:
    """Everything of the one tenant."""

    async def look(context: Context) -> Any:
        return await everything(context.pool, await tenants.find_tenant(context, None))

    return inside(database, look)


def listed(run: Run, *args: str) -> list[Any]:
    """What the list says, oldest first."""
    return json.loads(run("subscriptions", "list", "--json", *args).stdout)[::-1]  # type: ignore[no-any-return]


def test_a_file_is_imported_once_however_often_it_is_started(run: Run, tmp_path: Path, database: str) -> None:
    file = tmp_path / "subscribers.csv"
    file.write_text(HEADER + ROWS)
    first = run("subscriptions", "import", str(file))
    assert first.exit_code == 0, first.output
    assert "3 subscriptions made" in first.output
    one, add_on, other = listed(run)
    assert (one["external_id"], one["quantity"], one["starts_on"]) == ("s-1", "2", "2020-01-31")
    assert (one["billed_through_on"], one["next_bill_on"]) == ("2026-07-31", "2026-07-31")
    assert (one["metadata"], one["tags"]) == ({"rack": "7"}, ["red", "vip"])
    assert add_on["group"] == one["group"] != other["group"]
    assert other["plan"]["code"] == "domain"
    before = stored(database)
    again = run("subscriptions", "import", str(file), "--json")
    assert json.loads(again.stdout) | {"rejects": None} == {
        "rows": 3, "made": 0, "made_before": 3, "rows_rejected": 0, "rejects": None, "dry_run": False,
    }  # fmt: skip
    after = stored(database)
    assert {table for table in after if after[table] != before[table]} == {"causes"}


def test_a_dry_run_says_what_would_be_and_stores_nothing(run: Run, tmp_path: Path, database: str) -> None:
    file = tmp_path / "subscribers.csv"
    file.write_text(HEADER + ROWS + "s-4,nobody,server,,,,,,,\n")
    before = stored(database)
    tried = run("subscriptions", "import", str(file), "--dry-run")
    assert tried.exit_code == 3
    assert "3 subscriptions would be made" in tried.output
    assert stored(database) == before


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("s-1,nobody,server,,,,,,,", "there is no customer 'nobody'"),
        ("s-1,ada,castle,,,,,,,", "there is no plan 'castle'"),
        (",ada,server,,,,,,,", "external_id is missing"),
        ("s-1,ada,server,many,,,,,,", "quantity is 'many', not a decimal"),
        ("s-1,ada,server,-1,,,,,,", "a quantity is 0 to"),
        ("s-1,ada,server,1e400,,,,,,", "quantity is '1e400', not a decimal"),
        ("s-1,ada,server,,31.01.2020,,,,,", "starts_on is '31.01.2020', not a date"),
        ("s-1,ada,server,,2026-05-01,2026-01-01,,,,", "nothing can be billed through 2026-01-01"),
        ("s-1,ada,backup,,,,,,,", "it needs a base subscription"),
        ("s-1,ada,backup,,,,s-9,,,", "no subscription with the external id 's-9'"),
        ("s-1,ada,domain,,,,,12,,", "the plan has no charge 'server'"),
        ("s-1,ada,server,,,,,,,Red", "a tag has up to"),
        ("s-1,ada", "this row has 2 columns"),
    ],
)
def test_a_row_that_can_not_be_used_is_kept_with_its_reason_and_stops_no_other(
    run: Run, tmp_path: Path, row: str, why: str
) -> None:
    file = tmp_path / "subscribers.csv"
    file.write_text(HEADER + f"{row}\ngood,ada,server,,,,,,,\n")
    done = run("subscriptions", "import", str(file))
    assert done.exit_code == 3, done.output
    assert [one["external_id"] for one in listed(run)] == ["good"]
    assert why in (tmp_path / "subscribers.csv.rejects.csv").read_text()


def test_what_was_started_as_something_else_is_refused(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "subscribers.csv"
    file.write_text(HEADER + ROWS)
    run("subscriptions", "import", str(file))
    file.write_text(HEADER + "s-1,ada,server,3,2020-01-31,2026-07-31,,17.50,7,\n")
    assert run("subscriptions", "import", str(file)).exit_code == 3
    assert "with another quantity" in (tmp_path / "subscribers.csv.rejects.csv").read_text()


def test_mended_rejects_are_imported_as_they_are(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "subscribers.csv"
    file.write_text(HEADER + "s-1,ada,castle,,,,,,,\n")
    run("subscriptions", "import", str(file))
    mended = tmp_path / "mended.csv"
    mended.write_text((tmp_path / "subscribers.csv.rejects.csv").read_text().replace("castle", "server"))
    assert run("subscriptions", "import", str(mended)).exit_code == 0


def test_json_lines_and_gzip_are_read_and_later_lines_may_say_more(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "subscribers.jsonl.gz"
    lines = [
        {"external_id": "s-1", "customer": "ada", "plan": "server"},
        {"external_id": "s-2", "customer": 17, "plan": "server", "quantity": 2.5, "starts_on": "2026-01-01"},
    ]
    file.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    done = run("subscriptions", "import", str(file))
    assert done.exit_code == 0, done.output
    assert [one["quantity"] for one in listed(run)] == ["1", "2.5"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("customer,plan\nada,server\n", "has no column external_id"),
        ("external_id,customer,plan,colour\n", "columns that mean nothing here: colour"),
        ("external_id,customer,plan,plan\n", "several columns of"),
        ("", "has no column"),
    ],
)
def test_a_file_with_other_columns_is_refused_before_anything_is_made(
    run: Run, tmp_path: Path, text: str, why: str
) -> None:
    file = tmp_path / "subscribers.csv"
    file.write_text(text)
    refused = run("subscriptions", "import", str(file))
    assert refused.exit_code == 1
    assert why in " ".join(refused.output.split())
    assert run("subscriptions", "import", str(tmp_path / "none.csv")).exit_code == 1


def test_one_is_shown_with_its_add_ons_and_its_timeline(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "subscribers.csv"
    file.write_text(HEADER + ROWS)
    run("subscriptions", "import", str(file))
    one = listed(run, "--customer", "ada", "--plan", "server")[0]
    shown = run("subscriptions", "show", one["id"])
    assert "Server (server, version 1)" in shown.output
    assert "Backup" in shown.output
    assert "begins on Server (server, version 1) at prices of its own, quantity 2" in shown.output
    assert json.loads(run("subscriptions", "show", one["id"], "--json").stdout)["timeline"][0]["kind"] == "created"
    assert one["id"] in run("subscriptions", "list", "--status", one["status"]).output
    assert one["id"] not in run("subscriptions", "list", "--status", "cancelled").output
    assert run("subscriptions", "list", "--status", "over").exit_code == 2
    assert run("subscriptions", "show", "sub_x").exit_code == 1
