"""SQL keeps to the house: the tenant in every query, one order of locks, no clock, no cleverness, nothing dead.

The rules are functions in sql_rules.py. Each runs over the real statements, and over planted ones that break it.
"""

from pathlib import Path

import asyncpg
import pytest

from tests.house.source_tree import SOURCE, modules, plant
from tests.house.sql_rules import (
    MAY_ASK_THE_TIME,
    Query,
    branches_on_constraint_names,
    dead_queries,
    foreign_ways,
    form,
    queries,
    sql_outside_the_store,
    strings,
    tenant_tables,
    unnamed_sql,
    unordered_calls,
    unordered_locks,
    volatile,
    without_tenant,
)

STORE = SOURCE / "store"
NAMED = queries(STORE / "sql")
CHECKS = queries(SOURCE / "verify" / "checks")
SCHEMA_FILES = [STORE / "schema.sql", *sorted((STORE / "migrations").glob("*.sql"))]

# A small schema for the planted statements.
SCHEMA = """
CREATE TABLE tenants (
    id uuid PRIMARY KEY
);
CREATE TABLE customers (
    shard smallint,
    tenant_id uuid NOT NULL
);
CREATE TABLE invoices (
    tenant_id uuid NOT NULL REFERENCES tenants
);
CREATE TABLE number_series (
    tenant_id uuid, series text
);
"""
TABLES = {"customers", "invoices", "number_series"}


def query(text: str) -> Query:
    """`text` as a named query."""
    return Query("planted.sql", "planted", text)


def test_the_real_statements_are_found() -> None:
    assert len(NAMED) > 20, "the named queries were not found"
    assert "invoices" in tenant_tables(SCHEMA_FILES[0].read_text())
    assert len(SCHEMA_FILES) > 1


# --------------------------------------------------------------------------------------------------------------- form


def test_every_named_query_is_one_statement_with_a_name_of_its_own() -> None:
    assert form(NAMED) + form(CHECKS) == []
    assert [str(query) for query in NAMED + CHECKS if query.tree is None] == []


def test_a_second_statement_a_second_name_and_a_missing_end_are_found(tmp_path: Path) -> None:
    planted = queries(plant(tmp_path, {"a.sql": "-- name: one\nSELECT 1\n\n-- name: one\nSELECT 2; SELECT 3;\n"}))
    assert form(planted) == [
        "a.sql: one ends without a semicolon",
        "a.sql: one stands twice",
        "a.sql: one stands twice",
    ]
    with pytest.raises(ValueError, match="one holds 2 statements"):
        _ = planted[1].tree


# ---------------------------------------------------------------------------------------------------- time and chance


def test_sql_asks_neither_the_time_nor_for_randomness() -> None:
    texts = {str(query): query.text for query in NAMED + CHECKS if query.name not in MAY_ASK_THE_TIME}
    texts |= {file.name: file.read_text() for file in SCHEMA_FILES}
    assert [breach for name, text in texts.items() for breach in volatile(name, text)] == []


def test_sql_inside_python_asks_neither() -> None:
    asked = [
        breach
        for module in modules(SOURCE)
        if module.room in {"store", "verify"}
        for text in strings(module.tree)
        for breach in volatile(module.at(text, "SQL"), text.value)
    ]
    assert asked == []


@pytest.mark.parametrize(
    "asking",
    [
        *("now()", "NOW ()", "clock_timestamp()", "statement_timestamp()", "transaction_timestamp()"),
        *("current_timestamp", "CURRENT_DATE", "localtime", "localtimestamp", "random()"),
        *("gen_random_uuid()", "uuid_generate_v4()", "uuidv7()"),
    ],
)
def test_asking_is_found(asking: str) -> None:
    assert len(volatile("planted", f"SELECT 1, {asking}; -- never now()")) == 1
    assert volatile("planted", f"SELECT known FROM a WHERE note = '{asking}'; -- {asking}") == []


# ------------------------------------------------------------------------------------------------------------ tenants


@pytest.mark.parametrize("query", NAMED, ids=str)
def test_a_query_names_the_tenant_of_every_tenants_table(query: Query) -> None:
    assert without_tenant(query, tenant_tables(SCHEMA_FILES[0].read_text())) == []


def test_the_tables_of_tenants_are_read_from_the_schema() -> None:
    assert tenant_tables(SCHEMA) == TABLES


@pytest.mark.parametrize(
    "text",
    [
        "SELECT id FROM customers;",
        "SELECT id FROM customers WHERE shard = $1 AND id = $2;",
        "SELECT tenant_id FROM customers ORDER BY tenant_id;",
        "SELECT id FROM customers WHERE tenant_id = $1 OR id = $2;",
        "SELECT id FROM customers WHERE tenant_id <> $1;",
        "SELECT id FROM customers WHERE tenant_id = tenant_id;",
        "SELECT c.id FROM customers AS c JOIN tenants ON tenants.id = c.tenant_id;",
        "SELECT i.id FROM invoices AS i JOIN customers AS c ON c.shard = i.shard AND c.id = i.customer_id"
        " WHERE i.tenant_id = $1;",
        "SELECT i.id FROM invoices AS i JOIN invoices AS j ON j.tenant_id = i.tenant_id;",
        "SELECT 1 WHERE EXISTS (SELECT FROM customers WHERE id = $1);",
        "WITH due AS (SELECT id FROM invoices WHERE due_on < $2) SELECT id FROM customers WHERE tenant_id = $1;",
        "WITH customers AS (SELECT id FROM customers) SELECT id FROM customers WHERE tenant_id = $1;",
        "UPDATE customers SET tenant_id = $1 WHERE id = $2;",
        "UPDATE customers AS c SET name = w.name FROM unnest($1::uuid[]) AS w (id) WHERE c.id = w.id;",
        "DELETE FROM invoices WHERE id = $1;",
        "DELETE FROM invoices USING customers AS c WHERE c.id = customer_id AND c.tenant_id = $1;",
        "INSERT INTO customers (shard, id) VALUES ($1, $2);",
        "INSERT INTO customers VALUES ($1, $2);",
        "INSERT INTO customers (tenant_id, id) SELECT $1, id FROM invoices;",
        "-- across tenants:\nSELECT id FROM customers;",
    ],
)
def test_a_query_without_the_tenant_is_found(text: str) -> None:
    assert len(without_tenant(query(text), TABLES)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "SELECT id FROM tenants;",
        "SELECT id FROM customers WHERE (tenant_id = $1 AND name = $2);",
        "SELECT id FROM customers WHERE $1 = tenant_id;",
        "SELECT id FROM customers WHERE tenant_id = ANY ($1::uuid[]);",
        "SELECT id FROM customers WHERE (tenant_id, id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]));",
        "SELECT id FROM customers WHERE (tenant_id, id) = ($1, $2);",
        "SELECT c.id FROM customers AS c JOIN tenants ON tenants.id = c.tenant_id WHERE tenants.id = $1;",
        "SELECT i.id FROM invoices AS i JOIN customers AS c ON c.tenant_id = i.tenant_id AND c.id = i.customer_id"
        " WHERE i.tenant_id = $1;",
        "SELECT id FROM invoices AS i WHERE tenant_id = $1"
        " AND EXISTS (SELECT FROM customers AS c WHERE c.tenant_id = i.tenant_id);",
        "WITH due AS (SELECT tenant_id, id FROM invoices WHERE tenant_id = $1)"
        " SELECT c.id FROM due JOIN customers AS c ON c.tenant_id = due.tenant_id;",
        "UPDATE customers AS c SET n = w.n FROM unnest($2::uuid[]) AS w (id) WHERE c.tenant_id = $1 AND c.id = w.id;",
        "INSERT INTO customers (tenant_id, id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING id;",
        "-- across tenants: a sweep looks whose turn it is\nSELECT id FROM customers;",
    ],
)
def test_a_query_with_the_tenant_passes(text: str) -> None:
    assert without_tenant(query(text), TABLES) == []


# -------------------------------------------------------------------------------------------------------------- locks


@pytest.mark.parametrize("query", NAMED, ids=str)
def test_rows_are_locked_in_the_one_order(query: Query) -> None:
    assert unordered_locks(query) == []


@pytest.mark.parametrize(
    ("text", "breach"),
    [
        ("SELECT id FROM customers WHERE tenant_id = $1 FOR UPDATE;", "customers in no order"),
        ("SELECT id FROM customers ORDER BY name FOR NO KEY UPDATE;", "customers in no order"),
        ("SELECT id FROM invoices ORDER BY id, due_on FOR UPDATE SKIP LOCKED;", "invoices in no order"),
        ("SELECT id FROM (SELECT id FROM customers FOR UPDATE) AS one ORDER BY id;", "customers in no order"),
        (
            "SELECT i.id FROM customers AS c JOIN invoices AS i ON i.customer_id = c.id ORDER BY i.id FOR UPDATE;",
            "customers and invoices row by row together",
        ),
        (
            "WITH a AS (SELECT id FROM invoices ORDER BY id FOR UPDATE)"
            " SELECT id FROM customers ORDER BY id FOR UPDATE;",
            "customers after invoices",
        ),
        (
            "WITH taken AS (UPDATE number_series SET n = n + 1 WHERE series = $1 RETURNING n)"
            " SELECT id FROM invoices ORDER BY id FOR UPDATE;",
            "invoices after number_series",
        ),
        (
            "WITH changed AS (UPDATE invoices SET note = $1 RETURNING id) UPDATE customers SET note = $1;",
            "customers after invoices",
        ),
        (
            "UPDATE number_series AS s SET n = w.n FROM unnest($1::text[]) AS w (series) WHERE s.series = w.series;",
            "number_series in no order",
        ),
    ],
)
def test_another_order_of_locks_is_found(text: str, breach: str) -> None:
    assert unordered_locks(query(text)) == [f"planted.sql: planted locks {breach}"]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT id FROM customers AS c WHERE tenant_id = $1 ORDER BY c.id FOR NO KEY UPDATE OF c SKIP LOCKED;",
        "SELECT id FROM customers WHERE shard = $1 AND id = $2 FOR UPDATE;",
        "SELECT c.id FROM customers AS c JOIN invoices AS i ON i.customer_id = c.id ORDER BY c.id FOR UPDATE OF c;",
        "WITH a AS (SELECT id FROM customers ORDER BY id FOR UPDATE) UPDATE invoices SET note = $1 FROM a;",
        "UPDATE number_series SET n = n + $3 WHERE tenant_id = $1 AND series = $2 RETURNING n;",
        "SELECT id FROM customers FOR KEY SHARE;",
    ],
)
def test_the_one_order_passes(text: str) -> None:
    assert unordered_locks(query(text)) == []


def test_actions_lock_customers_then_invoices_then_take_numbers() -> None:
    assert [breach for module in modules(SOURCE, "actions") for breach in unordered_calls(module)] == []


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("lock_invoices", "lock_customers"),
        ("take_numbers", "lock_invoices_due"),
        ("take_numbers_of", "lock_customers"),
    ],
)
def test_another_order_of_calls_is_found(first: str, then: str, tmp_path: Path) -> None:
    text = f"async def bill(c):\n    await store.{first}(c)\n    await {then}(c)\n"
    plant(tmp_path, {"actions/bill.py": text, "actions/fine.py": f"async def bill(c):\n    {then}({first}, c)\n"})
    breaches = [breach for module in modules(tmp_path, "actions") for breach in unordered_calls(module)]
    assert [breach.split(" after ")[0] for breach in breaches] == [f"actions/bill.py:3 {then}"]


# --------------------------------------------------------------------------------------------------------------- ways


def test_sql_keeps_to_plain_ways() -> None:
    texts = {str(query): query.text for query in NAMED} | {file.name: file.read_text() for file in SCHEMA_FILES}
    assert [breach for name, text in texts.items() for breach in foreign_ways(name, text)] == []


@pytest.mark.parametrize(
    "text",
    [
        "MERGE INTO customers USING wanted ON true WHEN MATCHED THEN DELETE;",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;",
        "LISTEN invoices;",
        "NOTIFY invoices;",
        "SELECT pg_notify($1, $2);",
        "SELECT pg_try_advisory_xact_lock($1);",
        "INSERT INTO a (b) VALUES ($1) ON CONFLICT ON CONSTRAINT a_pkey DO NOTHING;",
    ],
)
def test_other_ways_are_found(text: str) -> None:
    assert len(foreign_ways("planted", text)) == 1
    assert foreign_ways("planted", f"SELECT 1; -- {text}") == []


# ------------------------------------------------------------------------------------------------------------- Python


def test_sql_text_stands_in_the_store_only() -> None:
    assert sql_outside_the_store(SOURCE) == []


@pytest.mark.parametrize(
    "text",
    [
        "q = 'SELECT 1'",
        "q = 'select id from invoices where id = $1'",
        "q = f'DELETE FROM {table}'",
        "q = 'INSERT INTO ' + table",
        "q = 'UPDATE customers SET name = $1'",
        "q = '''\n    WITH due AS (SELECT 1)'''",
    ],
)
def test_sql_in_another_room_is_found(text: str, tmp_path: Path) -> None:
    plant(tmp_path, {"actions/bill.py": text, "store/bill.py": text, "verify/run.py": text})
    assert sql_outside_the_store(tmp_path) == ["actions/bill.py:1 SQL outside the store"]


def test_every_statement_of_the_store_has_a_name() -> None:
    assert unnamed_sql(SOURCE) == []


def test_a_statement_without_a_name_is_found(tmp_path: Path) -> None:
    text = "q = 'DELETE FROM customers'"
    plant(tmp_path, {"store/customers.py": text, "store/migrations.py": text})
    assert unnamed_sql(tmp_path) == ["store/customers.py:1 SQL without a name"]


def test_prose_is_not_sql(tmp_path: Path) -> None:
    prose = "'''Select what is due.'''\nhelp = 'Update the customer'\nother = 'With care'\nverb = 'Delete from here on'"
    assert sql_outside_the_store(plant(tmp_path, {"cli/main.py": prose})) == []


def test_nothing_branches_on_the_name_of_a_constraint() -> None:
    assert branches_on_constraint_names(SOURCE) == []


@pytest.mark.parametrize("text", ["error.constraint_name", "getattr(error, 'constraint_name')"])
def test_branching_on_a_constraint_is_found(text: str, tmp_path: Path) -> None:
    breaches = branches_on_constraint_names(plant(tmp_path, {"store/pool.py": text}))
    assert breaches == ["store/pool.py:1 asks for a constraint's name"]


def test_every_query_is_used() -> None:
    assert dead_queries(NAMED, list(modules(SOURCE, "store"))) == []


def test_a_dead_query_is_found(tmp_path: Path) -> None:
    plant(
        tmp_path, {"a.sql": "-- name: used\nSELECT 1;\n-- name: dead\nSELECT 2;\n", "a.py": "'''dead'''\nSQL['used']"}
    )
    assert dead_queries(queries(tmp_path), list(modules(tmp_path))) == ["a.sql: dead is never used"]


# ------------------------------------------------------------------------------------------------------- the database


@pytest.mark.parametrize("query", NAMED + CHECKS, ids=str)
async def test_the_database_accepts_the_query(conn, query: Query) -> None:
    """Prepared against the migrated schema: a misspelt column fails here, not at a customer."""
    await conn.prepare(query.text)


async def test_the_database_refuses_a_misspelt_column(conn) -> None:
    with pytest.raises(asyncpg.UndefinedColumnError):
        await conn.prepare("SELECT misspelt FROM customers WHERE tenant_id = $1;")
