"""What is due by itself is done once, holds up nobody else, and is never looked at in vain again and again."""

import asyncio
from uuid import UUID

import asyncpg
import msgspec
import pytest
from prometheus_client import REGISTRY

from billsmith.actions.context import Context
from billsmith.actions.customers import delete_customer
from billsmith.actions.money import accounts, attempts, collect, refunds
from billsmith.actions.money.refunds import RefundTarget, refund
from billsmith.actions.pacing import FAILURES_TO_REST, Pacing, Resting
from billsmith.clock import FixedClock
from billsmith.core.collecting.refunding import NewRefund
from billsmith.core.payments.accounts import AccountDetails
from billsmith.core.payments.methods import GatewayAccount
from billsmith.core.payments.payment import NotCollectable
from billsmith.core.payments.results import OperationKind
from billsmith.gateways.fake import Rule
from billsmith.store.pool import Pool
from billsmith.worker.figures import measure
from tests.actions.made import events
from tests.actions.money.looks import (
    DAY,
    HOUR,
    MINUTE,
    account_of,
    attempt_of,
    attempts_of,
    charged,
    of_worker,
    resume,
    state,
)
from tests.actions.money.stage import Stage, new_stage


async def collect_now(stage: Stage) -> int:
    """What the sweep does, for this company alone."""
    return await collect.collect_due_of(stage.context, of_worker(stage))


async def second_account(stage: Stage) -> GatewayAccount:
    """Another account of the same company, with the same book."""
    given = AccountDetails("Second", settings=dict(stage.account.settings))
    return (await accounts.create_account(stage.context, stage.call, "fake", given, {"api_key": "fake_2"})).fresh


async def test_declines_are_tried_again_after_1_3_5_and_7_days_and_then_no_more(now: Stage, clock: FixedClock) -> None:
    _, document = await charged(now, "tok_insufficient_funds")
    began = clock.at
    tries = []
    while (at := (await now.read(document)).invoice.next_collect_at) is not None:
        clock.at = at - MINUTE
        assert await collect_now(now) == 0
        clock.at = at
        assert await collect_now(now) == 1
        tries.append((at - began) / DAY)
    assert tries == [1, 4, 9, 16]
    assert await state(now, document) == ("open", "failed", "retries_used_up")
    assert await now.moved() == {}


async def test_two_workers_on_one_invoice_charge_it_once(now: Stage, clock: FixedClock) -> None:
    _, document = await charged(now, "tok_insufficient_funds")
    clock.at += DAY
    await asyncio.gather(*(collect_now(now) for _ in range(4)))
    assert len(await attempts_of(now, document)) == 2


async def test_what_waits_for_a_paused_account_stays_due_without_being_touched(now: Stage, clock: FixedClock) -> None:
    _, document = await charged(now, "tok_auth_failed")
    customer = await now.customer()
    waits = await now.invoice(customer, payment_method_id=(await now.method(customer)).id)
    assert [await state(now, one) for one in (document, waits)] == [("open", "scheduled", "gateway_paused")] * 2
    version = (await now.read(waits)).invoice.version
    for _ in range(3):
        clock.at += DAY
        assert await collect_now(now) == 0
    assert (await now.read(waits)).invoice.version == version
    await resume(now)
    assert await collect_now(now) == 2
    assert await state(now, waits) == ("paid", None, None)
    assert (await account_of(now)).status == "paused"  # the first invoice's method is refused again


async def test_what_waits_for_one_account_does_not_wait_for_another(now: Stage, clock: FixedClock) -> None:
    customer, document = await charged(now, "tok_auth_failed")
    other = Stage(now.context, now.call, await second_account(now))
    await collect.give_method(
        now.context, now.call, document.invoice.id, (await other.method(customer)).id, default=False
    )
    assert await state(now, document) == ("paid", None, None)


async def test_a_closed_accounts_methods_are_not_tried_again(now: Stage, clock: FixedClock, pool: Pool) -> None:
    _, document = await charged(now, "tok_insufficient_funds")
    await pool.execute("UPDATE gateway_accounts SET status = 'closed' WHERE id = $1", now.account.id)
    clock.at += DAY
    assert await collect_now(now) == 1
    assert await state(now, document) == ("open", "failed", "needs_new_method")


async def test_a_deleted_customer_is_never_billed_again(now: Stage, clock: FixedClock) -> None:
    customer, document = await charged(now, "tok_ok.reversed_after_40d")
    await delete_customer(now.context, now.call, customer.id)
    attempt = await attempt_of(now, document)
    clock.at += 40 * DAY
    (sending,) = await attempts.load_sendings(now.context.pool, now.context, now.call.tenant, [attempt.id])
    heard = {attempt.id: await attempts.ask(now.context, sending)}
    assert await attempts.record(now.context, of_worker(now), heard) == 1
    clock.at += 60 * DAY
    assert await collect_now(now) in (0, 1)
    status, collection_state, reason = await state(now, document)
    assert (status, collection_state) == ("open", "stopped")
    assert reason == "customer_deleted"
    assert await collect_now(now) == 0
    with pytest.raises(NotCollectable):
        await collect.collect_invoice(now.context, now.call, document.invoice.id)
    assert len(await attempts_of(now, document)) == 1


async def test_a_call_that_never_reached_the_gateway_is_no_try_of_the_networks(now: Stage, clock: FixedClock) -> None:
    _, document = await charged(now, "tok_not_submitted")
    for _ in range(16):
        now.context = msgspec.structs.replace(now.context, pacing=Pacing())  # as if the gateway had rested long enough
        clock.at += HOUR
        await collect_now(now)
    assert len(await attempts_of(now, document)) == 17
    now.context = msgspec.structs.replace(now.context, pacing=Pacing())
    assert (await now.read(document)).invoice.attempt_count == 0
    await now.gateway.script(now.opened, Rule("funds", "insufficient_funds"))
    clock.at += HOUR
    await collect_now(now)
    assert await state(now, document) == ("open", "retrying", None)


async def test_an_invoice_that_can_not_begin_is_parked_with_its_reason_and_the_others_go_on(
    now: Stage, clock: FixedClock, database_url: str
) -> None:
    made = [(await charged(now, "tok_insufficient_funds", 100 * nth))[1] for nth in range(1, 8)]
    poisoned = made[3]
    await now.gateway.script(now.opened, Rule("money again", "ok"))
    clock.at += DAY
    owner = await asyncpg.connect(database_url)
    try:
        planted = f"ADD CONSTRAINT planted CHECK (invoice_id <> '{poisoned.invoice.id}') NOT VALID"
        await owner.execute(f"ALTER TABLE attempt_invoices {planted}")
        assert await collect_now(now) == 7
    finally:
        await owner.execute("ALTER TABLE attempt_invoices DROP CONSTRAINT IF EXISTS planted")
        await owner.close()
    assert [(await state(now, one))[0] for one in made if one is not poisoned] == ["paid"] * 6
    assert await state(now, poisoned) == ("open", "stopped", "parked")
    parked = [one for one in await events(now.context, now.call.tenant) if "could not begin" in (one.reason or "")]
    assert [one.type for one in parked] == ["invoice.collection_changed"]
    assert await collect_now(now) == 0


async def test_a_refund_that_can_not_begin_is_parked_and_the_others_go_on(
    now: Stage, clock: FixedClock, database_url: str
) -> None:
    made = [(await charged(now, "tok_ok"))[1] for _ in range(3)]
    await now.gateway.script(now.opened, Rule("down", "not_submitted", kind=OperationKind.REFUND, next=3))
    asked = [
        (await refund(now.context, now.call, RefundTarget(invoice_id=one.invoice.id), NewRefund())).fresh[0]
        for one in made
    ]
    clock.at += 5 * MINUTE
    owner = await asyncpg.connect(database_url)
    try:
        await owner.execute(
            "ALTER TABLE attempts ADD CONSTRAINT planted"
            f" CHECK (refund_id IS NULL OR refund_id <> '{asked[1].id}') NOT VALID"
        )
        assert await refunds.refunds_due_of(now.context, of_worker(now)) == 3
        assert await refunds.refunds_due_of(now.context, of_worker(now)) == 0
    finally:
        await owner.execute("ALTER TABLE attempts DROP CONSTRAINT IF EXISTS planted")
        await owner.close()
    found = [await refunds.get_refund(now.context, now.call.tenant, one.id) for one in asked]
    assert [one.status for one in found] == ["succeeded", "pending", "succeeded"]
    assert found[1].needs_attention
    clock.at += DAY
    await refunds.refunds_due_of(now.context, of_worker(now))
    assert (await refunds.get_refund(now.context, now.call.tenant, asked[1].id)).status == "succeeded"


async def test_the_sweep_of_the_real_time_does_what_is_due_for_all_tenants(context: Context, clock: FixedClock) -> None:
    stages = [await new_stage(context, book=f"b{context.ids.new(0).hex}", clock_at=None) for _ in range(3)]
    made = [(await charged(one, "tok_insufficient_funds"))[1] for one in stages]
    moved = await new_stage(context, book=f"b{context.ids.new(0).hex}", clock_at=clock.at)
    left = (await charged(moved, "tok_insufficient_funds"))[1]
    clock.at += DAY
    assert await collect.collect_due(context) >= 3
    assert [len(await attempts_of(*one)) for one in zip(stages, made, strict=True)] == [2, 2, 2]
    assert len(await attempts_of(moved, left)) == 1


async def test_an_account_with_a_rate_is_never_given_more_than_it_bears(
    now: Stage, clock: FixedClock, pool: Pool
) -> None:
    settings = {**now.account.settings, "max_concurrency": "2", "per_second": "200"}
    await pool.execute("UPDATE gateway_accounts SET settings = $2 WHERE id = $1", now.account.id, settings)
    customer = await now.customer()
    method = await now.method(customer, "tok_insufficient_funds")
    for nth in range(6):
        await now.invoice(customer, 100 + nth, payment_method_id=method.id)
    clock.at += DAY
    assert await collect_now(now) == 6
    pace = now.context.pacing.of(now.account.id, settings)
    assert (pace.at_once, pace.per_second, pace.room_in(20)) == (2, 200, 4000)


async def test_a_pace_lets_so_many_in_at_once() -> None:
    pace = Pacing().of(UUID(int=1), {"max_concurrency": "3"})
    inside = most = 0

    async def one() -> None:
        nonlocal inside, most
        async with pace.turn(5):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(one() for _ in range(20)))
    assert most == 3


async def test_while_a_gateway_rests_nothing_is_sent_and_nothing_waits_longer_than_it_may() -> None:
    pace = Pacing().of(UUID(int=1), {})
    pace.rest(60)
    with pytest.raises(Resting):
        async with pace.turn(1):
            raise AssertionError("its turn has not come")
    assert 59 < pace.rests_seconds <= 60


async def test_a_gateway_that_is_not_there_is_left_alone_after_a_few_calls(now: Stage, clock: FixedClock) -> None:
    made = [(await charged(now, "tok_not_submitted"))[1] for _ in range(FAILURES_TO_REST)]
    clock.at += 5 * MINUTE
    assert await collect_now(now) == len(made)
    assert [len(await attempts_of(now, one)) for one in made] == [1] * len(made)
    assert [await state(now, one) for one in made] == [("open", "retrying", "not_submitted")] * len(made)
    assert await collect_now(now) == 0


async def test_new_settings_give_a_new_pace() -> None:
    pacing = Pacing()
    first = pacing.of(UUID(int=1), {"per_second": "5", "book": "a"})
    assert pacing.of(UUID(int=1), {"per_second": "5", "book": "b"}) is first
    assert pacing.of(UUID(int=1), {"per_second": 7}).per_second == 7
    assert pacing.of(UUID(int=1), {"per_second": "many"}).per_second is None


async def test_a_rate_limit_is_honoured_and_is_no_try(now: Stage, clock: FixedClock) -> None:
    await now.gateway.script(now.opened, Rule("busy", "rate_limited", next=1))
    _, document = await charged(now, "tok_ok")
    assert await state(now, document) == ("open", "retrying", "not_submitted")
    pace = now.context.pacing.of(now.account.id, now.account.settings)
    assert pace.rests_seconds > 0
    clock.at += 5 * MINUTE
    await collect_now(now)
    assert await state(now, document) == ("paid", None, None)


async def test_figures_tell_what_is_undecided_and_what_is_parked(now: Stage) -> None:
    await charged(now, "tok_pending")
    await charged(now, "tok_lost_reply_after")
    await measure(now.context)
    for status in ("pending", "sent"):
        assert (REGISTRY.get_sample_value("billsmith_attempts_undecided", {"status": status}) or 0) >= 1
    assert REGISTRY.get_sample_value("billsmith_parked", {"kind": "invoices"}) is not None
