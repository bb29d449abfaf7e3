"""What can't be used: held back whole, written down with its reason, and importable once it is mended."""

from pathlib import Path

import pytest

from billsmith.cli.importing.rejects import RejectsNotWritable, rejects_path
from billsmith.cli.importing.spool import MOST_ROWS
from tests.imports.running import HEADER, Importer

GOOD = "F-1,acme,2026-01-31,Setup,1,50"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("F-2,acme,2026-01-31,Setup,many,50", "row 3: quantity is 'many', not a decimal number"),
        ("F-2,acme,2026-01-31,Setup,1,inf", "row 3: unit_price is 'inf', not a plain decimal number"),
        ("F-2,acme,2026-01-31,Setup,1,", "row 3: there is a quantity, but neither unit_price nor amount"),
        ("F-2,zebra,2026-01-31,Setup,1,5", "row 3: customer is 'zebra', in the document's first row 'acme'"),
        ("F-2,,2026-01-31,Setup,1,5", "row 3: customer is '', in the document's first row 'acme'"),
        (f"F-2,acme,2026-01-31,{'x' * 2000},1,5", "row 3: this text has 2000 characters; 1000 are allowed"),
        ("F-2,acme,2026-01-31,bell \x07,1,5", "row 3: this text has control characters or broken characters in it"),
        ("F-2,acme,2026-01-31,Setup,99999999999,99999999999", "row 3: 999999999980000000000100 minor units is beyond"),
    ],
)
async def test_one_row_that_can_not_be_used_holds_back_its_document_and_no_other(
    importer: Importer, row: str, reason: str
) -> None:
    summary = await importer.lines(GOOD, "F-2,acme,2026-01-31,Fine,1,5", row, "F-3,acme,2026-01-31,Setup,1,5")
    assert set(await importer.documents()) == {"F-1", "F-3"}
    assert (summary.documents_made, summary.documents_refused, summary.rows_rejected) == (2, 1, 2)
    assert [row["rejected_row"] for row in importer.rejected()] == ["2", "3"]
    assert all(found.startswith(reason) for found in importer.reasons()), importer.reasons()


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("F-2,acme,3026-01-31,Setup,1,5", "an invoice is issued between"),
        ("F-2,,2026-01-31,Setup,1,5", "row 2: this document names no customer"),
        (f"{'F' * 300},acme,2026-01-31,Setup,1,5", "this text has 300 characters"),
        ("F\x002,acme,2026-01-31,Setup,1,5", "control characters"),
        (f"F-2,{'c' * 300},2026-01-31,Setup,1,5", "characters; 250 are allowed"),
        ("F-2,a\x00b,2026-01-31,Setup,1,5", "control characters"),
    ],
)
@pytest.mark.parametrize("create_customers", [True, False])
async def test_documents_that_can_not_be_made_are_rejected_with_the_reason(
    importer: Importer, row: str, reason: str, create_customers: bool
) -> None:
    await importer.lines(GOOD, name="before")
    summary = await importer.lines(GOOD, row, create_customers=create_customers)
    assert (summary.documents_made, summary.documents_refused) == (1, 1)
    assert reason in importer.reasons()[0]


async def test_without_leave_to_make_customers_missing_ones_are_a_reason(importer: Importer) -> None:
    await importer.lines(GOOD, create_customers=False)
    assert importer.reasons() == ["row 1: customer 'acme': there is no customer 'acme'"]
    assert await importer.fetch("SELECT FROM customers WHERE tenant_id = $1") == []


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("currency", "XXX", "'XXX' is not an ISO 4217 currency code"),
        ("currency", "gbp", "'gbp' is not an ISO 4217 currency code"),
        ("due_on", "2026-01-01", "is before the day of issue"),
        ("due_on", "soon", "row 1: due_on is 'soon', not a date"),
        ("title", "t" * 300, "this text has 300 characters"),
        ("metadata.note", "n" * 600, "this text has 600 characters"),
        ("period_start", "2026-01-01", "row 1: period_end is missing"),
        ("tax_inclusive", "maybe", "row 1: tax_inclusive is 'maybe', neither true nor false"),
        ("discount_percent", "101", "row 1: a discount is 0 to 100 per cent"),
        ("amount", "0.001", "row 1: amount is '0.001', finer than GBP can be"),
    ],
)
async def test_fields_with_values_they_can_not_have_are_named(
    importer: Importer, field: str, value: str, reason: str
) -> None:
    price = "" if field == "amount" else "5"
    path = importer.write(
        "x.csv", f"F-1,acme,2026-01-31,A,{price},{value}", header=f"document,customer,issued_on,name,unit_price,{field}"
    )
    for dry_run in (True, False):  # a dry run says the same
        assert (await importer.run(path, dry_run=dry_run)).documents_refused == 1
        assert reason in importer.reasons()[0]


@pytest.mark.parametrize(
    ("code", "amount", "minor"), [("JPY", "500", 500), ("KWD", "1.234", 1234), ("CLF", "-0.0001", -1), ("GBP", "-0", 0)]
)
async def test_amounts_are_in_the_major_unit_of_their_currency(
    importer: Importer, code: str, amount: str, minor: int
) -> None:
    path = importer.write(
        "x.csv", f"F-1,acme,2026-01-31,A,{amount},{code}", header="document,customer,issued_on,name,amount,currency"
    )
    await importer.run(path)
    made = (await importer.documents())["F-1"]
    assert (made["currency"], made["total_minor"]) == (code, minor)


async def test_a_document_in_two_currencies_is_rejected(importer: Importer) -> None:
    path = importer.write(
        "x.csv",
        "F-1,acme,2026-01-31,A,5,EUR",
        "F-1,acme,2026-01-31,A,5,",
        header="document,customer,issued_on,name,amount,currency",
    )
    await importer.run(path)
    assert importer.reasons() == ["row 2: currency is '', in the document's first row 'EUR'"] * 2


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("F-2,acme,2026-01-31,Setup", "this row has 4 columns, the header 6"),
        ("F-2,acme,2026-01-31,Setup,1,5,7", "this row has 7 columns, the header 6"),
        (",acme,2026-01-31,Setup,1,5", "this row names no document"),
        (f"F-2,acme,2026-01-31,{'x' * 2_000_000},1,5", "this row is no CSV: field larger than field limit"),
        ('F-2,acme,2026-01-31,"Set"up,1,5', "this row is no CSV"),
        ('F-2,acme,2026-01-31,"Setup,1,5', "this row is no CSV: unexpected end of data"),
    ],
)
async def test_a_row_that_can_not_be_read_holds_back_every_document_it_may_belong_to(
    importer: Importer, row: str, reason: str
) -> None:
    around = [f"F-{n},acme,2026-01-31,Setup,1,5" for n in (0, 1, 2, 3, 4)]
    await importer.lines(around[0], around[1], row, *([] if "end of data" in reason else [around[3], around[4]]))
    assert set(await importer.documents()) <= {"F-0", "F-4"}
    reasons = importer.reasons()
    assert reasons[0].startswith("row 3 may belong to this document and can't be used: ")
    assert any(found.startswith(reason) for found in reasons)


async def test_empty_rows_are_no_rows(importer: Importer) -> None:
    summary = await importer.lines(GOOD, "", ",,,,,", "   ,,,,,", "F-2,acme,2026-01-31,Setup,1,5", ",,,,,")
    assert (summary.documents_made, summary.rows_rejected) == (2, 0)


async def test_a_mended_rejects_file_completes_the_import(importer: Importer) -> None:
    summary = await importer.lines(GOOD, "F-2,acme,2026-01-31,Fine,1,5", "F-2,acme,2026-01-31,Setup,many,50")
    assert summary.rejects == str(importer.rejects)
    mended = importer.folder / "mended.csv"
    mended.write_text(importer.rejects.read_text().replace("many", "2"))
    again = await importer.run(mended, name=summary.name)
    assert (again.documents_made, again.rows_rejected) == (1, 0)
    assert (await importer.documents())["F-2"]["total_minor"] == 500 + 10000


async def test_rejects_of_rejects_do_not_pile_up_columns(importer: Importer) -> None:
    await importer.lines("F-2,acme,2026-01-31,Setup,many,50")
    first = importer.rejects.read_text()
    again = importer.folder / "again.csv"
    importer.rejects.rename(again)
    await importer.run(again)
    assert importer.rejects.read_text() == first


async def test_a_document_with_too_many_rows_is_held_back(importer: Importer) -> None:
    await importer.lines(*["F-1,acme,2026-01-31,Setup,1,1"] * (MOST_ROWS + 1), "F-2,acme,2026-01-31,Setup,1,1")
    assert set(await importer.documents()) == {"F-2"}
    assert importer.reasons()[0] == "this document has 20,001 rows; 20,000 are allowed"


def test_rejects_go_beside_the_file_or_where_that_can_not_be_here(tmp_path: Path) -> None:
    assert rejects_path(tmp_path / "a.csv", None) == tmp_path / "a.csv.rejects.csv"
    assert rejects_path(tmp_path / "not there" / "a.csv", None) == Path("a.csv.rejects.csv")


@pytest.mark.parametrize("place", ["nowhere/r.csv", ".", "invoices.csv"])
async def test_a_place_for_rejects_that_is_none_is_refused_before_anything_is_stored(
    importer: Importer, place: str
) -> None:
    with pytest.raises(RejectsNotWritable):
        await importer.lines(GOOD, rejects=importer.folder / place)
    assert await importer.documents() == {}
    assert (importer.folder / "invoices.csv").read_text().startswith(HEADER)
