"""Disputes: reserved while open, won back, or lost as the tenant chose; each told once, in any order."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from billsmith.actions.context import Context
from billsmith.actions.money import disputes, webhooks
from billsmith.actions.money.disputes import DisputeNotFound, DisputeUnclear
from billsmith.actions.money.refunds import RefundTarget, refund
from billsmith.clock import FixedClock
from billsmith.core.collecting.refunding import NewRefund
from billsmith.core.invoices import Document
from billsmith.core.payments.disputes import Dispute
from billsmith.core.payments.payment import Payment
from billsmith.core.payments.results import GatewayDispute
from billsmith.core.tenants import Tenant, TenantSettings
from billsmith.store.listing import Filters
from billsmith.store.money import payments as payment_rows
from billsmith.store.pool import Pool
from tests.actions.made import last_sequence, moved, refused, told, transfers
from tests.actions.money.stage import Stage

DAY = timedelta(days=1)


async def paid_by(stage: Stage, token: str) -> tuple[Document, Payment]:
    tim = await stage.customer()
    method = await stage.method(tim, token)
    invoice = await stage.invoice(tim, payment_method_id=method.id)
    assert invoice.invoice.status == "paid"
    return invoice, await payment_now(stage)


async def payment_now(stage: Stage) -> Payment:
    (payment,) = await payment_rows.list_payments(stage.context.pool, stage.call.tenant.id, Filters(5))
    return payment


async def disputes_now(stage: Stage) -> list[Dispute]:
    return await disputes.list_disputes(stage.context, stage.call.tenant, Filters(5))


async def later(stage: Stage, pool: Pool, after: timedelta) -> Stage:
    """The stage once its clock stands so much later."""
    at = stage.context.clock.of(stage.call.tenant) + after
    await pool.execute("UPDATE tenants SET clock_at = $2 WHERE id = $1", stage.call.tenant.id, at)
    return Stage(stage.context, replace(stage.call, tenant=moved(stage.call.tenant, at)), stage.account)


async def choosing(stage: Stage, pool: Pool, choice: str) -> Stage:
    """The stage of a tenant that has chosen what becomes of disputes that are lost."""
    settings = TenantSettings(dispute_lost=choice)  # type: ignore[arg-type]
    await pool.execute("UPDATE tenants SET settings = $2 WHERE id = $1", stage.call.tenant.id, settings)
    return Stage(
        stage.context, replace(stage.call, tenant=replace(stage.call.tenant, settings=settings)), stage.account
    )


async def pulled(stage: Stage) -> int:
    return await webhooks.pull_changes_of(stage.context, stage.call)


async def test_an_open_dispute_reserves_its_amount_and_the_invoice_stays_paid(stage: Stage, pool: Pool) -> None:
    invoice, payment = await paid_by(stage, "tok_dispute")
    after = await last_sequence(stage.context, stage.call.tenant)
    stage = await later(stage, pool, DAY)
    assert await pulled(stage) >= 1
    (dispute,) = await disputes_now(stage)
    assert (dispute.status, dispute.amount_minor, dispute.payment_id) == ("open", 10_000, payment.id)
    now = await payment_now(stage)
    assert (now.disputed_minor, now.refundable_minor) == (10_000, 0)
    assert (await stage.read(invoice)).invoice.status == "paid"
    assert (await transfers(pool, stage.call.tenant))[-1] == ("dispute_opened", "disputed", "cash:gateway", 10_000)
    assert await told(stage.context, stage.call.tenant, after) == ["payment.updated", "dispute.opened"]
    assert await pulled(stage) == 0


async def test_a_dispute_that_is_won_gives_the_reserve_back(stage: Stage, pool: Pool) -> None:
    await paid_by(stage, "tok_dispute.dispute_won_after_2d")
    stage = await later(stage, pool, DAY)
    await pulled(stage)
    stage = await later(stage, pool, 2 * DAY)
    await pulled(stage)
    (dispute,) = await disputes_now(stage)
    assert (dispute.status, dispute.outcome) == ("won", None)
    assert dispute.closed_at == stage.context.clock.of(stage.call.tenant)
    now = await payment_now(stage)
    assert (now.disputed_minor, now.lost_minor, now.refundable_minor) == (0, 0, 10_000)
    assert (await transfers(pool, stage.call.tenant))[-1] == ("dispute_won", "cash:gateway", "disputed", 10_000)


async def test_a_dispute_that_is_lost_is_expensed_by_default(stage: Stage, pool: Pool) -> None:
    invoice, _ = await paid_by(stage, "tok_dispute_half.dispute_after_1d.dispute_lost_after_2d")
    stage = await later(stage, pool, 3 * DAY)
    await pulled(stage)
    (dispute,) = await disputes_now(stage)
    assert (dispute.status, dispute.outcome, dispute.amount_minor) == ("lost", "expensed", 5_000)
    now = await payment_now(stage)
    assert (now.disputed_minor, now.lost_minor, now.refundable_minor) == (0, 5_000, 5_000)
    assert (await stage.read(invoice)).invoice.status == "paid"
    assert [kind for kind, *_ in (await transfers(pool, stage.call.tenant))[-2:]] == [
        "dispute_opened", "dispute_expensed",
    ]  # fmt: skip


async def test_a_dispute_that_is_lost_reopens_the_invoice_where_the_tenant_chose_so(stage: Stage, pool: Pool) -> None:
    stage = await choosing(stage, pool, "reopen")
    invoice, _ = await paid_by(stage, "tok_dispute_half.dispute_after_1d.dispute_lost_after_2d")
    stage = await later(stage, pool, 3 * DAY)
    await pulled(stage)
    (dispute,) = await disputes_now(stage)
    assert (dispute.status, dispute.outcome) == ("lost", "reopened")
    now = (await stage.read(invoice)).invoice
    assert (now.status, now.balance_minor, now.collection_state, now.collection_reason) == (
        "open", 5_000, "stopped", "reopened",
    )  # fmt: skip
    assert (await payment_now(stage)).lost_minor == 5_000


async def test_the_same_news_changes_nothing_twice_and_old_news_nothing_at_all(stage: Stage, pool: Pool) -> None:
    _, payment = await paid_by(stage, "tok_ok")
    context, call = stage.context, stage.call
    opened = GatewayDispute("fdp_1", "opened", 4_000, "EUR", "fraudulent", call.tenant.created_at)
    won = replace(opened, status="won", decided_at=call.tenant.created_at)
    assert await disputes.note_disputes(context, call, payment.id, [won]) == 1
    before = await transfers(pool, call.tenant)
    for said in (opened, won, replace(won, status="lost")):
        assert await disputes.note_disputes(context, call, payment.id, [said]) == 0
    assert await transfers(pool, call.tenant) == before
    assert [one.status for one in await disputes_now(stage)] == ["won"]


async def test_several_disputes_of_one_payment_are_each_their_own(stage: Stage, pool: Pool) -> None:
    stage = await choosing(stage, pool, "reopen")
    invoice, payment = await paid_by(stage, "tok_ok")
    context, call = stage.context, stage.call
    first = GatewayDispute("fdp_1", "lost", 4_000, "EUR", "fraudulent", call.tenant.created_at)
    second = GatewayDispute("fdp_2", "lost", 3_000, "EUR", "duplicate", call.tenant.created_at + DAY)
    third = GatewayDispute("fdp_3", "opened", 1_000, "EUR", "duplicate", call.tenant.created_at + DAY)
    assert await disputes.note_disputes(context, call, payment.id, [third, second, first]) == 3
    now = await payment_now(stage)
    assert (now.lost_minor, now.disputed_minor, now.allocated_minor) == (7_000, 1_000, 3_000)
    assert (await stage.read(invoice)).invoice.balance_minor == 7_000


async def test_a_dispute_beside_a_refund_is_flagged(stage: Stage) -> None:
    invoice, payment = await paid_by(stage, "tok_ok.refund_pending_5d_succeed")
    context, call = stage.context, stage.call
    await refund(context, call, RefundTarget(invoice_id=invoice.invoice.id), NewRefund(amount_minor=8_000))
    said = GatewayDispute("fdp_1", "opened", 4_000, "EUR", "fraudulent", call.tenant.created_at)
    await disputes.note_disputes(context, call, payment.id, [said])
    (dispute,) = await disputes_now(stage)
    assert dispute.needs_attention


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("succeeded", {"currency": "USD"}),
        ("succeeded", {"amount_minor": 0}),
        ("failed", {}),
    ],
)
async def test_what_makes_no_sense_is_left_to_a_person(
    stage: Stage, pool: Pool, status: str, said: dict[str, object]
) -> None:
    _, payment = await paid_by(stage, "tok_ok")
    call = stage.call
    dispute = replace(GatewayDispute("fdp_1", "opened", 4_000, "EUR", "fraudulent", call.tenant.created_at), **said)
    await pool.execute("UPDATE payments SET status = $2 WHERE id = $1", payment.id, status)
    try:
        async with refused(pool, call.tenant, DisputeUnclear):
            await disputes.note_disputes(stage.context, call, payment.id, [dispute])
    finally:
        await pool.execute("UPDATE payments SET status = 'succeeded' WHERE id = $1", payment.id)


async def test_a_dispute_is_looked_up_by_its_tenant_only(
    stage: Stage, context: Context, tenant: Tenant, clock: FixedClock
) -> None:
    _, payment = await paid_by(stage, "tok_ok")
    said = GatewayDispute("fdp_1", "opened", 4_000, "EUR", "fraudulent", clock.at)
    await disputes.note_disputes(context, stage.call, payment.id, [said])
    (dispute,) = await disputes_now(stage)
    assert await disputes.get_dispute(context, stage.call.tenant, dispute.id) == dispute
    with pytest.raises(DisputeNotFound):
        await disputes.get_dispute(context, tenant, dispute.id)
    assert await disputes.list_disputes(context, tenant, Filters(5)) == []
