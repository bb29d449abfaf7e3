"""`python -m bench`: measure everything, or what `--only` names; print it and write it to bench/results/."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable

import msgspec

from bench.collection import collection
from bench.growth import growth
from bench.import_shop import import_shop
from bench.lists import lists
from bench.measured import Measured, screen, show, write
from bench.million import million
from bench.over_http import get_invoice, post_invoice
from bench.run import RUNS, Variant
from bench.run import run as billing_run
from bench.soak import SOAK, Lasting, soak
from bench.stage import conditions, server
from billsmith.cli.logs import configure_logs
from billsmith.config import settings_from

BENCHES: dict[str, Callable[[str, int | None], Awaitable[Measured]]] = {
    "post": post_invoice,
    "get": get_invoice,
    "lists": lists,
    "import": import_shop,
    "collection": collection,
    "run": billing_run,
    "growth": growth,
    "soak": soak,
    "million": million,
}


def main() -> int:
    """The exit code: 1 if `verify` found a difference. A figure below what is asked for is shown, and no failure."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", choices=BENCHES, action="append", help="only this one; may be given several times")
    parser.add_argument("--rows", type=int, help="how many requests, invoices or lines, where another number is meant")
    parser.add_argument("--customers", type=int, help="of the run, or of the soak")
    parser.add_argument("--days", type=int, default=SOAK.days, help="of the soak")
    parser.add_argument("--companies", type=int, default=RUNS.companies, help="of the run")
    parser.add_argument("--charges", type=int, choices=(1, 2, 3), default=RUNS.charges, help="of each plan of the run")
    parser.add_argument("--changed", type=int, default=RUNS.changed_percent, help="percent that changed in mid-month")
    parser.add_argument("--workers", type=int, default=RUNS.workers, help="of the run")
    parser.add_argument("--pairs", type=int, default=RUNS.pairs, help="of the run and its floor")
    given = parser.parse_args()
    customers = given.customers or RUNS.customers
    lasting = Lasting(given.customers or SOAK.customers, given.days)
    variant = Variant(customers, given.companies, given.charges, given.changed, given.workers, given.pairs)
    measured = []
    with server() as url:
        found = asyncio.run(conditions(url))
        durable = f"fsync {found['fsync']}, synchronous_commit {found['synchronous_commit']}"
        screen.print(
            f"{found['cores']} cores, {found['memory_gb']} GB, PostgreSQL {found['server_version']}, {durable}"
        )
        for name in given.only or BENCHES:
            match name:
                case "run":
                    bench = billing_run(url, given.rows, variant)
                case "soak":
                    configure_logs(msgspec.structs.replace(settings_from(), log_level="warning"))
                    bench = soak(url, given.rows, lasting)
                case _:
                    bench = BENCHES[name](url, given.rows)
            measured.append(asyncio.run(bench))
            show(measured[-1])
    screen.print(f"\n{write(measured, found)}", markup=False, soft_wrap=True)
    return 1 if any(one.differences for one in measured) else 0


if __name__ == "__main__":
    sys.exit(main())
