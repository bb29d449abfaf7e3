"""Plates: whatever is printed has a mark of its own for each of its ids."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from billsmith.actions.billing.plates import MOST_LINES, plates_of, subscription_mark
from billsmith.core.billing.entries import Entry
from billsmith.core.taxes import Tax
from billsmith.store.selling.runs import Claimed
from tests.core.made import TENANT, uuid
from tests.core.subscriptions.made import day, phase, recurring, version

AT = datetime(2026, 1, 1, 12, 0, 0, 5, tzinfo=UTC)
TAXED = replace(recurring("20"), tax=Tax(Decimal(19)))
PLAN = version(1, "hosting", "hosting", phase("evergreen", None, TAXED))


def claimed(**fields: Any) -> Claimed:
    """A customer as a run claims it; what a plate does not depend on is left out."""
    return Claimed(**(dict.fromkeys(Claimed.__struct_fields__) | fields))


def test_the_largest_document_has_each_of_its_ids_where_it_belongs() -> None:
    owner = claimed(currency="EUR", time_zone="UTC", has_method=False, auto_collect=True, draw_credit=True)
    entries = [
        Entry(
            subscription_mark(nth, "EUR", nth), "recurring", TAXED, PLAN, 0, day("1-1"), day("2-1"), Decimal(1),
            Decimal(20), 2000, day("1-1"),
        )
        for nth in range(MOST_LINES)
    ]  # fmt: skip
    plates = plates_of(TENANT, owner, entries, len(entries), AT)
    assert plates is not None
    assert (plates.transfers, plates.balance.receivable_minor) == (2 * MOST_LINES, 2380 * MOST_LINES)
    ids = [uuid(1_000_000 + nth).bytes for nth in range(4 + MOST_LINES + plates.transfers + plates.events)]
    tables = {table: plate.printed([b"\0\1", *ids]) for table, plate in plates.tables}
    subscriptions, made = ids[4 : 4 + MOST_LINES], ids[4 + MOST_LINES :]
    transfers, events = made[: plates.transfers], made[plates.transfers :]
    for table, own in (("coverage", subscriptions), ("transfers", transfers), ("events", events)):
        assert all(tables[table].count(id_) == 1 for id_ in own)
    assert not any(id_ in tables["transfers"] for id_ in events)
