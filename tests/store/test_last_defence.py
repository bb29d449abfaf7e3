"""What the database refuses by itself, should the program ever be wrong."""

import asyncpg
import pytest

from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.core.tenants import Tenant
from billsmith.store.pool import Pool
from tests.actions.made import credit, customer, draft, invoice

APPEND_ONLY = ["transfers", "events", "event_numbers", "invoice_numbers", "party_snapshots", "causes"]


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("statement", ["UPDATE {} SET tenant_id = tenant_id", "DELETE FROM {}", "TRUNCATE {}"])
async def test_what_is_append_only_can_not_be_changed_by_the_program(pool: Pool, table: str, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute(statement.format(table))


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE events",
        "ALTER TABLE transfers DISABLE TRIGGER ALL",
        "CREATE TABLE mine (a integer)",
        "DELETE FROM schema_migrations",
    ],
)
async def test_the_program_owns_nothing(pool: Pool, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute(statement)


async def test_a_grant_that_the_program_gives_itself_has_no_effect(pool: Pool) -> None:
    await pool.execute("GRANT UPDATE ON transfers TO billsmith_program")
    assert not await pool.fetchval("SELECT has_table_privilege('transfers', 'UPDATE')")


@pytest.mark.parametrize(
    "change",
    [
        "invoices SET credit_applied_minor = total_minor + 1 WHERE status = 'open'",
        "invoices SET status = 'paid' WHERE status = 'open'",
        "invoices SET status = 'lost'",
        "invoices SET collection_state = 'lost'",
        "invoices SET total_minor = total_minor + 1",
        "invoices SET paid_minor = -1",
        "invoices SET moved_to_credit_minor = 1",
        "invoices SET status = 'draft' WHERE status = 'open'",
        "invoices SET buyer_snapshot_id = NULL WHERE status = 'open'",
        "invoices SET customer_id = id",
        "invoice_lines SET total_minor = total_minor + 1",
        "invoice_lines SET net_minor = net_minor + 1, total_minor = total_minor + 1",
        "customer_balances SET receivable_minor = -1",
        "customer_balances SET credit_minor = -1",
        "customer_balances SET payable_minor = -1",
        "credits SET drawn_minor = amount_minor + 1",
        "credits SET deleted_minor = -1",
        "customers SET parent_id = id",
        "customers SET bill_cycle_day = 32",
        "customers SET invoicing = 'maybe'",
        "number_series SET next_sequence = 0",
    ],
)
async def test_what_can_not_be_true_is_refused(
    context: Context, call: Call, tenant: Tenant, pool: Pool, change: str
) -> None:
    owner = await customer(context, call)
    await invoice(context, call, owner, 100)
    await draft(context, call, owner)
    await credit(context, call, owner, 100, currency="USD")
    joined = " AND " if "WHERE" in change else " WHERE "
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await pool.execute(f"UPDATE {change}{joined}tenant_id = $1", tenant.id)


async def test_a_transfer_moves_something_between_two_accounts(tenant: Tenant, pool: Pool) -> None:
    columns = "shard, id, tenant_id, customer_id, kind, debit, credit, amount_minor, currency, accounting_on, cause_id"
    for debit, amount in (("receivable", 0), ("receivable", -1), ("billed_revenue", 1)):
        with pytest.raises(asyncpg.CheckViolationError):
            await pool.execute(
                f"INSERT INTO transfers ({columns}) VALUES"
                " (1, $1, $1, $1, 'net_billed', $2, 'billed_revenue', $3, 'EUR', '2026-01-01', $1)",
                tenant.id,
                debit,
                amount,
            )


async def test_a_live_tenant_has_no_clock_of_its_own_and_a_held_clock_has_an_end(tenant: Tenant, pool: Pool) -> None:
    for change in ("clock_at = created_at", "clock_holder = id", "clock_held_until = created_at"):
        with pytest.raises(asyncpg.CheckViolationError):
            await pool.execute(f"UPDATE tenants SET {change} WHERE id = $1", tenant.id)
