"""A real shop's data: some thousand lines of it here; the whole year is `billsmith demo` and the bench."""

import csv
import gzip
from collections.abc import Awaitable, Callable
from decimal import ROUND_HALF_UP, Decimal
from itertools import islice
from pathlib import Path

import pytest

from tests.imports.running import SHOP_MAPPING, Importer, books

LINES = 6_000
PENNY = Decimal("0.01")


@pytest.fixture(scope="module")
def real_lines(shared: Path) -> list[str]:
    """The header and the first lines of the shop's file."""
    path = shared / "data" / "online_retail.csv.gz"
    if not path.is_file():
        pytest.skip(f"{path} is not there: the real shop's data is skipped")
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        return list(islice(stream, LINES + 1))


async def test_every_line_and_every_penny_of_it_arrives(
    new_importer: Callable[[], Awaitable[Importer]], real_lines: list[str]
) -> None:
    importer, other = await new_importer(), await new_importer()
    path = importer.folder / "shop.csv"
    path.write_text("".join(real_lines), newline="")
    summary = await importer.run(path, *SHOP_MAPPING, workers=2)
    assert (summary.lines, summary.rows_rejected) == (LINES, 0)
    totals: dict[str, Decimal] = {}
    for row in csv.DictReader(real_lines):
        amount = (Decimal(row["Quantity"]) * Decimal(row["UnitPrice"])).quantize(PENNY, ROUND_HALF_UP)
        totals[row["InvoiceNo"]] = totals.get(row["InvoiceNo"], Decimal(0)) + amount
    made = await importer.documents()
    assert {name: Decimal(row["total_minor"]) / 100 for name, row in made.items()} == totals
    assert all(row["status"] == "paid" for row in made.values() if row["total_minor"] <= 0)
    await other.run(path, *SHOP_MAPPING, lines_at_once=211)
    assert await books(other) == await books(importer)
