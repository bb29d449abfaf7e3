"""schema.sql, which people read, says what the migrations make."""

import asyncpg

from billsmith.store import migrations
from tests.conftest import NOON
from tests.migrations.catalogue import catalogue
from tests.migrations.conftest import MakeDatabase

SCHEMA = migrations.FOLDER.parent / "schema.sql"


async def run(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


async def test_the_sum_of_migrations_is_the_schema(empty_database: MakeDatabase) -> None:
    migrated, written = await empty_database(), await empty_database()
    await migrations.migrate(migrated, NOON)
    await run(written, SCHEMA.read_text())
    assert await catalogue(migrated) == await catalogue(written)


async def test_the_comparison_sees_every_kind_of_difference(empty_database: MakeDatabase) -> None:
    url = await empty_database()
    await run(url, SCHEMA.read_text())
    before = set(await catalogue(url))
    differences = {
        "table": "CREATE TABLE one (a integer)",
        "column": "ALTER TABLE tenants ALTER name TYPE varchar(9)",
        "column customers.name": 'ALTER TABLE customers ALTER name TYPE text COLLATE "POSIX"',
        "column outbox.shard": "ALTER TABLE outbox ALTER shard SET DEFAULT 1",
        "column invoices.balance_minor": "ALTER TABLE invoices ALTER balance_minor DROP EXPRESSION",
        "constraint": "ALTER TABLE customer_balances DROP CONSTRAINT customer_balances_credit_minor_check",
        "index": "DROP INDEX invoices_owed",
        "privilege": "GRANT UPDATE ON transfers TO billsmith_program",
        "comment": "COMMENT ON TABLE tenants IS 'who bills'",
        "sequence": "CREATE SEQUENCE two",
        "trigger": "CREATE TRIGGER a BEFORE UPDATE ON tenants EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "function": "CREATE FUNCTION four() RETURNS integer RETURN 4",
        "type": "CREATE TYPE five AS ENUM ('a')",
    }
    for kind, change in differences.items():
        await run(url, change.replace("EXECUTE", "FOR EACH ROW EXECUTE"))
        after = set(await catalogue(url))
        assert any(line.startswith(kind) for line in before ^ after), f"{kind}: {change}"
        before = after


async def test_the_program_may_only_read_which_migrations_were_applied(empty_database: MakeDatabase) -> None:
    url = await empty_database()
    await migrations.migrate(url, NOON)
    connection = await asyncpg.connect(url)
    try:
        allowed = await connection.fetch(
            "SELECT privilege_type FROM information_schema.role_table_grants"
            " WHERE table_name = 'schema_migrations' AND grantee = 'billsmith_program'"
        )
    finally:
        await connection.close()
    assert [row[0] for row in allowed] == ["SELECT"]
