"""`billsmith demo --shop`: the year is settled, taken back and proven, and a second run comes to the same figures."""

import json
from pathlib import Path
from typing import Any

from tests.imports.test_demo import billsmith

DOCUMENTS = 250
"""Some 5 000 lines."""


def settled(database_url: str, folder: Path) -> dict[str, Any]:
    there = {"DATABASE_URL": database_url, "BILLSMITH_SHARED": str(folder), "BILLSMITH_HOME": str(folder)}
    run = billsmith("demo", "--shop", "--documents", str(DOCUMENTS), "--json", **there)
    assert run.returncode == 0, run.stderr
    shown: dict[str, Any] = json.loads(run.stdout)
    return shown


async def test_the_settled_shop_agrees_with_verify_with_the_gateway_and_with_itself(
    database_url: str, tmp_path: Path
) -> None:
    first = settled(database_url, tmp_path)
    assert first["documents"] == DOCUMENTS
    assert first["differences"] == 0
    assert first["book"]["disagreements"] == []
    outcomes = {one["outcome"]: one for one in first["outcomes"]}
    assert {"nothing_owed", "first_try", "retried", "lost_reply", "till"} <= outcomes.keys()
    assert sum(one["invoices"] for one in first["outcomes"]) + first["returns"]["documents"] == DOCUMENTS
    by_gateway = sum(outcomes[one]["amount_minor"] for one in outcomes.keys() - {"till", "written_off", "open"})
    assert first["book"]["charged_minor"] == by_gateway
    returns = first["returns"]
    assert returns["matched_minor"] > 0
    assert returns["unmatched_minor"] >= returns["anonymous_minor"] > 0
    assert first["book"]["given_back_minor"] == returns["refunded_minor"] <= returns["matched_minor"]
    again = settled(database_url, tmp_path)
    assert {**again, "phases": []} == {**first, "phases": []}
    told = billsmith(
        "demo", "--shop", "--documents", "60", DATABASE_URL=database_url, BILLSMITH_SHARED=str(tmp_path),
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert "the gateway's book agrees" in told.stdout
    assert told.stdout.rstrip().endswith("verify: 0 differences")
