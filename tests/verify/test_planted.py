"""An error planted in any stored figure is named: by verify with its object, and by the tests' own invariants."""

import pytest

from billsmith.verify import read_checks, verify
from tests.invariants import INVARIANTS, UNCHANGED, check, finalised
from tests.verify.conftest import Owner
from tests.verify.planted import HOUSE, OPEN, Planted
from tests.verify.planted_catalog import CATALOG
from tests.verify.planted_money import MONEY
from tests.verify.planted_subscriptions import SUBSCRIPTIONS
from tests.verify.world import World

PLANTED = [*HOUSE, *MONEY, *CATALOG, *SUBSCRIPTIONS]

# Whole numbers that are no figures of ours.
NOT_FIGURES = {
    "allocations.version": "nothing is told of an allocation by itself",
    "gateway_events.tries": "how often an event was looked at",
    "operation_items.amount_minor": "what an item was asked for, a filter's answer at one instant",
    "customers.labels": "hashes, made in Python from the tags and metadata beside them",
    "invoices.labels": "likewise",
    "subscriptions.labels": "likewise",
}


@pytest.mark.parametrize("planted", PLANTED, ids=str)
async def test_a_planted_error_is_named(planted: Planted, unguarded: Owner) -> None:
    victim = await unguarded.fetchval(planted.victim)
    assert victim is not None, "the world has nobody to hurt like this"
    await unguarded.execute(planted.sql.replace("{v}", str(victim)))
    report = await verify(unguarded)
    named = [(found.check, found.figure) for found in report.differences if str(victim) in found.object]
    assert (planted.check, planted.figure) in named
    if planted.invariant:
        breaches = await check(unguarded)
        assert planted.invariant in {breach.split(":")[0] for breach in breaches}


async def test_a_document_that_changed_after_it_was_finalised_is_named(unguarded: Owner) -> None:
    earlier = await finalised(unguarded)
    assert await check(unguarded, earlier=earlier) == []
    victim = await unguarded.fetchval(OPEN)
    await unguarded.execute("UPDATE invoices SET memo = 'other' WHERE id = $1", victim)
    breaches = await check(unguarded, earlier=earlier)
    assert [breach.split(" was ")[0] for breach in breaches] == [f"{UNCHANGED}: invoice {victim}"]


async def test_what_may_change_about_a_document_may_change(unguarded: Owner) -> None:
    earlier = await finalised(unguarded)
    await unguarded.execute("UPDATE invoices SET tags = '{other}', metadata = '{}'")
    assert await check(unguarded, earlier=earlier) == []


def test_every_figure_of_every_check_has_a_planted_error() -> None:
    figures = {(found.name, figure) for found in read_checks() for figure in found.figures}
    assert figures == {(planted.check, planted.figure) for planted in PLANTED}


def test_every_invariant_has_a_planted_error() -> None:
    assert set(INVARIANTS) == {planted.invariant for planted in PLANTED} - {""}


async def test_every_stored_figure_of_the_schema_has_a_planted_error(world: World, owner: Owner) -> None:
    """A column that is added later fails here until a check derives it again."""
    columns = await owner.fetch(
        "SELECT table_name || '.' || column_name AS name FROM information_schema.columns"
        " JOIN information_schema.tables USING (table_schema, table_name)"
        " WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
        " AND (data_type IN ('bigint', 'integer') OR udt_name IN ('_int8', '_int4'))"
    )
    covered = {planted.covers for planted in PLANTED} - {""}
    assert {row["name"] for row in columns} == covered | set(NOT_FIGURES)
