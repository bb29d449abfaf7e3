"""What files can look like."""

import gzip
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from billsmith.cli.importing.mapping import MappingInvalid, parse_mapping
from billsmith.cli.importing.reading import FileMissing, FileUnreadable
from billsmith.core.text import UnusableText
from tests.imports.running import HEADER, Importer

ROWS = ("F-1,acme,2026-01-31,Bandwidth,3,9.99", "F-1,acme,2026-01-31,Setup,1,50", "F-2,zebra,2026-02-01,Setup,2,50")


async def test_rows_become_documents_of_their_customers(importer: Importer) -> None:
    summary = await importer.lines(*ROWS)
    assert (summary.rows, summary.documents_made, summary.lines, summary.customers) == (3, 2, 3, 2)
    assert summary.rejects is None
    assert not importer.rejects.exists()
    made = await importer.documents()
    assert {name: row["total_minor"] for name, row in made.items()} == {"F-1": 2997 + 5000, "F-2": 10000}
    assert made["F-1"]["issued_on"] == date(2026, 1, 31)
    assert {row["currency"] for row in made.values()} == {"GBP"}


@pytest.mark.parametrize("name", ["invoices.csv", "INVOICES.CSV.GZ", "invoices.csv.gz"])
async def test_a_byte_order_mark_and_gzip_are_read(importer: Importer, name: str) -> None:
    octets = ("\ufeff" + "\r\n".join([HEADER, *ROWS])).encode()
    path = importer.folder / name
    path.write_bytes(gzip.compress(octets) if name.lower().endswith("gz") else octets)
    assert (await importer.run(path)).documents_made == 2


async def test_json_lines_are_read_and_numbers_stay_the_text_they_are(importer: Importer) -> None:
    path = importer.write(
        "invoices.jsonl",
        "",
        '{"document": "F-1", "customer": 17850, "issued_on": "2026-01-31", "name": "A", "amount": 0.10}',
        '{"document": "F-1", "customer": 17850, "issued_on": "2026-01-31", "name": "B", "quantity": 3,'
        ' "unit_price": 0.333333333333, "tax_percent": 19, "tax_inclusive": true}',
        header=None,
    )
    assert (await importer.run(path)).documents_made == 1
    lines = await importer.fetch("SELECT * FROM invoice_lines WHERE tenant_id = $1 ORDER BY line_no")
    assert [(line["amount_minor"], line["tax_inclusive"]) for line in lines] == [(10, False), (100, True)]
    assert lines[1]["unit_price"] == Decimal("0.333333333333")


FIGURES = ("1e400", "1e999999", "NaN", "-Infinity", "true", '"1_000"', '"١٢"', "1e-20", '"£5"')


@pytest.mark.parametrize("field", ["quantity", "unit_price", "amount", "discount_percent", "tax_percent"])
async def test_figures_that_can_not_be_computed_with_are_rejected(importer: Importer, field: str) -> None:
    price = "" if field in ("amount", "unit_price") else '"unit_price": 1, '
    rows = [
        f'{{"document": "F-{n}", "customer": "c", "issued_on": "2026-01-31", {price}"{field}": {figure}}}'
        for n, figure in enumerate(FIGURES)
    ]
    summary = await importer.run(importer.write("some.jsonl", *rows, header=None))
    assert (summary.documents_made, summary.rows_rejected) == (0, len(FIGURES))
    assert [reason.split(":")[0] for reason in importer.reasons()] == [f"row {n}" for n in range(1, len(FIGURES) + 1)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "no JSON object"),
        ("[1]", "plain values"),
        ('{"document": "F-2", "lines": [1]}', "plain values"),
        ('{"document": "F-2", "prize": 1}', "keys that the first line has not: prize"),
        ('{"document": "F-2", "document": "F-3"}', "a key stands twice"),
        ('{"document": "F-2", "name": "\\ud800"}', "half a character"),
        ("[" * 100_000, "no JSON object"),
    ],
)
async def test_lines_that_are_no_plain_objects_are_rejected(importer: Importer, line: str, reason: str) -> None:
    good = '{"document": "F-1", "customer": "c", "issued_on": "2026-01-31", "name": "A", "amount": 1}'
    far = good.replace("F-1", "F-9")
    path = importer.write("some.jsonl", good, far, good.replace("F-1", "F-8"), line, header=None)
    summary = await importer.run(path)
    assert reason in importer.reasons()[-1]
    assert importer.rejected()[-1]["rejected_text"].startswith(line[:50])
    assert set(await importer.documents()) == {"F-1", "F-9"}  # F-8 may have lost the broken line
    assert summary.documents_refused == 1


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("2026-01-31", "2026-01-31"),
        ("2026-01-31 23:59:59", "2026-01-31"),
        ("2026-01-31T08:26", "2026-01-31"),
        ("2025-07-31T23:30:00Z", "2025-08-01"),  # British summer time
        ("2026-01-31T23:30:00-05:00", "2026-02-01"),
    ],
)
async def test_a_time_is_the_tenants_day(importer: Importer, written: str, day: str) -> None:
    await importer.lines(f"F-1,acme,{written},Setup,1,50")
    assert str((await importer.documents())["F-1"]["issued_on"]) == day


@pytest.mark.parametrize(
    "written", ["", "31.01.2026", "2026-02-30", "2026-01-31x", "2026-01-311", "0001-01-01T00:00+14:00"]
)
async def test_what_is_no_date_is_rejected(importer: Importer, written: str) -> None:
    assert (await importer.lines(f"F-1,acme,{written},Setup,1,50")).rows_rejected == 1
    assert "issued_on is" in importer.reasons()[0]


async def test_a_mapping_names_columns_and_keeps_others_as_metadata(importer: Importer) -> None:
    path = importer.write("x.csv", "7,2026-01-31,X,north,2,Seven", header="No,Date,Who,Region,Price,What")
    words = ["document=No", "issued_on=Date", "customer=Who", "metadata.region=Region", "amount=Price", "name=What"]
    await importer.run(path, *words)
    assert (await importer.documents())["7"]["metadata"] == {"region": "north"}


@pytest.mark.parametrize(
    ("words", "header", "reason"),
    [
        (["document"], HEADER, "no mapping"),
        (["document="], HEADER, "no mapping"),
        (["number=document"], HEADER, "no field"),
        (["metadata.=document"], HEADER, "no field"),
        (["name=a", "name=b"], HEADER, "mapped twice"),
        (["name=Name"], HEADER, "name is to be 'Name', but the columns are document"),
        ([], "customer,issued_on,amount", "no column is document"),
        ([], "document,customer,amount", "no column is issued_on"),
        ([], "document,issued_on,amount", "no column is customer"),
        ([], "document,customer,issued_on,name,name", "several columns are called 'name'"),
        ([], "document;customer;issued_on", "no column is document"),
        ([], "", "no header"),
    ],
)
async def test_a_mapping_that_fits_no_column_is_refused_before_anything_is_stored(
    importer: Importer, words: list[str], header: str, reason: str
) -> None:
    path = importer.write("x.csv", header=header)
    with pytest.raises(MappingInvalid, match=reason):
        await importer.run(path, *words)
    assert await importer.fetch("SELECT FROM operations WHERE tenant_id = $1") == []


def test_the_same_mapping_twice_is_one() -> None:
    assert parse_mapping(["name=What", "name=What"]) == {"name": "What"}


async def test_columns_of_one_name_that_nobody_uses_do_no_harm(importer: Importer) -> None:
    path = importer.write("x.csv", "F-1,acme,2026-01-31,5,,", header="document,customer,issued_on,amount,note,note")
    assert (await importer.run(path)).documents_made == 1


@pytest.mark.parametrize("cut", [10, 40, -4])
async def test_a_truncated_gzip_file_imports_nothing(importer: Importer, cut: int) -> None:
    path = importer.folder / "cut.csv.gz"
    path.write_bytes(gzip.compress("\n".join([HEADER, *ROWS * 50]).encode())[:cut])
    with pytest.raises(FileUnreadable):
        await importer.run(path)
    assert await importer.documents() == {}


@pytest.mark.parametrize(
    ("name", "octets"),
    [
        ("latin.csv", (HEADER + "\nF-1,acme,2026-01-31,Café,1,2\n").encode("latin-1")),
        ("not.csv.gz", b"document,customer\n"),
        ("broken.csv.gz", gzip.compress(HEADER.encode() * 99, mtime=0)[:20] + b"\xff" * 40),
        ("one_line.csv", HEADER.encode() + b"\n" + b"x" * 9_000_000),
        ("first.jsonl", b"[1]\n"),
    ],
)
async def test_files_that_are_something_else_import_nothing(importer: Importer, name: str, octets: bytes) -> None:
    path = importer.folder / name
    path.write_bytes(octets)
    with pytest.raises(FileUnreadable, match=name):
        await importer.run(path)
    assert await importer.fetch("SELECT FROM operations WHERE tenant_id = $1") == []


async def test_a_missing_file_is_named(importer: Importer) -> None:
    with pytest.raises(FileMissing, match=r"nowhere\.csv"):
        await importer.run(Path("nowhere.csv"))


async def test_an_import_name_that_can_not_be_stored_is_refused_before_anything_is(importer: Importer) -> None:
    path = importer.write("x.csv", *ROWS)
    with pytest.raises(UnusableText):
        await importer.run(path, name="x" * 300)
    assert await importer.fetch("SELECT FROM customers WHERE tenant_id = $1") == []
