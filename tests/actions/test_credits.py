"""Customer credit: drawn as soon as credit and something owed are both there; granted, expired, deleted."""

from datetime import date, timedelta
from uuid import uuid4

import pytest

from billsmith.actions import credits, customers, invoices
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.credits import CreditNotFound, expire_credits
from billsmith.actions.saving import CustomerNotFound
from billsmith.clock import FixedClock
from billsmith.core.credits import CreditInvalid, CreditUsedUp
from billsmith.core.currencies import UnknownCurrency
from billsmith.core.customers import Customer
from billsmith.core.invoices import Document
from billsmith.core.tenants import Tenant
from billsmith.store.pool import Pool
from billsmith.store.transaction import DatabaseRefused
from tests.actions.made import credit, customer, draft, events, invoice, last_sequence, refused, told, transfers
from tests.actions.test_customers import change
from tests.conftest import NOON

DAY = timedelta(days=1)


async def left(context: Context, tenant: Tenant, *ids: object) -> list[int]:
    return [(await credits.get_credit(context, tenant, id_)).remaining_minor for id_ in ids]


async def owed(context: Context, tenant: Tenant, *documents: Document) -> list[tuple[int, str]]:
    read = [(await invoices.get_invoice(context, tenant, one.invoice.id)).invoice for one in documents]
    return [(one.balance_minor, one.status) for one in read]


async def test_granted_credit_is_drawn_on_what_is_owed_oldest_due_first(
    context: Context, call: Call, tim: Customer, tenant: Tenant, pool: Pool
) -> None:
    late = await invoice(context, call, tim, 100, terms_days=20)
    soon = await invoice(context, call, tim, 100, terms_days=10)
    start = await last_sequence(context, tenant)
    given = await credit(context, call, tim, 150, reason="sorry", metadata={"a": "b"})
    assert given.remaining_minor == 0
    assert await credits.get_credit(context, tenant, given.id) == given
    assert await owed(context, tenant, soon, late) == [(0, "paid"), (50, "open")]
    assert (await transfers(pool, tenant))[-3:] == [
        ("credit_granted", "credits_granted", "customer_credit", 150),
        ("credit_drawn", "customer_credit", "receivable", 100),
        ("credit_drawn", "customer_credit", "receivable", 50),
    ]
    assert await told(context, tenant, start) == [
        "credit.created", "credit.drawn", "invoice.paid", "credit.drawn", "invoice.credit_applied",
    ]  # fmt: skip


async def test_a_new_invoice_draws_soonest_expiring_then_oldest_credit_first(
    context: Context, call: Call, tim: Customer, tenant: Tenant
) -> None:
    never = await credit(context, call, tim, 100)
    newer = await credit(context, call, tim, 100)
    late = await credit(context, call, tim, 100, expires_at=NOON + 9 * DAY)
    soon = await credit(context, call, tim, 100, expires_at=NOON + DAY)
    made = await invoice(context, call, tim, 250)
    assert (made.invoice.status, made.invoice.settled_at) == ("paid", NOON)
    assert await left(context, tenant, soon.id, late.id, never.id, newer.id) == [0, 0, 50, 100]


async def test_a_negative_total_becomes_credit_and_is_drawn_at_once(
    context: Context, call: Call, tim: Customer, tenant: Tenant, pool: Pool
) -> None:
    first = await invoice(context, call, tim, 100)
    corrected = await invoice(context, call, tim, -130)
    assert (corrected.invoice.status, corrected.invoice.moved_to_credit_minor) == ("paid", -130)
    assert await owed(context, tenant, first) == [(0, "paid")]
    second = await invoice(context, call, tim, 100)
    assert second.invoice.balance_minor == 70
    assert [kind for kind, *_ in await transfers(pool, tenant)] == [
        "net_billed", "net_billed", "negative_total", "credit_drawn", "net_billed", "credit_drawn",
    ]  # fmt: skip


async def test_credit_stays_in_its_currency(context: Context, call: Call, tim: Customer, tenant: Tenant) -> None:
    dollars = await credit(context, call, tim, 100, currency="USD")
    euros = await invoice(context, call, tim, 100)
    assert await owed(context, tenant, euros) == [(100, "open")]
    assert await left(context, tenant, dollars.id) == [100]
    assert (await invoice(context, call, tim, 30, currency="USD")).invoice.status == "paid"


async def test_drafts_and_payouts_draw_no_credit(context: Context, call: Call, tim: Customer, tenant: Tenant) -> None:
    await draft(context, call, tim)
    await invoice(context, call, tim, 100, direction="payout")
    kept = await credit(context, call, tim, 100)
    await draft(context, call, tim)
    await invoice(context, call, tim, 100, direction="payout")
    assert await left(context, tenant, kept.id) == [100]


async def test_a_customer_switched_off_draws_nothing_until_switched_on(
    context: Context, call: Call, tenant: Tenant
) -> None:
    owner = await customer(context, call, draw_credit=False)
    one = await invoice(context, call, owner, 100)
    kept = await credit(context, call, owner, 150)
    two = await invoice(context, call, owner, 100)
    minus = await invoice(context, call, owner, -20)
    assert minus.invoice.status == "paid"
    assert await owed(context, tenant, one, two) == [(100, "open"), (100, "open")]
    start = await last_sequence(context, tenant)
    await change(context, call, owner, draw_credit=True)
    assert await owed(context, tenant, one, two) == [(0, "paid"), (30, "open")]
    assert await left(context, tenant, kept.id) == [0]
    assert (await told(context, tenant, start))[0] == "customer.updated"


async def test_credit_that_has_expired_is_not_drawn_even_before_the_sweep(
    context: Context, call: Call, tim: Customer, tenant: Tenant, clock: FixedClock
) -> None:
    given = await credit(context, call, tim, 100, expires_at=NOON + DAY)
    clock.at = NOON + DAY
    made = await invoice(context, call, tim, 100)
    assert await owed(context, tenant, made) == [(100, "open")]
    assert await left(context, tenant, given.id) == [100]


async def test_the_sweep_lets_expired_credit_go_on_its_day_once(
    context: Context, call: Call, tenant: Tenant, clock: FixedClock, pool: Pool
) -> None:
    owner = await customer(context, call, time_zone="Pacific/Auckland")
    gone = await credit(context, call, owner, 100, expires_at=NOON + DAY)
    kept = await credit(context, call, owner, 100, expires_at=NOON + 30 * DAY)
    used = await credit(context, call, owner, 5, expires_at=NOON + DAY)
    await invoice(context, call, owner, 3)
    clock.at = NOON + 5 * DAY
    await expire_credits(context)
    assert await left(context, tenant, gone.id, kept.id, used.id) == [0, 100, 0]
    on = await pool.fetch(
        "SELECT accounting_on, amount_minor FROM transfers WHERE tenant_id = $1 AND kind = 'credit_expired'"
        " ORDER BY amount_minor",
        tenant.id,
    )
    assert [tuple(row) for row in on] == [(date(2026, 3, 17), 5), (date(2026, 3, 17), 97)]
    start = await last_sequence(context, tenant)
    await expire_credits(context)
    assert await told(context, tenant, start) == []
    expired = [event for event in await events(context, tenant) if event.type == "credit.expired"]
    assert {(event.actor, event.reason, event.occurred_at) for event in expired} == {("worker", "expired", NOON + DAY)}


async def test_one_credit_that_can_not_expire_stops_no_other(
    context: Context, call: Call, tenant: Tenant, clock: FixedClock, database_url: str
) -> None:
    import asyncpg

    poison = await credit(context, call, await customer(context, call), 100, expires_at=NOON + DAY)
    fine = await credit(context, call, await customer(context, call), 100, expires_at=NOON + 2 * DAY)
    owner = await asyncpg.connect(database_url)
    try:
        await owner.execute(
            f"ALTER TABLE credits ADD CONSTRAINT poison CHECK (id <> '{poison.id}' OR expired_minor = 0)"
        )
        clock.at = NOON + 3 * DAY
        for _ in range(2):
            with pytest.raises(DatabaseRefused, match="poison"):
                await expire_credits(context)
        assert await left(context, tenant, poison.id, fine.id) == [100, 0]
    finally:
        await owner.execute("ALTER TABLE credits DROP CONSTRAINT poison")
        await owner.close()
    await expire_credits(context)
    assert await left(context, tenant, poison.id) == [0]


async def test_a_deleted_credit_gives_back_what_is_left_once(
    context: Context, call: Call, tim: Customer, tenant: Tenant, pool: Pool
) -> None:
    given = await credit(context, call, tim, 100)
    await invoice(context, call, tim, 40)
    deleted = (await credits.delete_credit(context, call, given.id)).fresh
    assert (deleted.drawn_minor, deleted.deleted_minor, deleted.version) == (40, 60, 3)
    assert (await transfers(pool, tenant))[-1] == ("credit_deleted", "customer_credit", "credits_granted", 60)
    async with refused(pool, tenant, CreditUsedUp):
        await credits.delete_credit(context, call, given.id)
    balances = await customers.get_balances(context, tenant, [tim.id])
    assert balances[tim.id]["EUR"].credit_minor == 0


async def test_credit_that_can_not_be_is_refused(
    context: Context, call: Call, other: Call, tim: Customer, tenant: Tenant, pool: Pool
) -> None:
    for given, error in (
        ({"amount_minor": 0}, CreditInvalid),
        ({"amount_minor": -5}, CreditInvalid),
        ({"amount_minor": 5, "currency": "XXX"}, UnknownCurrency),
        ({"amount_minor": 5, "expires_at": NOON}, CreditInvalid),
    ):
        async with refused(pool, tenant, error):
            await credit(context, call, tim, **given)
    async with refused(pool, other.tenant, CustomerNotFound):
        await credit(context, other, tim, 5)
    kept = await credit(context, call, tim, 5)
    async with refused(pool, tenant, CreditNotFound):
        await credits.delete_credit(context, other, kept.id)
    async with refused(pool, tenant, CreditNotFound):
        await credits.delete_credit(context, call, uuid4())
