"""`clock advance` and `payments unknown|resolve`: what they do, print and refuse."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from typer.testing import CliRunner, Result

from billsmith.actions.context import Context
from billsmith.cli.main import app
from billsmith.clock import Clock
from billsmith.core.ids import show_id
from billsmith.gateways.external import ExternalGateway
from billsmith.gateways.fake import FakeGateway
from billsmith.gateways.registry import load_gateways
from billsmith.ids import IdMaker
from billsmith.store.pool import open_pool
from billsmith.vault import Vault
from billsmith.wiring import FAKE_BOOKS
from tests.actions.money.looks import attempt_of, begun_and_killed, charged, owed
from tests.actions.money.stage import Stage, new_stage
from tests.contexts import TEST_KEY

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database: str) -> Run:
    """Types a command for the database of this test."""
    monkeypatch.delenv("MIGRATE_DATABASE_URL", raising=False)
    environment = {"BILLSMITH_HOME": str(tmp_path), "DATABASE_URL": database, "COLUMNS": "200"}

    def typed(*args: str, keys: str = TEST_KEY) -> Result:
        return CliRunner().invoke(app, args, env=environment | {"BILLSMITH_SECRET_KEYS": keys})

    return typed


@pytest.fixture
def prepared(database: str, tmp_path: Path) -> Callable[[Callable[[Stage], Any]], Any]:
    """Does something in a new sandbox of the database, before commands are typed; what came of it."""

    async def inside(prepare: Callable[[Stage], Any]) -> Any:
        pool, clock = await open_pool(database), Clock()
        gateways = load_gateways([FakeGateway(tmp_path / FAKE_BOOKS), ExternalGateway()], plugins=())
        context = Context(pool, clock, IdMaker(clock.wall), gateways, Vault([TEST_KEY]))
        try:
            return await prepare(await new_stage(context, book="book"))
        finally:
            await pool.close()

    return lambda prepare: asyncio.run(inside(prepare))


def words(text: str) -> str:
    """The text without line breaks and columns."""
    return " ".join(text.split())


def test_an_advance_tells_day_by_day_what_happened(run: Run, prepared: Any) -> None:
    prepared(lambda stage: charged(stage, "tok_insufficient_funds"))
    done = run("clock", "advance", "10d")
    assert done.exit_code == 0, done.output
    said = words(done.stdout)
    for part in ("2026-03-02 declined 100.00 EUR (1×)", "2026-03-05", "2026-03-10", "stands at 2026-03-11 12:00 UTC"):
        assert part in said
    assert "2026-03-03" not in said


def test_an_advance_as_json_has_the_tenant_and_the_days(run: Run, prepared: Any) -> None:
    prepared(lambda stage: charged(stage, "tok_pending_3d_succeed"))
    shown = json.loads(run("clock", "advance", "--to", "2026-03-20T00:00:00Z", "--json").stdout)
    assert shown["tenant"]["clock_at"] == "2026-03-20T00:00:00Z"
    (day,) = shown["days"]
    assert (day["on"], day["events"]["invoice.paid"]) == ("2026-03-04", 1)
    assert day["moved"] == [{"movement": "collected", "currency": "EUR", "amount": 10000, "payments": 1}]
    assert json.loads(run("clock", "advance", "1h", "--json").stdout)["days"] == []


def test_a_jump_does_at_its_end_what_fell_due(run: Run, prepared: Any) -> None:
    prepared(lambda stage: charged(stage, "tok_insufficient_funds"))
    said = words(run("clock", "advance", "2w", "--jump").stdout)
    assert "2026-03-15" in said
    assert "2026-03-02" not in said


@pytest.mark.parametrize(
    "args", [[], ["40"], ["d"], ["40d", "--to", "2026-04-01"], ["--to", "9999-12-31T23:00:00Z"], ["--to", "soon"]]
)
def test_an_advance_that_can_not_be_meant_is_refused(run: Run, prepared: Any, args: list[str]) -> None:
    prepared(lambda stage: charged(stage, "tok_ok"))
    refused = run("clock", "advance", *args)
    assert refused.exit_code == 1
    assert "✗" in refused.output


def test_a_clock_only_moves_forward(run: Run, prepared: Any) -> None:
    prepared(lambda stage: charged(stage, "tok_ok"))
    refused = run("clock", "advance", "--to", "2026-02-01")
    assert (refused.exit_code, "only moves forward" in words(refused.output)) == (1, True)


async def cut_off(stage: Stage) -> str:
    """The id of an attempt whose sender was killed and whose lease is over."""
    document = await owed(stage, "tok_ok")
    await begun_and_killed(stage, document)
    await stage.context.pool.execute(
        "UPDATE attempts SET status = 'unknown', lease_until = created_at, next_check_at = created_at"
        " WHERE tenant_id = $1",
        stage.call.tenant.id,
    )
    return show_id("attempt", (await attempt_of(stage, document)).id)


def test_what_nobody_knows_is_listed_and_resolved_with_evidence(run: Run, prepared: Any) -> None:
    id_ = prepared(cut_off)
    listed = run("payments", "unknown")
    assert id_ in listed.stdout
    assert "100.00 EUR" in listed.stdout
    assert json.loads(run("payments", "unknown", "--json").stdout)[0]["id"] == id_
    done = run("payments", "resolve", id_, "--succeeded", "--gateway-id", "ch_1", "--evidence", "dashboard, 2 April")
    assert done.exit_code == 0, done.output
    assert "is succeeded" in words(done.stdout)
    assert "every payment is known" in run("payments", "unknown").stdout
    again = run("payments", "resolve", id_, "--failed", "--evidence", "no")
    assert (again.exit_code, "succeeded" in again.output) == (1, True)


def test_failed_is_an_answer_too(run: Run, prepared: Any) -> None:
    id_ = prepared(cut_off)
    shown = json.loads(run("payments", "resolve", id_, "--failed", "--evidence", "their support", "--json").stdout)
    assert (shown["status"], shown["evidence"]) == ("failed", "their support")


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["--succeeded", "--failed"],
        ["--succeeded"],
        ["--failed", "--amount", "5"],
        ["--succeeded", "--gateway-id", ""],
    ],
)
def test_a_resolution_that_can_not_be_meant_is_refused(run: Run, prepared: Any, args: list[str]) -> None:
    id_ = prepared(cut_off)
    refused = run("payments", "resolve", id_, "--evidence", "x", *args)
    assert (refused.exit_code, "✗" in refused.output) == (1, True)


def test_an_attempt_that_is_not_there_is_said_so(run: Run, prepared: Any) -> None:
    prepared(lambda stage: charged(stage, "tok_ok"))
    refused = run("payments", "resolve", "att_nonsense", "--failed", "--evidence", "x")
    assert refused.exit_code == 1


def test_secret_keys_are_changed_by_sealing_anew_and_the_old_one_is_dropped(run: Run, prepared: Any) -> None:
    prepared(lambda stage: stage.customer())
    newer = Fernet.generate_key().decode()
    assert "1 gateway account " in run("secrets", "reseal", keys=f"{newer},{TEST_KEY}").stdout
    assert json.loads(run("secrets", "reseal", "--json", keys=newer).stdout) == {"resealed": 0}
    lost = run("secrets", "reseal", keys=TEST_KEY)
    assert (lost.exit_code, "can't be opened" in words(lost.output)) == (1, True)
