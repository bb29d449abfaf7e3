"""Import of a shop's year, as `billsmith demo` does it, and its ratio to the floor."""

import csv
import gzip
import itertools
import os
import tempfile
from pathlib import Path

import msgspec

from bench.floor import copy, counts, keep
from bench.measured import Figure, Measured, median
from bench.stage import Meter, Spent, Stage, differences, stage
from billsmith.cli.demo import MAPPING
from billsmith.cli.generated_shop import write_shop
from billsmith.cli.importing.mapping import parse_mapping
from billsmith.cli.importing.run import ImportOrder, ImportSummary, Watcher, run_import
from billsmith.config import settings_from

PAIRS = 3
LINES_ASKED = 15_000
OF_FLOOR_ASKED = 0.25
GROWTH_ASKED_MB = 64


class Pair(msgspec.Struct, frozen=True):
    """An import, and the floor of what it wrote, right after it."""

    lines: int
    documents: int
    imported: Spent
    floor: Spent
    written_mb: float
    memory_growth_mb: float


async def import_shop(server_url: str, rows: int | None) -> Measured:
    """The real shop's year where BILLSMITH_SHARED has it, otherwise a generated one; `--rows` takes the first lines."""
    workers = os.cpu_count() or 1
    pairs, found = [], 0
    with tempfile.TemporaryDirectory(prefix="billsmith-bench-") as folder:
        shop, file = _shop(Path(folder), rows)
        for nth in range(PAIRS):
            async with stage(server_url, customers=1) as on:
                before = await counts(on.url)
                meter = await Meter.on(on.url)
                summary = await _imported(on, file, workers)
                imported = meter.spent()
                if nth == PAIRS - 1:
                    found = await differences(on)
                kept = await keep(on.url, before, Path(folder), workers)
                floor = await copy(on.url, kept)
            growth = max(summary.memory_growth_mb, summary.worker_memory_growth_mb)
            written_mb = kept.octets / 2**20
            pairs.append(Pair(summary.lines, summary.documents_made, imported, floor, written_mb, growth))
    figures = [
        Figure(
            "lines per second", median([one.lines / one.imported.seconds for one in pairs]), "/s", least=LINES_ASKED
        ),
        Figure("documents per second", median([one.documents / one.imported.seconds for one in pairs]), "/s"),
        Figure(
            "of the floor",
            median([one.floor.seconds / one.imported.seconds for one in pairs]),
            "",
            least=OF_FLOOR_ASKED,
        ),
        Figure("the same by CPU time", median([one.floor.cpu_seconds / one.imported.cpu_seconds for one in pairs]), ""),
        Figure("CPU per line", median([one.imported.cpu_seconds * 1e6 / one.lines for one in pairs]), "µs"),
        Figure("growth of memory, at most", max(one.memory_growth_mb for one in pairs), "MB", most=GROWTH_ASKED_MB),
    ]
    details = {"shop": shop, "workers": workers, "pairs": msgspec.to_builtins(pairs)}
    return Measured(f"Import of {pairs[0].lines:,} lines ({shop})", figures, found, details)


async def _imported(on: Stage, file: Path, workers: int) -> ImportSummary:
    order = ImportOrder(file, "bench", parse_mapping(MAPPING), workers, create_customers=True)
    nobody = Watcher(lambda rows: None, lambda lines, of: None)
    return await run_import(on.context, on.settings, on.url, on.call, order, nobody)


def _shop(folder: Path, rows: int | None) -> tuple[str, Path]:
    """(which shop, its file), cut off after so many lines."""
    real = settings_from().shared / "data" / "online_retail.csv.gz"
    name, file = ("real", real) if real.is_file() else ("generated", folder / "shop.csv")
    if name == "generated":
        write_shop(file)
    if rows is None:
        return name, file
    cut = folder / "cut.csv"
    opened = gzip.open if file.suffix == ".gz" else open
    with (
        opened(file, "rt", encoding="utf-8", newline="") as source,
        cut.open("w", encoding="utf-8", newline="") as target,
    ):
        csv.writer(target).writerows(itertools.islice(csv.reader(source), rows + 1))
    return name, cut
