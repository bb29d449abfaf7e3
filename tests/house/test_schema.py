"""The tables keep to the house: shards first, names that tell the unit, no surprises on the write path.

Read from schema.sql; tests/migrations shows that the migrations add up to it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.house.source_tree import SOURCE

# Loaded in bulk: a foreign key would cost about 9 µs a row; they are written with their parent, and verify checks them.
BULK_LOADED = {"invoice_lines", "transfers", "events"}
ENDINGS = {"date": ("_on",), "timestamptz": ("_at", "_until"), "bigint": ("_minor",)}
# Whole numbers of 64 bits that are no money.
COUNTS = {"sequence", "next_sequence", "position"}

TABLE = re.compile(r"^CREATE TABLE (?:IF NOT EXISTS )?(\w+) \((.*?)^\);", re.MULTILINE | re.DOTALL)
COLUMN = re.compile(r"^    ([a-z_]+) ([a-z]+(?:\[\])?)")
KEY = re.compile(r"(PRIMARY KEY|UNIQUE) \(([^)]+)\)")
FOREIGN = re.compile(r"FOREIGN KEY \(([^)]+)\) REFERENCES \w+ \(([^)]+)\)")


@dataclass(frozen=True)
class Table:
    """One table of the schema: its text, without comments, and its columns with their types."""

    name: str
    text: str
    columns: dict[str, str]


def tables(schema: str) -> list[Table]:
    """The tables in the order of the schema."""
    plain = re.sub(r"--[^\n]*", "", schema)
    return [
        Table(name, text, dict(found.groups() for line in text.splitlines() if (found := COLUMN.match(line))))
        for name, text in TABLE.findall(plain)
    ]


def keys_without_shard(schema: str) -> list[str]:
    """What a customer owns is keyed by shard first, in unique and foreign keys, too; what a tenant owns by tenant."""
    breaches = []
    for table in tables(schema):
        first = "shard" if "shard" in table.columns else "tenant_id"
        if table.name == "event_numbers":
            first = "tenant_id"  # the tenant's own sequence; the shard is where the event is found
        keys = [(kind, columns.split(", ")[0]) for kind, columns in KEY.findall(table.text)]
        keys += [("FOREIGN KEY", side.split(", ")[0]) for pair in FOREIGN.findall(table.text) for side in pair]
        breaches += [f"{table.name}: {kind} begins with {column}" for kind, column in keys if column != first]
    return breaches


def names_without_unit(schema: str) -> list[str]:
    """A local date is called …_on, an instant …_at (…_until, where something lasts), money …_minor."""
    return [
        f"{table.name}.{column} is a {kind}"
        for table in tables(schema)
        for column, kind in table.columns.items()
        if (endings := ENDINGS.get(kind)) and not column.endswith(endings) and column not in COUNTS
    ]


def units_without_type(schema: str) -> list[str]:
    """What is called …_on is a date, …_at an instant, …_minor 64 bits."""
    kinds = {"_on": "date", "_at": "timestamptz", "_minor": "bigint"}
    return [
        f"{table.name}.{column} is a {kind}"
        for table in tables(schema)
        for column, kind in table.columns.items()
        for ending, right in kinds.items()
        if column.endswith(ending) and kind != right
    ]


def inexact_numbers(schema: str) -> list[str]:
    """No column holds a binary fraction."""
    inexact = {"real", "double", "float", "money"}
    return [
        f"{table.name}.{column} is a {kind}"
        for table in tables(schema)
        for column, kind in table.columns.items()
        if kind in inexact
    ]


def slow_bulk_loads(schema: str) -> list[str]:
    """Tables that are loaded in bulk have no foreign keys."""
    return [
        f"{table.name} refers" for table in tables(schema) if table.name in BULK_LOADED and "REFERENCES" in table.text
    ]


def defaults(schema: str) -> list[str]:
    """No column has a default: the program says everything."""
    return [f"{table.name} has a default" for table in tables(schema) if re.search(r"\bDEFAULT\b", table.text)]


def work_in_triggers(schema: str) -> list[str]:
    """No triggers, no functions: rules live in core."""
    return re.findall(r"CREATE (?:OR REPLACE )?(?:TRIGGER|FUNCTION|PROCEDURE|RULE) \w+", schema)


def silent_indexes(schema: str) -> list[str]:
    """What an index serves is written beside it."""
    created = re.findall(r"^(CREATE (?:UNIQUE )?INDEX (\w+)[^;]*;)([^\n]*)$", schema, re.MULTILINE)
    return [name for _, name, rest in created if not rest.strip().startswith("--")]


Guard = Callable[[str], list[str]]

PLANTED: list[tuple[Guard, str, list[str]]] = [
    (keys_without_shard, "    shard smallint,\n    id uuid,\n    PRIMARY KEY (id)", ["t: PRIMARY KEY begins with id"]),
    (keys_without_shard, "    tenant_id uuid,\n    UNIQUE (name)", ["t: UNIQUE begins with name"]),
    (
        keys_without_shard,
        "    shard smallint,\n    FOREIGN KEY (a) REFERENCES b (id)",
        ["t: FOREIGN KEY begins with a", "t: FOREIGN KEY begins with id"],
    ),
    (names_without_unit, "    due date", ["t.due is a date"]),
    (names_without_unit, "    created timestamptz NOT NULL", ["t.created is a timestamptz"]),
    (names_without_unit, "    amount bigint", ["t.amount is a bigint"]),
    (units_without_type, "    due_on timestamptz", ["t.due_on is a timestamptz"]),
    (units_without_type, "    amount_minor numeric", ["t.amount_minor is a numeric"]),
    (inexact_numbers, "    rate double precision", ["t.rate is a double"]),
    (slow_bulk_loads, "    id uuid REFERENCES a", ["transfers refers"]),
    (defaults, "    n integer DEFAULT 0", ["t has a default"]),
    (work_in_triggers, "    n integer\n);\nCREATE TRIGGER post (", ["CREATE TRIGGER post"]),
    (silent_indexes, "    n integer\n);\nCREATE INDEX t_n ON t (n);\nCREATE TABLE u (", ["t_n"]),
]
GUARDS = list(dict.fromkeys(guard for guard, *_ in PLANTED))


def test_the_tables_are_found() -> None:
    found = {table.name: table.columns for table in tables((SOURCE / "store" / "schema.sql").read_text())}
    assert len(found) > 15
    assert found["invoices"]["total_minor"] == "bigint"


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.__name__)
def test_the_schema_keeps_the_rule(guard: Guard) -> None:
    assert guard((SOURCE / "store" / "schema.sql").read_text()) == []


@pytest.mark.parametrize(("guard", "columns", "breaches"), PLANTED)
def test_a_planted_breach_is_found(guard: Guard, columns: str, breaches: list[str]) -> None:
    name = "transfers" if guard is slow_bulk_loads else "t"
    assert guard(f"CREATE TABLE {name} (\n{columns}\n);\n") == breaches
