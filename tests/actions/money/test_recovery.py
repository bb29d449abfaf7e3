"""Whatever is cut off, the gateway is asked, nobody is charged twice, and our view is the gateway's book."""

import asyncio
from pathlib import Path

import asyncpg
import msgspec
import pytest

from billsmith.actions.context import Context
from billsmith.actions.money import attempts, recovery
from billsmith.actions.money.collect import collect_invoice
from billsmith.actions.money.corrections import void_invoice
from billsmith.actions.money.recording import Heard
from billsmith.actions.money.refunds import RefundTarget, get_refund, refund, refunds_due_of
from billsmith.clock import FixedClock
from billsmith.core.collecting.refunding import NewRefund
from billsmith.core.ids import show_id
from billsmith.core.payments.payment import NotCollectable
from billsmith.core.payments.results import OperationKind, OperationResult, OperationStatus
from billsmith.gateways import calling
from billsmith.gateways.external import ExternalGateway
from billsmith.gateways.fake import FakeGateway, Rule
from billsmith.gateways.port import Capabilities, GatewayAccount, GatewayOperation, NotFound
from billsmith.gateways.registry import load_gateways
from tests.actions.made import events, told
from tests.actions.money.looks import (
    DAY,
    HOUR,
    MINUTE,
    account_of,
    attempt_of,
    begun_and_killed,
    charged,
    of_worker,
    owed,
    payment_of,
    recover_everything,
    state,
)
from tests.actions.money.stage import Stage, new_stage

LEASE = attempts.LEASE


class ForgetfulGateway(FakeGateway):
    """Knows what it did, and is never sure that it did not do something; its keys are remembered for an hour."""

    def capabilities(self, account: GatewayAccount) -> Capabilities:
        return msgspec.structs.replace(super().capabilities(account), key_window_seconds=3600)

    async def lookup(self, account: GatewayAccount, operation: GatewayOperation, at: object) -> object:  # type: ignore[override]
        found = await super().lookup(account, operation, at)  # type: ignore[arg-type]
        return NotFound(certain=False) if isinstance(found, NotFound) else found


@pytest.fixture
async def forgetful(context: Context, books: Path) -> Stage:
    """A company in the real time whose gateway is never certain."""
    gateways = load_gateways([ForgetfulGateway(books), ExternalGateway()], plugins=())
    return await new_stage(
        msgspec.structs.replace(context, gateways=gateways), book=f"forgetful{context.ids.new(0).hex}", clock_at=None
    )


async def test_a_reply_lost_after_the_money_moved_is_found_once_the_lease_has_passed(
    now: Stage, clock: FixedClock
) -> None:
    _, document = await charged(now, "tok_lost_reply_after")
    assert (await attempt_of(now, document)).status == "sent"
    assert await state(now, document) == ("open", "processing", None)
    assert await recover_everything(now) == 0
    clock.at += LEASE
    assert await recover_everything(now) == 1
    assert await state(now, document) == ("paid", None, None)
    assert (await attempt_of(now, document)).status == "succeeded"
    assert await now.moved() == {"charge": 10_000}


async def test_a_request_that_never_arrived_is_sent_again_once_under_the_same_key(
    now: Stage, clock: FixedClock
) -> None:
    _, document = await charged(now, "tok_lost_reply_before")
    clock.at += LEASE
    await recover_everything(now)
    attempt = await attempt_of(now, document)
    assert (attempt.status, (await state(now, document))[0]) == ("succeeded", "paid")
    (movement,) = await now.gateway.movements(now.opened, clock.at)
    assert movement.operation_id == show_id("attempt", attempt.id)


async def test_what_never_reaches_the_gateway_is_sent_twice_and_then_planned_anew(
    now: Stage, clock: FixedClock
) -> None:
    _, document = await charged(now, "tok_never_reached")
    clock.at += LEASE
    await recover_everything(now)
    attempt = await attempt_of(now, document)
    assert (attempt.status, attempt.lease_until) == ("sent", clock.at + LEASE)
    assert await recover_everything(now) == 0
    clock.at += LEASE
    await recover_everything(now)
    attempt = await attempt_of(now, document)
    assert (attempt.status, attempt.decline) == ("failed", None)
    assert await state(now, document) == ("open", "retrying", "not_submitted")
    invoice = (await now.read(document)).invoice
    assert invoice.attempt_count == 0, "what never reached the gateway is no try"
    assert await now.moved() == {}


async def test_a_sender_killed_before_its_call_is_recovered_and_charged_once(now: Stage, clock: FixedClock) -> None:
    document = await owed(now, "tok_ok")
    await begun_and_killed(now, document)
    clock.at += LEASE
    await asyncio.gather(*(recover_everything(now) for _ in range(4)))
    assert await state(now, document) == ("paid", None, None)
    assert await now.moved() == {"charge": 10_000}


async def test_a_sender_killed_after_its_call_is_recovered_without_another_charge(
    now: Stage, clock: FixedClock
) -> None:
    document = await owed(now, "tok_ok")
    await begun_and_killed(now, document)
    (sending,) = await attempts.load_sendings(
        now.context.pool, now.context, now.call.tenant, [(await attempt_of(now, document)).id]
    )
    await attempts.send(now.context, sending)
    clock.at += LEASE
    await recover_everything(now)
    assert await state(now, document) == ("paid", None, None)
    assert await now.moved() == {"charge": 10_000}


async def test_a_call_that_hangs_is_cut_and_asked_about(
    now: Stage, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calling, "TIMEOUT_SECONDS", 0.05)
    _, document = await charged(now, "tok_hang_after_capture")
    assert await state(now, document) == ("open", "processing", None)
    clock.at += LEASE
    await recover_everything(now)
    assert await state(now, document) == ("paid", None, None)
    assert await now.moved() == {"charge": 10_000}


async def test_a_plugin_that_fails_after_charging_ends_as_charged(now: Stage, clock: FixedClock) -> None:
    _, document = await charged(now, "tok_raises_value_error_after_capture")
    clock.at += LEASE
    await recover_everything(now)
    assert await state(now, document) == ("paid", None, None)
    assert await now.moved() == {"charge": 10_000}


async def test_in_a_sandbox_with_its_own_time_nobody_waits_for_a_lease(stage: Stage) -> None:
    _, before = await charged(stage, "tok_lost_reply_before")
    _, after = await charged(stage, "tok_lost_reply_after")
    assert await recover_everything(stage) == 2
    assert [(await state(stage, one))[0] for one in (before, after)] == ["paid", "paid"]
    assert await stage.moved() == {"charge": 20_000}


async def test_nothing_is_concluded_from_not_found_while_the_call_may_be_under_way(now: Stage) -> None:
    document = await owed(now, "tok_ok")
    await begun_and_killed(now, document)
    (sending,) = await attempts.load_sendings(
        now.context.pool, now.context, now.call.tenant, [(await attempt_of(now, document)).id]
    )
    assert await attempts.ask(now.context, sending) == Heard()
    assert await now.moved() == {}


async def test_what_was_concluded_of_one_call_does_not_hold_once_another_was_begun(
    now: Stage, clock: FixedClock
) -> None:
    document = await owed(now, "tok_ok")
    first = await begun_and_killed(now, document)
    clock.at += LEASE
    # Two recoverers ask at once; the second hears of the first one's call being under way.
    (stale,) = await attempts.load_sendings(now.context.pool, now.context, now.call.tenant, [first.id])
    (fresh,) = await attempts.load_sendings(now.context.pool, now.context, now.call.tenant, [first.id])
    heard = await attempts.ask(now.context, fresh)
    assert heard.result is not None
    late = await attempts.ask(now.context, msgspec.structs.replace(stale))
    assert late.result is not None
    nothing_happened = Heard(not_submitted=True, version=first.version)
    assert await attempts.record(now.context, of_worker(now), {first.id: nothing_happened}) == 0
    assert (await attempt_of(now, document)).status == "sent"
    assert await attempts.record(now.context, of_worker(now), {first.id: heard}) == 1
    assert await now.moved() == {"charge": 10_000}


async def test_where_the_gateway_is_never_certain_it_stays_unknown_after_its_key_window(
    forgetful: Stage, clock: FixedClock
) -> None:
    document = await owed(forgetful, "tok_never_reached")
    await begun_and_killed(forgetful, document)
    clock.at += 2 * HOUR  # longer than it remembers keys: sending again could charge twice
    await recover_everything(forgetful)
    attempt = await attempt_of(forgetful, document)
    assert (attempt.status, (await payment_of(forgetful, attempt)).status) == ("unknown", "processing")
    assert await state(forgetful, document) == ("open", "processing", None)
    with pytest.raises(NotCollectable):
        await collect_invoice(forgetful.context, forgetful.call, document.invoice.id)
    assert await forgetful.moved() == {}


async def test_within_its_key_window_it_is_sent_again_under_the_same_key(forgetful: Stage, clock: FixedClock) -> None:
    document = await owed(forgetful, "tok_ok")
    await begun_and_killed(forgetful, document)
    clock.at += LEASE
    await recover_everything(forgetful)
    assert await state(forgetful, document) == ("paid", None, None)
    assert await forgetful.moved() == {"charge": 10_000}


async def test_what_stays_unknown_is_asked_about_ever_more_seldom_and_told_once_a_day(
    forgetful: Stage, clock: FixedClock
) -> None:
    document = await owed(forgetful, "tok_never_reached")
    await begun_and_killed(forgetful, document)
    began = clock.at
    clock.at += 2 * HOUR
    looks = 0
    while clock.at < began + 5 * DAY:
        looks += await recover_everything(forgetful)
        clock.at = (await attempt_of(forgetful, document)).next_check_at or began
        assert clock.at > began
    events = await told(forgetful.context, forgetful.call.tenant)
    assert events.count("payment.unknown") == 1 + 4
    assert looks < 40


async def test_a_gateway_that_does_not_answer_leaves_it_unknown_and_is_asked_again(
    now: Stage, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, document = await charged(now, "tok_lost_reply_after")
    clock.at += LEASE

    async def broken(*_: object) -> object:
        raise ConnectionError("no route")

    with monkeypatch.context() as outage:
        outage.setattr(FakeGateway, "lookup", broken)
        await recover_everything(now)
    attempt = await attempt_of(now, document)
    assert (attempt.status, attempt.next_check_at) == ("unknown", clock.at + MINUTE)
    clock.at += MINUTE
    await recover_everything(now)
    assert await state(now, document) == ("paid", None, None)


async def test_what_is_pending_is_asked_about_when_it_is_due_and_settles(stage: Stage, clock: FixedClock) -> None:
    now = await new_stage(stage.context, book=f"b{stage.context.ids.new(0).hex}", clock_at=None)
    _, good = await charged(now, "tok_pending_3d_succeed")
    _, bad = await charged(now, "tok_pending_3d_fail")
    assert await recover_everything(now) == 0
    clock.at += 3 * DAY
    assert await recover_everything(now) == 2
    assert await state(now, good) == ("paid", None, None)
    assert (await state(now, bad))[:2] == ("open", "retrying")
    assert await now.moved() == {"charge": 10_000}


async def test_what_stays_pending_is_not_asked_about_again_and_again(now: Stage, clock: FixedClock) -> None:
    _, document = await charged(now, "tok_pending")
    clock.at += DAY
    assert await recover_everything(now) == 1
    assert await recover_everything(now) == 0
    attempt = await attempt_of(now, document)
    assert (attempt.status, attempt.next_check_at) == ("pending", clock.at + DAY)


async def test_late_news_never_undo_what_is_settled(now: Stage, clock: FixedClock) -> None:
    _, document = await charged(now, "tok_ok")
    attempt = await attempt_of(now, document)
    for status in (OperationStatus.PENDING, OperationStatus.FAILED, OperationStatus.UNKNOWN, OperationStatus.CANCELLED):
        late = Heard(OperationResult(status, gateway_id=attempt.gateway_id))
        assert await attempts.record(now.context, of_worker(now), {attempt.id: late}) == 0
    assert await state(now, document) == ("paid", None, None)
    assert (await attempt_of(now, document)).version == attempt.version


async def test_the_same_news_twice_change_nothing_the_second_time(now: Stage, clock: FixedClock) -> None:
    _, document = await charged(now, "tok_pending")
    attempt = await attempt_of(now, document)
    await now.gateway.decide(now.opened, attempt.gateway_id or "", "succeed", clock.at)
    (sending,) = await attempts.load_sendings(now.context.pool, now.context, now.call.tenant, [attempt.id])
    heard = {attempt.id: await attempts.ask(now.context, sending)}
    assert [await attempts.record(now.context, of_worker(now), heard) for _ in range(2)] == [1, 0]
    assert await now.moved() == {"charge": 10_000}


async def test_before_an_invoice_is_collected_again_what_was_cut_off_is_asked_about(
    now: Stage, clock: FixedClock
) -> None:
    _, document = await charged(now, "tok_lost_reply_after")
    with pytest.raises(NotCollectable):
        await collect_invoice(now.context, now.call, document.invoice.id)
    clock.at += LEASE
    with pytest.raises(NotCollectable, match="paid"):
        await collect_invoice(now.context, now.call, document.invoice.id)
    assert await now.moved() == {"charge": 10_000}


async def test_an_invoice_to_be_voided_is_voided_rather_than_sent_again(now: Stage, clock: FixedClock) -> None:
    document = await owed(now, "tok_ok")
    await begun_and_killed(now, document)
    await void_invoice(now.context, now.call, document.invoice.id, rebill=False)
    assert await state(now, document) == ("open", "void_pending", None)
    clock.at += LEASE
    await recover_everything(now)
    assert (await state(now, document))[0] == "void"
    assert await now.moved() == {}


async def test_a_charge_that_did_go_through_before_the_void_is_given_back(now: Stage, clock: FixedClock) -> None:
    _, document = await charged(now, "tok_lost_reply_after")
    await void_invoice(now.context, now.call, document.invoice.id, rebill=False)
    clock.at += LEASE
    await recover_everything(now)
    await refunds_due_of(now.context, of_worker(now))
    assert (await state(now, document))[0] == "void"
    assert sum((await now.moved()).values()) == 0


async def test_when_an_invoice_is_voided_what_was_cut_off_is_asked_about_at_once(now: Stage, clock: FixedClock) -> None:
    _, document = await charged(now, "tok_lost_reply_after")
    clock.at += LEASE
    answered = (await void_invoice(now.context, now.call, document.invoice.id, rebill=False)).fresh
    assert answered.invoice.status == "void"
    await refunds_due_of(now.context, of_worker(now))
    assert sum((await now.moved()).values()) == 0


async def test_what_was_never_sent_is_not_sent_because_somebody_voids_it(now: Stage, clock: FixedClock) -> None:
    document = await owed(now, "tok_ok")
    await begun_and_killed(now, document)
    clock.at += LEASE
    await void_invoice(now.context, now.call, document.invoice.id, rebill=False)
    assert (await state(now, document))[0] == "void"
    assert await now.moved() == {}


@pytest.mark.parametrize("words", ["refund_lost_reply_after", "refund_lost_reply_before", "refund_pending_2d_succeed"])
async def test_a_refund_that_was_cut_off_is_given_back_once(now: Stage, clock: FixedClock, words: str) -> None:
    _, document = await charged(now, f"tok_ok.{words}")
    target = RefundTarget(invoice_id=document.invoice.id)
    (asked,) = (await refund(now.context, now.call, target, NewRefund(amount_minor=4_000))).fresh
    assert asked.status == "pending"
    clock.at += LEASE
    await recover_everything(now)
    clock.at += 2 * DAY
    await recover_everything(now)
    assert (await get_refund(now.context, now.call.tenant, asked.id)).status == "succeeded"
    assert sum((await now.moved()).values()) == 6_000


async def test_a_refund_whose_line_is_down_is_sent_again_later_and_ever_more_seldom(
    now: Stage, clock: FixedClock
) -> None:
    _, document = await charged(now, "tok_ok")
    await now.gateway.script(now.opened, Rule("down", "not_submitted", OperationKind.REFUND, next=3))
    target = RefundTarget(invoice_id=document.invoice.id)
    (asked,) = (await refund(now.context, now.call, target, NewRefund())).fresh
    pauses = []
    while (found := await get_refund(now.context, now.call.tenant, asked.id)).next_try_at is not None:
        assert found.status == "pending"
        pauses.append(found.next_try_at - clock.at)
        clock.at = found.next_try_at
        await refunds_due_of(now.context, of_worker(now))
    assert pauses == [5 * MINUTE, 10 * MINUTE, 20 * MINUTE]
    assert found.status == "succeeded"
    assert sum((await now.moved()).values()) == 0


async def test_an_outcome_that_can_not_be_recorded_is_parked_and_the_others_are_recorded(
    now: Stage, clock: FixedClock, database_url: str
) -> None:
    made = [await charged(now, "tok_lost_reply_after", 100 * nth) for nth in range(1, 6)]
    poisoned = made[2][1]
    payment_id = (await attempt_of(now, poisoned)).payment_id
    owner = await asyncpg.connect(database_url)
    try:
        await owner.execute(f"ALTER TABLE allocations ADD CONSTRAINT planted CHECK (payment_id <> '{payment_id}')")
        clock.at += LEASE
        await recover_everything(now)
    finally:
        await owner.execute("ALTER TABLE allocations DROP CONSTRAINT IF EXISTS planted")
        await owner.close()
    assert [(await state(now, document))[0] for _, document in made] == ["paid", "paid", "open", "paid", "paid"]
    assert (await attempt_of(now, poisoned)).status == "unknown"
    (parked,) = [event for event in await events(now.context, now.call.tenant) if event.type == "payment.unknown"]
    assert "can't be recorded" in (parked.reason or "")
    clock.at += HOUR
    await recover_everything(now)
    assert await state(now, poisoned) == ("paid", None, None)


async def test_credentials_that_are_refused_pause_the_account_and_what_is_due_waits(
    now: Stage, clock: FixedClock
) -> None:
    _, document = await charged(now, "tok_auth_failed")
    account = await account_of(now)
    assert account.status == "paused"
    assert await state(now, document) == ("open", "scheduled", "gateway_paused")
    assert (await now.read(document)).invoice.attempt_count == 0
    assert "gateway_account.paused" in await told(now.context, now.call.tenant)


async def test_a_decline_that_says_our_set_up_is_wrong_pauses_the_account(now: Stage) -> None:
    _, document = await charged(now, "tok_merchant_blocked")
    account = await account_of(now)
    assert (account.status, "merchant_blocked" in (account.paused_because or "")) == ("paused", True)
    assert await state(now, document) == ("open", "scheduled", "gateway_paused")


async def test_a_refund_on_a_refused_account_waits_and_its_amount_stays_reserved(now: Stage) -> None:
    _, document = await charged(now, "tok_ok.refund_auth_failed")
    target = RefundTarget(invoice_id=document.invoice.id)
    (asked,) = (await refund(now.context, now.call, target, NewRefund())).fresh
    assert (asked.status, (await account_of(now)).status) == ("pending", "paused")
    assert await refunds_due_of(now.context, of_worker(now)) == 0, "a sweep does not spin on what waits"


async def test_several_attempts_of_one_customer_are_recorded_one_after_the_other(now: Stage, clock: FixedClock) -> None:
    customer = await now.customer()
    method = await now.method(customer, "tok_lost_reply_after")
    documents = [await now.invoice(customer, 100 + nth, payment_method_id=method.id) for nth in range(4)]
    clock.at += LEASE
    await recover_everything(now)
    assert [(await state(now, document))[0] for document in documents] == ["paid"] * 4
    assert await now.moved() == {"charge": 406}


async def test_calls_that_were_cut_off_are_recovered_for_every_tenant(context: Context, clock: FixedClock) -> None:
    stages = [await new_stage(context, book=f"b{context.ids.new(0).hex}", clock_at=None) for _ in range(3)]
    made = [await charged(one, "tok_lost_reply_after") for one in stages]
    clock.at += LEASE
    assert await recovery.recover_cut_off(context) >= 3
    for one, (_, document) in zip(stages, made, strict=True):
        assert await state(one, document) == ("paid", None, None)


async def test_a_tenant_whose_credentials_can_not_be_opened_stops_no_other(context: Context, clock: FixedClock) -> None:
    stages = [await new_stage(context, book=f"b{context.ids.new(0).hex}", clock_at=None) for _ in range(2)]
    made = [await charged(one, "tok_lost_reply_after") for one in stages]
    await context.pool.execute(
        "UPDATE gateway_accounts SET sealed_credentials = '\\x00' WHERE id = $1", stages[0].account.id
    )
    clock.at += LEASE
    await recovery.recover_cut_off(context)
    assert (await attempt_of(stages[0], made[0][1])).status == "unknown"
    assert await state(stages[1], made[1][1]) == ("paid", None, None)
