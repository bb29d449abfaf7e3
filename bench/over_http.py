"""POST an invoice, GET an invoice: a real server process, the load from another process, a bare server as baseline."""

import asyncio
import json
import tempfile
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path

import asyncpg
import msgspec

from bench.bare_server import STORE, TABLE
from bench.load import Answered, put_under_load, request
from bench.measured import Figure, Measured, median
from bench.serving import Served, bare, billsmith
from bench.stage import Stage, analyse, differences, stage
from billsmith.core.ids import show_id

POSTS, POSTS_ASKED = 6_000, 1_000
GETS, GETS_ASKED = 12_000, 2_000
P99_MS = 50
PAIRS = 3
WARM_UP = 500
"""Requests before the first that counts: connections opened, statements prepared."""
SECONDS_AT_HALF = 6

Requests = Callable[[int], list[bytes]]
"""So many requests; a POST is never sent twice."""


class Round(msgspec.Struct, frozen=True):
    """One run of each, right after the other."""

    ours: Answered
    cpu_ms: float
    """Of our server process, per request."""
    baseline: Answered


async def post_invoice(server_url: str, rows: int | None) -> Measured:
    """POST of an invoice of three lines with an idempotency key: finalised, numbered, posted, with its events."""
    async with stage(server_url) as on:
        with tempfile.TemporaryDirectory(prefix="billsmith-bench-") as folder:
            found = await asyncio.to_thread(
                _measure, on, Path(folder), lambda count: _posts(on, count), rows or POSTS, POSTS_ASKED
            )
        return Measured("POST an invoice", found[0], await differences(on), found[1])


async def get_invoice(server_url: str, rows: int | None) -> Measured:
    """GET of an invoice with its three lines, out of a few thousand."""
    async with stage(server_url) as on:
        with tempfile.TemporaryDirectory(prefix="billsmith-bench-") as folder:
            paths = await _filled(on, Path(folder))

            def gets(count: int) -> list[bytes]:
                return [request("GET", paths[nth % len(paths)], on.secret) for nth in range(count)]

            found = await asyncio.to_thread(_measure, on, Path(folder), gets, rows or GETS, GETS_ASKED)
        return Measured("GET an invoice with lines", found[0], await differences(on), found[1])


def _measure(
    on: Stage, folder: Path, requests: Requests, count: int, asked: float
) -> tuple[list[Figure], dict[str, object]]:
    rounds = []
    with billsmith(on.url, folder) as ours, bare(_with_table(on), folder) as baseline:
        for served in (ours, baseline):
            _load(served, requests(WARM_UP), folder)
        for _ in range(PAIRS):
            before = ours.cpu_seconds()
            answered = _load(ours, requests(count), folder)
            cpu_ms = (ours.cpu_seconds() - before) * 1000 / count
            rounds.append(Round(answered, cpu_ms, _load(baseline, requests(count), folder)))
        at_half = _load(ours, requests(int(asked / 2 * SECONDS_AT_HALF)), folder, asked / 2)
    rate = median([one.ours.per_second for one in rounds])
    ratio = median([one.ours.per_second / one.baseline.per_second for one in rounds])
    figures = [
        Figure("answered per second, one process", rate, "/s", least=asked),
        Figure("of the bare server's rate", ratio, ""),
        Figure("p99 of them, 16 at once", median([one.ours.p99_ms for one in rounds]), "ms"),
        Figure(f"p99 at {asked / 2:.0f}/s", at_half.p99_ms, "ms", most=P99_MS),
        Figure("p50 at that rate", at_half.p50_ms, "ms"),
        Figure("CPU of the server process per request", median([one.cpu_ms for one in rounds]), "ms"),
    ]
    return figures, {"rounds": msgspec.to_builtins(rounds), "at_half": msgspec.to_builtins(at_half)}


def _load(served: Served, requests: list[bytes], folder: Path, rate: float = 0) -> Answered:
    answered = put_under_load(served.port, requests, folder, rate)
    if any(not status.startswith("2") for status in answered.statuses):
        raise RuntimeError(f"not every request was answered as it should be: {answered.statuses}")
    return answered


def _posts(on: Stage, count: int) -> list[bytes]:
    return [
        request(
            "POST",
            "/v1/invoices",
            on.secret,
            f"Idempotency-Key: {uuid.uuid4()}\r\n",
            json.dumps(_invoice(on.customers[nth % len(on.customers)], nth)).encode(),
        )
        for nth in range(count)
    ]


def _invoice(customer: str, nth: int) -> dict[str, object]:
    tax = {"percent": "19"}
    return {
        "customer": customer,
        "title": f"Services of week {nth}",
        "metadata": {"order": f"O-{nth}"},
        "items": [
            {"name": "Consulting", "quantity": "7.5", "unit": "hours", "unit_price": "120.00", "tax": tax},
            {"name": "Travel, flat rate", "amount": 9_900, "tax": tax},
            {"name": "Reference work", "quantity": "2", "unit_price": "12.99", "tax": {"percent": "7"}},
        ],
    }


async def _filled(on: Stage, folder: Path) -> list[str]:
    """Post what is to be read, for the bare server its answers too; the paths of all."""
    with billsmith(on.url, folder) as served:
        await asyncio.to_thread(_load, served, _posts(on, GETS // 2), folder)
        connection = await asyncpg.connect(on.url)
        try:
            ids = await connection.fetch("SELECT id FROM invoices ORDER BY id")
            paths = [f"/v1/invoices/{show_id('invoice', row['id'])}" for row in ids]
            answers = [await asyncio.to_thread(_read, served, path, on.secret) for path in paths]
            await connection.execute(TABLE)
            await connection.executemany(STORE, list(zip(paths, answers, strict=True)))
        finally:
            await connection.close()
    await analyse(on.url)
    return paths


def _read(served: Served, path: str, secret: str) -> bytes:
    asked = urllib.request.Request(
        f"http://127.0.0.1:{served.port}{path}", headers={"Authorization": f"Bearer {secret}"}
    )
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return bytes(answer.read())


def _with_table(on: Stage) -> str:
    async def make() -> None:
        connection = await asyncpg.connect(on.url)
        try:
            await connection.execute(TABLE)
        finally:
            await connection.close()

    asyncio.run(make())
    return on.url
