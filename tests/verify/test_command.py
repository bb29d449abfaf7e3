"""`billsmith verify`, as a person and as a program use it."""

import json
from collections.abc import Callable
from urllib.parse import urlsplit

import asyncpg
import pytest
import typer
from typer.testing import CliRunner, Result

from billsmith.cli import proof
from tests.verify.world import World

app = typer.Typer()
app.command()(proof.verify)


@pytest.fixture(scope="session")
async def wrong_url(world: World, world_url: str, new_database: Callable[..., object]) -> str:
    """The world with one balance that is not the sum of its transfers."""
    url: str = await new_database(urlsplit(world_url).path[1:])  # type: ignore[misc]
    connection = await asyncpg.connect(url)
    await connection.execute(
        "UPDATE customer_balances SET receivable_minor = receivable_minor + 5"
        " WHERE currency = 'EUR'"
        " AND customer_id = (SELECT id FROM customers WHERE external_id = 'ada' AND tenant_id = $1)",
        world.first.id,
    )
    await connection.close()
    return url


def run(url: str, *arguments: str) -> Result:
    """What the command printed and how it ended, on a wide screen."""
    return CliRunner().invoke(app, arguments, env={"DATABASE_URL": url, "COLUMNS": "250"})


def test_a_proven_database_ends_well(world: World, world_url: str) -> None:
    done = run(world_url)
    assert done.exit_code == 0
    assert done.stdout.strip().endswith("verify: 0 differences")
    assert "customer_balances" in done.stdout


def test_a_difference_is_named_with_the_id_the_api_knows_and_ends_with_1(world: World, wrong_url: str) -> None:
    done = run(wrong_url)
    assert done.exit_code == 1
    assert done.stdout.strip().endswith("verify: 2 differences")
    assert "customer cus_" in done.stdout
    assert "receivable_minor: expected" in done.stdout


def test_one_tenant_can_be_named(world: World, wrong_url: str) -> None:
    assert run(wrong_url, "--tenant", "Second").exit_code == 0
    assert run(wrong_url, "--tenant", "First").exit_code == 1
    unknown = run(wrong_url, "--tenant", "Third")
    assert unknown.exit_code == 1
    assert "there is no tenant 'Third'" in unknown.stderr


def test_json_has_every_check_and_the_differences(world: World, wrong_url: str) -> None:
    done = run(wrong_url, "--json")
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    assert report["differences"] == 2
    found = [difference for check in report["checks"] for difference in check["first_differences"]]
    assert {difference["figure"] for difference in found} == {"receivable_minor"}
    assert all(difference["tenant"].startswith("ten_") for difference in found)
    assert all(int(difference["stored"]) - int(difference["expected"]) == 5 for difference in found)
