"""Lists of invoices: every filter alone and with created_at, its first page and one near its end, through HTTP."""

import asyncio
import http.client
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import msgspec

from bench.filling import BEGAN_AT, DAYS, SQL, fill
from bench.measured import Figure, Measured, median
from bench.serving import billsmith
from bench.stage import Stage, analyse, stage
from billsmith.api.paging import Cursor, show_cursor

ROWS = 1_000_000
CUSTOMERS = 5_000
PAGE = 100
"""The largest page there is."""
TIMES = 15
MOST_MS = 50


class Case(msgspec.Struct, frozen=True):
    """What a list is narrowed down to: as it is asked for, and as SQL says it, to find a page near the end."""

    name: str
    query: str
    condition: str


def _day(days: int) -> str:
    return (BEGAN_AT + timedelta(days=days)).date().isoformat()


def cases(customer: str, customer_id: str) -> Iterator[Case]:
    """Each filter alone, then with a span of created_at."""
    late, half, early = DAYS * 9 // 10, _day(DAYS // 2), DAYS // 10
    alone = [
        Case("no filter", "", "true"),
        Case("customer", f"customer={customer}", f"customer_id = '{customer_id}'"),
        Case("status, frequent", "status=paid", "status = 'paid'"),
        Case("status, rare", "status=uncollectible", "status = 'uncollectible'"),
        Case("collection state", "collection_state=failed", "collection_state = 'failed'"),
        Case("due on a day", f"due_on[gte]={half}&due_on[lte]={half}", f"due_on = '{half}'"),
        Case("due since, most", f"due_on[gte]={_day(early)}", f"due_on >= '{_day(early)}'"),
        Case("due since, few", f"due_on[gte]={_day(late)}", f"due_on >= '{_day(late)}'"),
        Case("due until, few", f"due_on[lte]={_day(early)}", f"due_on <= '{_day(early)}'"),
        Case("due until, most", f"due_on[lte]={_day(late)}", f"due_on <= '{_day(late)}'"),
    ]
    since, until = _day(DAYS // 3), _day(DAYS // 2)
    made = f"created_at[gte]={since}T00:00:00Z&created_at[lt]={until}T00:00:00Z"
    span = f"created_at >= '{since}T00:00:00Z' AND created_at < '{until}T00:00:00Z'"
    for case in alone:
        yield case
        yield Case(f"{case.name}, and created", f"{case.query}&{made}".lstrip("&"), f"{case.condition} AND {span}")


async def lists(server_url: str, rows: int | None) -> Measured:
    """Pages of a list of a million invoices of one company, a hundred on each; `--rows 10000000` for ten million."""
    count = rows or ROWS
    async with stage(server_url, CUSTOMERS) as on:
        tenant = on.call.tenant
        began = time.perf_counter()
        await fill(on.url, tenant.id, tenant.snapshot_id, count)
        await analyse(on.url)
        filled = time.perf_counter() - began
        pages = await _pages(on)
        with tempfile.TemporaryDirectory(prefix="billsmith-bench-") as folder:
            found = await asyncio.to_thread(fetched, on.url, on.secret, Path(folder), pages)
        figures = [Figure(name, median(took), "ms", most=MOST_MS) for name, took in found.items()]
        worst = {name: round(max(took), 1) for name, took in found.items()}
        details: dict[str, Any] = {"rows": count, "seconds_to_fill": round(filled), "worst_ms": worst}
        return Measured(f"Lists of {count:,} invoices", figures, None, details)


async def _pages(on: Stage) -> dict[str, str]:
    """The path of every page, by name."""
    connection = await asyncpg.connect(on.url)
    pages = {}
    try:
        most = await connection.fetchrow(SQL["largest"])
        assert most is not None
        for case in cases(most["external_id"], str(most["id"])):
            path = f"/v1/invoices?limit={PAGE}&{quote(case.query, safe='=&')}".rstrip("&")
            matching = await connection.fetchval(f"SELECT count(*) FROM invoices WHERE {case.condition}")
            pages[f"{case.name} ({matching:,})"] = path
            after = await connection.fetchval(
                f"SELECT id FROM invoices WHERE {case.condition} ORDER BY id DESC OFFSET $1 LIMIT 1", matching * 9 // 10
            )
            if after is not None:
                pages[f"{case.name}, deep"] = f"{path}&cursor={show_cursor(Cursor(after))}"
    finally:
        await connection.close()
    return pages


def fetched(url: str, secret: str, folder: Path, pages: dict[str, str]) -> dict[str, list[float]]:
    """Milliseconds of every page, asked for again and again in turn."""
    headers = {"Authorization": f"Bearer {secret}"}
    took: dict[str, list[float]] = {name: [] for name in pages}
    with billsmith(url, folder) as served:
        line = http.client.HTTPConnection("127.0.0.1", served.port, timeout=600)
        for nth in range(TIMES + 1):
            for name, path in pages.items():
                began = time.perf_counter()
                line.request("GET", path, headers=headers)
                answer = line.getresponse()
                octets = answer.read()
                seconds = time.perf_counter() - began
                if answer.status != 200:
                    raise RuntimeError(f"{path}: {octets[:500]!r}")
                if nth:  # the first time reads what nobody has read before
                    took[name].append(seconds * 1000)
        line.close()
    return took
