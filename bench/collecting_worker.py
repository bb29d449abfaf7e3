"""A worker that collects what is due through a far gateway, and nothing else: `python -m bench.collecting_worker`."""

import asyncio
import sys
import time
from pathlib import Path

import msgspec
from msgspec.structs import replace

from bench.slow_gateway import FarGateway
from billsmith.actions.money.collect import collect_due
from billsmith.config import settings_from
from billsmith.gateways.registry import Registry
from billsmith.wiring import open_context

POOL = 10


class Order(msgspec.Struct, frozen=True):
    """What it is told on stdin."""

    url: str
    folder: str
    """With the keys that open the gateway account's credentials."""
    port: int
    profile: str | None = None
    """The file that its profile is written to."""


class Collected(msgspec.Struct, frozen=True):
    """What it says on stdout."""

    invoices: int
    seconds: float
    cpu_seconds: float


async def _collect(order: Order) -> Collected:
    folder = Path(order.folder)
    settings = replace(settings_from(), database_url=None, home=folder, pool_size=POOL)
    async with open_context(settings, order.url, migrated=False) as opened:
        context = replace(opened, gateways=Registry({"fake": FarGateway(folder, order.port)}))
        began, cpu_began, invoices = time.perf_counter(), time.process_time(), 0
        while done := await collect_due(context):
            invoices += done
        return Collected(invoices, time.perf_counter() - began, time.process_time() - cpu_began)


def main() -> None:
    """Collect, and say how it went."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    if order.profile is None:
        collected = asyncio.run(_collect(order))
    else:
        import cProfile

        with cProfile.Profile() as profile:
            collected = asyncio.run(_collect(order))
        profile.dump_stats(order.profile)
    print(msgspec.json.encode(collected).decode())


if __name__ == "__main__":
    main()
