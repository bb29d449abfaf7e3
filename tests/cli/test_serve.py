"""`serve` and `worker` as processes: started, asked, told to stop; what they leave, and what they log."""

import asyncio
import base64
import json
import signal
import socket
from urllib.parse import quote, urlsplit

import asyncpg

from tests.cli.conftest import StartProgram
from tests.cli.program import PATIENCE_SECONDS, Answer, Program, ask, await_true

CUSTOMER = {"name": "Ada Lovelace"}
NOT_NUMBERED = "SELECT count(*) FROM events WHERE id NOT IN (SELECT event_id FROM event_numbers)"
CONNECTED = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
NOT_WAITING = """SELECT NOT EXISTS (SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE NOT granted AND datname = current_database())"""


def post_customer(program: Program, key: str) -> Answer:
    return ask(f"{program.url}/v1/customers", key=key, body=CUSTOMER, headers={"Idempotency-Key": "one"})


async def until_none(connection: asyncpg.Connection, query: str) -> None:
    """Wait until the query finds nothing; fails when that takes too long."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await connection.fetchval(query):  # noqa: ASYNC110  what happens elsewhere sets no event here
            await asyncio.sleep(0.02)


async def held_customer_request(program: Program, key: str, owner: asyncpg.Connection) -> "asyncio.Task[Answer]":
    """A request that waits for a lock which `owner` holds until its transaction ends."""
    assert program.url
    await owner.execute("BEGIN; LOCK TABLE customers")
    asked = asyncio.create_task(asyncio.to_thread(post_customer, program, key))
    await until_none(owner, NOT_WAITING)
    assert not asked.done()
    return asked


async def test_it_serves_and_numbers_events_until_it_is_told_to_stop_and_leaves_nothing(
    start: StartProgram, database: str, key: str, owner: asyncpg.Connection
) -> None:
    program = start("serve", dev=True, DATABASE_URL=database)
    made = post_customer(program, key)
    assert made.status == 201
    await until_none(owner, NOT_NUMBERED)
    assert ask(f"{program.url}/readyz").status == 200
    metrics = ask(f"{program.url}/metrics").body.decode()
    assert 'billsmith_sweep_done_total{sweep="number_events"}' in metrics
    assert program.stop() == 0
    assert [entry["event"] for entry in program.events][-3:] == ["stopping", "worker stopped", "stopped"]
    line = next(entry for entry in program.events if entry["event"] == "request" and entry["method"] == "POST")
    assert (line["path"], line["status"], line["request_id"]) == ("/v1/customers", 201, made.headers["Request-Id"])
    assert line["tenant"].startswith("ten_")
    assert line["key"].startswith("key_")
    for complaint in ("Warning", "never retrieved", "never awaited", "destroyed", "Traceback"):
        assert complaint not in program.output
    await until_none(owner, CONNECTED)  # the server needs a moment to see that they are closed


async def test_a_request_under_way_is_finished_before_it_stops(
    start: StartProgram, database: str, key: str, owner: asyncpg.Connection
) -> None:
    program = start("serve", "--no-worker", DATABASE_URL=database)
    asked = await held_customer_request(program, key, owner)
    program.tell(signal.SIGINT)
    program.event("stopping")
    await owner.execute("COMMIT")
    assert (await asked).status == 201
    assert program.end() == 0
    assert "worker started" not in program.output


async def test_a_second_signal_quits_at_once_and_what_was_cut_off_is_not_stored(
    start: StartProgram, database: str, key: str, owner: asyncpg.Connection
) -> None:
    program = start("serve", DATABASE_URL=database)
    asked = await held_customer_request(program, key, owner)
    program.tell(signal.SIGTERM)
    program.event("stopping")
    program.tell(signal.SIGTERM)
    assert program.end() == 1
    await owner.execute("COMMIT")
    await asyncio.wait([asked])
    assert await owner.fetchval("SELECT count(*) FROM customers") == 0


async def test_what_does_not_end_in_time_is_cut_off(
    start: StartProgram, database: str, key: str, owner: asyncpg.Connection
) -> None:
    program = start("serve", DATABASE_URL=database, BILLSMITH_STOP_SECONDS="1")
    asked = await held_customer_request(program, key, owner)
    assert program.stop() == 0
    await owner.execute("COMMIT")
    await asyncio.wait([asked])
    assert await owner.fetchval("SELECT count(*) FROM customers") == 0


async def test_the_worker_alone_numbers_events_and_stops_as_well(
    start: StartProgram, database: str, key: str, owner: asyncpg.Connection
) -> None:
    program = start("worker", dev=True, DATABASE_URL=database)
    program.event("worker started")
    await until_none(owner, NOT_NUMBERED)
    assert program.stop() == 0
    assert "Warning" not in program.output


def test_a_taken_port_is_named(start: StartProgram, database: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        program = start("serve", "--port", str(port), DATABASE_URL=database)
        assert program.end() == 1
    assert f"port {port} of 127.0.0.1 is taken" in program.output
    assert "Traceback" not in program.output


def test_a_database_that_is_not_migrated_is_refused_with_what_to_run(start: StartProgram, empty_database: str) -> None:
    program = start("serve", DATABASE_URL=empty_database)
    assert program.end() == 1
    assert "billsmith migrate" in program.output
    assert "Traceback" not in program.output


async def test_no_secret_gets_into_the_logs_wherever_a_caller_puts_it(
    start: StartProgram, database: str, key: str
) -> None:
    program = start("serve", DATABASE_URL=database, BILLSMITH_LOG_LEVEL="debug")
    basic = base64.b64encode(f"{key}:".encode()).decode()
    doubled = base64.b64encode(f"x:{key}".encode()).decode()
    v1 = f"{program.url}/v1"
    body = json.dumps({"name": key, "metadata": {"key": key}, "unknown": key}).encode()

    def everywhere() -> None:
        ask(f"{v1}/customers?api_key={key}&limit={key}", key=key)
        ask(f"{v1}/customers/{key}", key=key)
        ask(f"{v1}/{quote(key, safe='').replace('_', '%5F')}", key=key)
        ask(f"{v1}/customers", key=f"{key}x")
        ask(f"{v1}/customers", headers={"Authorization": key})
        ask(f"{v1}/customers", headers={"Authorization": f"Token {key}", "Cookie": f"key={key}", "User-Agent": key})
        ask(f"{v1}/customers", headers={"Authorization": f"Basic {basic}"})
        ask(f"{v1}/customers", headers={"Authorization": f"Basic {doubled}", "Referer": f"https://x/?{key}"})
        ask(f"{v1}/customers", key=key, headers={"Request-Id": key})
        ask(f"{v1}/customers", key=key, body=body, headers={"Idempotency-Key": key, "Billsmith-Reason": key})
        ask(f"{v1}/customers", key=key, body=body[:-1], headers={"Content-Type": key})

    await asyncio.to_thread(everywhere)
    await_true(lambda: sum(entry["event"] == "request" for entry in program.events) >= 11, program)
    assert program.stop() == 0
    password = urlsplit(database).password
    for secret in (key, key.removeprefix("sk_live_"), basic, doubled, password):
        assert secret
        assert secret not in program.output
