"""`billsmith demo` and `billsmith invoices import` as a person runs them."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

from billsmith.cli.generated_shop import shop_lines
from tests.imports.running import Importer

COMMAND = [sys.executable, "-c", "from billsmith.cli.main import main; main()"]
DOCUMENTS = 300


def billsmith(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COMMAND, *words], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


async def test_the_demo_imports_a_generated_shop_where_the_real_one_is_not_and_proves_it(
    new_database: Callable[..., Any], tmp_path: Path
) -> None:
    there = {"DATABASE_URL": await new_database(), "BILLSMITH_SHARED": str(tmp_path)}
    first = billsmith("demo", "--documents", str(DOCUMENTS), "--json", **there)
    assert first.returncode == 0, first.stderr
    shown: dict[str, Any] = json.loads(first.stdout)
    lines = list(shop_lines(DOCUMENTS, 1))
    penny = Decimal("0.01")
    total = sum((Decimal(line[3]) * Decimal(line[5])).quantize(penny, ROUND_HALF_UP) for line in lines)
    assert (shown["shop"], shown["documents"], shown["lines"]) == ("generated", DOCUMENTS, len(lines))
    assert shown["total_minor"] == total * 100
    assert shown["owed_minor"] - shown["credit_minor"] == shown["total_minor"]
    assert {country["country"]: country["lines"] for country in shown["countries"]} == Counter(
        line[7] for line in lines
    )
    assert shown["differences"] == 0
    again = billsmith("demo", "--documents", str(DOCUMENTS), **there)
    assert again.returncode == 0, again.stderr
    assert again.stdout.rstrip().endswith("verify: 0 differences")
    assert f"{DOCUMENTS:,} documents, {len(lines):,} lines" in again.stdout


def test_the_generated_shop_is_as_odd_as_a_real_one() -> None:
    lines = list(shop_lines(2_500, 1))
    assert lines == list(shop_lines(2_500, 1))
    names = [line[0] for line in lines]
    totals: dict[str, Decimal] = {}
    dates: dict[str, set[str]] = {}
    homes: dict[str, set[str]] = {}
    for name, _, _, quantity, at, price, customer, country in lines:
        totals[name] = totals.get(name, Decimal(0)) + Decimal(quantity) * Decimal(price)
        dates.setdefault(name, set()).add(at)
        homes.setdefault(customer, set()).add(country)
    blocks = Counter(name for name, before in zip(names, ["", *names], strict=False) if name != before)
    assert sum(name.startswith("C") and total < 0 for name, total in totals.items()) > 200
    assert [total < 0 for name, total in totals.items() if name.startswith("A")] == [True, True]
    assert sum(total == 0 for total in totals.values()) > 100
    assert len({line[0] for line in lines if not line[6]}) > 200
    assert len(lines) - len(set(lines)) > 200
    assert [name for name, count in blocks.items() if count > 1] != []
    assert sum(len(found) > 1 for found in dates.values()) > 2
    assert sum(len(found) > 1 for customer, found in homes.items() if customer) > 0


async def test_the_command_says_what_it_made_and_where_the_rest_is(importer: Importer) -> None:
    path = importer.write("x.csv", "F-1,acme,2026-01-31,Setup,1,50", "F-2,acme,2026-01-31,Setup,many,50")
    options = ["--create-customers", "--tenant", importer.tenant_id, "--workers", "1"]
    run = billsmith("invoices", "import", str(path), *options, **importer.environment())
    assert run.returncode == 3, run.stderr
    said = " ".join(run.stdout.split())
    assert "1 documents made, 1 lines" in said
    assert "1 rows could not be used (1 documents held back)" in said
    importer.folder.joinpath("x.csv.rejects.csv").rename(importer.rejects)
    assert importer.reasons() == ["row 2: quantity is 'many', not a decimal number"]
    shown = json.loads(billsmith("invoices", "import", str(path), *options, "--json", **importer.environment()).stdout)
    assert (shown["documents_made"], shown["documents_made_before"], shown["rows_rejected"]) == (0, 1, 1)


async def test_a_mapping_that_fits_nothing_ends_the_command_with_a_sentence(importer: Importer) -> None:
    path = importer.write("x.csv", header="a,b,c")
    run = billsmith("invoices", "import", str(path), "--tenant", importer.tenant_id, **importer.environment())
    assert run.returncode == 1
    assert "no column is document; say which of a, b, c with --map document=COLUMN" in " ".join(run.stderr.split())
