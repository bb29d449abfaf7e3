"""What comes out depends on the documents alone: not on batches, workers, or the order of the file."""

from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from billsmith.cli.generated_shop import COLUMNS, shop_lines, write_shop
from tests.imports.running import SHOP_MAPPING, Importer, books

NewImporter = Callable[[], Awaitable[Importer]]
DOCUMENTS = 240


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small shop with everything odd that a real one has."""
    path = tmp_path_factory.mktemp("shop") / "shop.csv"
    write_shop(path, DOCUMENTS, seed=7)
    return path


async def test_workers_and_batches_change_nothing(new_importer: NewImporter, shop: Path) -> None:
    found: list[dict[str, Any]] = []
    for workers, lines_at_once in ((1, 2_500), (1, 1), (2, 100), (3, 37)):
        importer = await new_importer()
        summary = await importer.run(shop, *SHOP_MAPPING, workers=workers, lines_at_once=lines_at_once)
        assert (summary.documents_made, summary.rows_rejected) == (DOCUMENTS, 0)
        found.append(await books(importer))
    draws = [document[-1] for document in found[0]["documents"]]
    assert sum(draw is not None for draw in draws) > 10  # there was something to be different in
    assert found[1] == found[0]
    assert found[2] == found[0]
    assert found[3] == found[0]


async def test_a_file_in_another_order_gives_the_same_books(new_importer: NewImporter, shop: Path) -> None:
    documents: dict[str, list[str]] = {}
    for line in shop_lines(DOCUMENTS, 7):
        documents.setdefault(str(line[0]), []).append(",".join(map(str, line)))
    straight, backwards = await new_importer(), await new_importer()
    blocks = [line for name in reversed(documents) for line in documents[name]]
    path = backwards.write("backwards.csv", *blocks, header=",".join(COLUMNS))
    await straight.run(shop, *SHOP_MAPPING)
    await backwards.run(path, *SHOP_MAPPING)
    assert await books(backwards) == await books(straight)


async def test_documents_are_finalised_by_date_then_time_then_first_row(importer: Importer) -> None:
    await importer.lines(
        "late,acme,2026-01-03,A,1,1",
        "noon,acme,2026-01-02 12:00:00,A,1,1",
        "morning,acme,2026-01-02 08:00:00,A,1,1",
        "third,acme,2026-01-01,A,1,1",
        "fourth,acme,2026-01-01,A,1,1",
        "third,acme,2025-01-01,A,1,1",  # the first row's date counts
        "second,acme,2025-12-31T23:30:00-01:00,A,1,1",  # 00:30 here: after both that have no time
    )
    rows = await importer.fetch(
        "SELECT external_number FROM invoices JOIN invoice_numbers ON invoice_id = id"
        " WHERE invoices.tenant_id = $1 ORDER BY sequence"
    )
    assert [row[0] for row in rows] == ["third", "fourth", "second", "morning", "noon", "late"]


async def test_credit_is_drawn_in_that_order(importer: Importer) -> None:
    await importer.lines(
        "I-2,acme,2026-01-03,A,1,5", "C-1,acme,2026-01-02,A,-1,8", "I-1,acme,2026-01-01,A,1,4", lines_at_once=1
    )
    made = await importer.documents()
    assert {name: row["credit_applied_minor"] for name, row in made.items()} == {"I-1": 400, "C-1": 0, "I-2": 400}
    assert {name: row["status"] for name, row in made.items()} == {"I-1": "paid", "C-1": "paid", "I-2": "open"}


async def test_a_document_in_several_blocks_is_one_and_its_repeated_lines_are_real(importer: Importer) -> None:
    row = "F-1,acme,2026-01-31,Setup,1,50"
    summary = await importer.lines(row, row, "F-2,acme,2026-01-31,Setup,1,50", row)
    assert (summary.documents_made, summary.lines) == (2, 4)
    made = (await importer.documents())["F-1"]
    assert (made["line_count"], made["total_minor"]) == (3, 15000)


async def test_those_who_are_no_customers_share_one_per_country_that_draws_no_credit(importer: Importer) -> None:
    header = "document,customer,walk_in,issued_on,name,quantity,unit_price"
    rows = (
        "1,,France,2026-01-01,A,-1,5",
        "2,,France,2026-01-02,A,1,5",
        "3,,Japan,2026-01-02,A,1,0",
        "4,7.0,Japan,2026-01-02,A,1,1",
    )
    await importer.run(importer.write("x.csv", *rows, header=header))
    customers = await importer.fetch(
        "SELECT external_id, name, draw_credit FROM customers WHERE tenant_id = $1 ORDER BY 1"
    )
    assert [tuple(row) for row in customers] == [
        ("7", "Customer 7", True),
        ("walk-in:France", "Walk-in France", False),
        ("walk-in:Japan", "Walk-in Japan", False),
    ]
    made = await importer.documents()
    assert (made["2"]["status"], made["2"]["balance_minor"]) == ("open", 500)
    assert (made["3"]["status"], made["3"]["total_minor"]) == ("paid", 0)  # nothing to pay: settled at once
    assert made["3"]["issued_on"] == date(2026, 1, 2)
