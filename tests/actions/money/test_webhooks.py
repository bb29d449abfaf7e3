"""What gateways tell: kept if its signature holds, never believed, harmless in any number and any order."""

import asyncio
import random
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from billsmith.actions.context import Context
from billsmith.actions.money import accounts, attempts, hearsay, methods, orphans, webhooks
from billsmith.actions.money.accounts import GatewayAccountNotFound
from billsmith.actions.money.hearsay import EventNotParked
from billsmith.actions.money.methods import NewSetup
from billsmith.actions.money.orphans import GatewayEventNotFound, OrphanRefused
from billsmith.actions.money.refunds import RefundTarget, refund
from billsmith.actions.money.webhooks import WebhookNotBelieved
from billsmith.clock import FixedClock
from billsmith.core.collecting.refunding import NewRefund
from billsmith.core.ids import GatewayAccountId, show_id
from billsmith.core.payments.accounts import AccountDetails
from billsmith.core.payments.events import StoredEvent
from billsmith.core.payments.methods import GatewayAccount
from billsmith.core.payments.results import OperationKind, OperationResult
from billsmith.core.tenants import Tenant
from billsmith.gateways.fake import FakeGateway
from billsmith.gateways.fake.webhooks import Delivery, Message, signed
from billsmith.gateways.port import GatewayEvent, GatewayOperation, OutcomeUnknown
from billsmith.store.listing import Filters
from billsmith.store.pool import Pool
from tests.actions.made import customer, refused, transfers
from tests.actions.money.conftest import CREDENTIALS
from tests.actions.money.looks import attempt_of, charged, state
from tests.actions.money.stage import Stage
from tests.actions.money.test_disputes import DAY, later

HOUR = timedelta(hours=1)


async def arrive(stage: Stage, delivery: Delivery) -> webhooks.Received:
    """A webhook arrives and is looked into at once."""
    received = await webhooks.receive_webhook(stage.context, stage.account.id, delivery.headers, delivery.body)
    await webhooks.look_into_received(stage.context, received)
    return received


async def sent(stage: Stage) -> list[Delivery]:
    """Every webhook of the fake gateway by now; a signature is of the moment, so they are signed anew."""
    now = stage.context.clock.of(stage.call.tenant)
    found = await stage.gateway.deliveries(stage.opened, now - DAY * 100, now)
    return [signed(stage.opened, msgspec.json.decode(one.body, type=Message), now) for one in found]


async def kept(stage: Stage) -> list[StoredEvent]:
    """Every event that was kept, oldest first."""
    found = await hearsay.list_gateway_events(stage.context, stage.call.tenant, Filters(100))
    return list(reversed(found))


def message(stage: Stage, type_: str = "charge.succeeded", **fields: object) -> Message:
    """A webhook's body, made up."""
    now = stage.context.clock.of(stage.call.tenant)
    blank = Message("fev_made_up", show_id("gateway_account", stage.account.id), type_, now)
    return replace(blank, **fields)


def told_now(stage: Stage, made_up: Message) -> Delivery:
    """It, signed by the account's secret."""
    return signed(stage.opened, made_up, stage.context.clock.of(stage.call.tenant))


async def foreign(
    stage: Stage, id_: str = "made_elsewhere", method: str = "tok_ok", amount: int = 7_000
) -> OperationResult:
    """A charge of the same gateway account that somebody made without us."""
    operation = GatewayOperation(id_, OperationKind.CHARGE, amount, "EUR", "elsewhere", payment_method=method)
    return await stage.gateway.charge(stage.opened, operation, stage.context.clock.of(stage.call.tenant))


async def test_a_webhook_tells_what_became_of_a_charge(stage: Stage, pool: Pool) -> None:
    _, invoice = await charged(stage, "tok_pending_1d_succeed")
    assert await state(stage, invoice) == ("open", "processing", None)
    stage = await later(stage, pool, DAY)
    news = [await arrive(stage, delivery) for delivery in await sent(stage)]
    assert [one.told for one in news] == [1, 1]
    assert await state(stage, invoice) == ("paid", None, None)
    assert [(one.type, one.status) for one in await kept(stage)] == [
        ("charge.pending", "processed"), ("charge.succeeded", "processed"),
    ]  # fmt: skip


async def test_what_is_told_is_never_believed(stage: Stage) -> None:
    _, invoice = await charged(stage, "tok_pending_1d_succeed")
    attempt = await attempt_of(stage, invoice)
    lie = message(stage, operation=show_id("attempt", attempt.id), object=attempt.gateway_id)
    await arrive(stage, told_now(stage, lie))
    assert await state(stage, invoice) == ("open", "processing", None)
    assert [one.status for one in await kept(stage)] == ["processed"]


@pytest.mark.parametrize("seed", range(4))
async def test_twice_and_in_any_order_they_come_to_the_same_end(stage: Stage, pool: Pool, seed: int) -> None:
    _, first = await charged(stage, "tok_pending_1d_succeed.reversed_after_2d")
    _, second = await charged(stage, "tok_pending_1d_fail", 2_000)
    _, third = await charged(stage, "tok_dispute.dispute_lost_after_1d", 3_000)
    shuffled = random.Random(seed)
    for day in (1, 4):
        stage = await later(stage, pool, day * DAY)
        deliveries = 2 * await sent(stage)
        shuffled.shuffle(deliveries)
        for delivery in deliveries:
            await arrive(stage, delivery)
    assert (await state(stage, first))[0] == "open"
    assert (await state(stage, second))[0] == "open"
    assert await state(stage, third) == ("paid", None, None)
    kinds = [kind for kind, *_ in await transfers(pool, stage.call.tenant)]
    for once in ("payment_reversed", "dispute_opened", "dispute_expensed"):
        assert kinds.count(once) == 1, once
    assert {one.status for one in await kept(stage)} == {"processed"}
    assert len(await kept(stage)) == len(deliveries) // 2


async def test_what_went_back_before_we_heard_that_it_had_come_never_came(stage: Stage, pool: Pool) -> None:
    _, invoice = await charged(stage, "tok_pending_1d_succeed.reversed_after_1d")
    stage = await later(stage, pool, 5 * DAY)
    for delivery in reversed(await sent(stage)):
        await arrive(stage, delivery)
    assert (await attempt_of(stage, invoice)).status == "failed"
    assert [kind for kind, *_ in await transfers(pool, stage.call.tenant)] == ["net_billed"]


async def test_many_at_once_come_to_the_same_end(stage: Stage, pool: Pool) -> None:
    _, invoice = await charged(stage, "tok_pending_1d_succeed.dispute_after_1d")
    stage = await later(stage, pool, 3 * DAY)
    await asyncio.gather(*(arrive(stage, delivery) for delivery in 5 * await sent(stage)))
    assert await state(stage, invoice) == ("paid", None, None)
    kinds = [kind for kind, *_ in await transfers(pool, stage.call.tenant)]
    assert (kinds.count("payment_allocated"), kinds.count("dispute_opened")) == (1, 1)


async def test_a_webhook_that_comes_before_our_own_reply_is_recorded_as_that(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    charge = FakeGateway.charge

    async def overtaken(self: FakeGateway, account: object, operation: object, at: object) -> OperationResult:
        result: OperationResult = await charge(self, account, operation, at)  # type: ignore[arg-type]
        for delivery in await sent(stage):
            await arrive(stage, delivery)
        return result

    monkeypatch.setattr(FakeGateway, "charge", overtaken)
    _, invoice = await charged(stage, "tok_ok")
    assert await state(stage, invoice) == ("paid", None, None)
    assert (await attempt_of(stage, invoice)).status == "succeeded"
    assert [one.status for one in await kept(stage)] == ["processed"]
    assert await stage.moved() == {"charge": 10_000}


async def test_a_refund_is_told_of_by_webhook(stage: Stage, pool: Pool) -> None:
    _, invoice = await charged(stage, "tok_ok.refund_pending_1d_succeed")
    (asked,) = (await refund(stage.context, stage.call, RefundTarget(invoice_id=invoice.invoice.id), NewRefund())).fresh
    assert asked.status == "pending"
    stage = await later(stage, pool, DAY)
    for delivery in await sent(stage):
        await arrive(stage, delivery)
    assert (await stage.read(invoice)).invoice.refunded_minor == 10_000


async def test_a_set_up_is_finished_by_webhook(stage: Stage) -> None:
    tim = await stage.customer()
    method = (await methods.begin_setup(stage.context, stage.call, NewSetup(tim.id))).fresh
    now = stage.context.clock.of(stage.call.tenant)
    await stage.gateway.finish_setup(stage.opened, show_id("payment_method", method.id), "tok_ok", now)
    await arrive(stage, told_now(stage, message(stage, "method.ready", object=method.setup_id)))
    assert (await methods.get_method(stage.context, stage.call.tenant, method.id)).status == "active"
    await arrive(stage, told_now(stage, message(stage, "method.ready", id="fev_2", object="fsu_of_nobody")))
    assert [one.status for one in await kept(stage)] == ["processed", "ignored"]


async def test_what_is_of_no_known_kind_is_kept_and_ignored(stage: Stage) -> None:
    received = await arrive(stage, told_now(stage, message(stage, "payout_schedule.changed")))
    assert (received.told, received.news) == (1, ())
    assert [(one.kind, one.status, one.next_try_at) for one in await kept(stage)] == [("other", "ignored", None)]


async def test_a_webhook_that_can_not_be_believed_leaves_nothing(stage: Stage, pool: Pool, context: Context) -> None:
    good = told_now(stage, message(stage))
    other = (await accounts.create_account(
        stage.context, stage.call, "fake", AccountDetails("Other"), CREDENTIALS | {"webhook_secret": "whsec_2"}
    )).fresh  # fmt: skip
    old = signed(stage.opened, message(stage), stage.context.clock.of(stage.call.tenant) - HOUR)
    too_long = told_now(stage, message(stage, id="x" * 300))
    about_other = replace(message(stage), account=show_id("gateway_account", other.id))
    cases = [
        (stage.account.id, {}, good.body),
        (stage.account.id, {"Fake-Signature": "t=1,v1=" + "0" * 64}, good.body),
        (stage.account.id, good.headers, good.body + b" "),
        (stage.account.id, old.headers, old.body),
        (other.id, good.headers, good.body),
        (stage.account.id, told_now(stage, about_other).headers, told_now(stage, about_other).body),
        (stage.account.id, too_long.headers, too_long.body),
    ]  # fmt: skip
    for account_id, headers, body in cases:
        async with refused(pool, stage.call.tenant, WebhookNotBelieved):
            await webhooks.receive_webhook(context, account_id, headers, body)
    with pytest.raises(GatewayAccountNotFound):
        await webhooks.receive_webhook(context, GatewayAccountId(context.ids.new(1)), good.headers, good.body)


async def test_a_plugin_that_breaks_on_a_webhook_is_told_it_again(
    stage: Stage, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a mistake in a plugin")

    monkeypatch.setattr(FakeGateway, "parse_webhook", broken)
    async with refused(pool, stage.call.tenant, OutcomeUnknown, "KeyError"):
        await webhooks.receive_webhook(stage.context, stage.account.id, {}, b"")


async def test_secrets_in_headers_are_not_kept(stage: Stage, pool: Pool) -> None:
    good = told_now(stage, message(stage, "payout_schedule.changed"))
    headers = good.headers | {"Authorization": "Basic c2VjcmV0", "Cookie": "a=hush", "X-Api-Key": "hush"}
    await webhooks.receive_webhook(stage.context, stage.account.id, headers, good.body)
    row = await pool.fetchrow("SELECT headers, body FROM gateway_events WHERE tenant_id = $1", stage.call.tenant.id)
    assert row["body"] == good.body
    assert "hush" not in str(row["headers"])
    assert "c2VjcmV0" not in str(row["headers"])
    assert row["headers"]["Fake-Signature"] == good.headers["Fake-Signature"]


async def test_money_that_is_not_ours_is_suspended_once_until_somebody_takes_it(stage: Stage, pool: Pool) -> None:
    context, call = stage.context, stage.call
    result = await foreign(stage)
    for delivery in 2 * await sent(stage):
        await arrive(stage, delivery)
    await arrive(stage, told_now(stage, message(stage, operation="made_elsewhere", object=result.gateway_id)))
    posted = await pool.fetch(
        "SELECT customer_id, kind, debit, credit, amount_minor FROM transfers WHERE tenant_id = $1", call.tenant.id
    )
    assert [tuple(row) for row in posted] == [(None, "payment_suspended", "cash:gateway", "suspense", 7_000)]
    found = await hearsay.list_gateway_events(context, call.tenant, Filters(5, equal={"status": "orphan"}))
    assert sorted(one.suspended_minor or 0 for one in found) == [0, 7_000]
    tim = await stage.customer()
    owed = await stage.invoice(tim, 5_000)
    given = (await orphans.assign_orphan(context, call, found[0].id, tim.id)).fresh
    assert (given.payment.status, given.payment.amount_minor, given.payment.gateway_id) == (
        "succeeded", 7_000, result.gateway_id,
    )  # fmt: skip
    assert (await stage.read(owed)).invoice.status == "paid"
    assert await hearsay.list_gateway_events(context, call.tenant, Filters(5, equal={"status": "orphan"})) == []
    async with refused(pool, call.tenant, OrphanRefused):
        await orphans.assign_orphan(context, call, found[0].id, tim.id)


async def test_what_a_customer_was_given_may_go_back_like_any_payment(stage: Stage, pool: Pool) -> None:
    context, call = stage.context, stage.call
    result = await foreign(stage)
    for delivery in await sent(stage):
        await arrive(stage, delivery)
    (orphan,) = await kept(stage)
    tim = await stage.customer()
    payment = (await orphans.assign_orphan(context, call, orphan.id, tim.id)).fresh.payment
    assert result.gateway_id is not None
    await stage.gateway.decide(stage.opened, result.gateway_id, "reverse", context.clock.of(call.tenant) + HOUR)
    stage = await later(stage, pool, HOUR)
    await webhooks.pull_changes_of(context, stage.call)
    row = await pool.fetchrow("SELECT status, reversed_minor FROM payments WHERE id = $1", payment.id)
    assert tuple(row) == ("reversed", 7_000)


async def test_orphans_that_go_back_or_go_out_move_suspense_the_other_way(stage: Stage, pool: Pool) -> None:
    await foreign(stage, "one", "tok_reversed_after_1h")
    await foreign(stage, "two", "tok_dispute_half.dispute_after_1h", 3_000)
    charge = await foreign(stage, "three", amount=900)
    back = GatewayOperation("four", OperationKind.REFUND, 900, "EUR", "elsewhere", related_id=charge.gateway_id)
    await stage.gateway.refund(stage.opened, back, stage.context.clock.of(stage.call.tenant))
    await webhooks.pull_changes_of(stage.context, stage.call)
    stage = await later(stage, pool, HOUR)
    await webhooks.pull_changes_of(stage.context, stage.call)
    left = await pool.fetchval(
        "SELECT sum(CASE credit WHEN 'suspense' THEN amount_minor ELSE -amount_minor END) FROM transfers"
        " WHERE tenant_id = $1",
        stage.call.tenant.id,
    )
    assert left == 1_500
    assert {one.status for one in await kept(stage)} == {"orphan"}


async def test_an_orphan_of_no_known_kind_is_left_to_a_person(
    stage: Stage, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await foreign(stage)
    parsed = FakeGateway.parse_webhook

    def without_kind(self: FakeGateway, *sent: Any) -> tuple[GatewayEvent, ...]:
        return tuple(msgspec.structs.replace(event, operation_kind=None) for event in parsed(self, *sent))

    monkeypatch.setattr(FakeGateway, "parse_webhook", without_kind)
    for delivery in await sent(stage):
        await arrive(stage, delivery)
    (orphan,) = await kept(stage)
    assert (orphan.status, orphan.suspended_minor) == ("orphan", None)
    assert await transfers(pool, stage.call.tenant) == []


async def test_another_tenants_account_never_crosses_over(stage: Stage, context: Context, pool: Pool) -> None:
    _, invoice = await charged(stage, "tok_pending_1d_succeed")
    attempt = await attempt_of(stage, invoice)
    second = (await accounts.create_account(
        context, stage.call, "fake", AccountDetails("Second", settings={"book": "second"}), CREDENTIALS
    )).fresh  # fmt: skip
    other = Stage(context, stage.call, second)
    about = message(other, operation=show_id("attempt", attempt.id), object=attempt.gateway_id)
    await arrive(other, told_now(other, about))
    (event,) = await kept(stage)
    assert (event.status, event.tries) == ("received", 1)  # that account's gateway knows nothing of it
    assert await state(stage, invoice) == ("open", "processing", None)


async def test_a_gateway_that_can_not_be_asked_is_asked_again_later_and_in_the_end_by_a_person(
    stage: Stage, clock: FixedClock, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, invoice = await charged(stage, "tok_pending_1d_succeed")
    later_on = await later(stage, pool, DAY)
    with monkeypatch.context() as broken:

        async def deaf(*_: object) -> None:
            raise ConnectionError("no route")

        broken.setattr(FakeGateway, "lookup", deaf)
        for delivery in (await sent(later_on))[-1:]:
            await arrive(later_on, delivery)
        (event,) = await kept(stage)
        assert (event.status, event.tries) == ("received", 1)
        assert event.next_try_at == clock.wall() + hearsay.AGAIN[0]
        for pause in hearsay.AGAIN:
            clock.at += pause
            await hearsay.look_into_gateway_events_of(later_on.context, later_on.call)
        (event,) = await kept(stage)
        assert (event.status, event.next_try_at) == ("parked", None)
    again = (await hearsay.retry_gateway_event(stage.context, later_on.call, event.id)).fresh
    assert again.status == "received"
    assert await hearsay.look_into_gateway_events_of(later_on.context, later_on.call) == 1
    assert await state(later_on, invoice) == ("paid", None, None)
    async with refused(pool, stage.call.tenant, EventNotParked):
        await hearsay.retry_gateway_event(stage.context, later_on.call, event.id)


async def test_an_event_whose_reader_died_is_looked_into_by_the_sweep(stage: Stage, clock: FixedClock) -> None:
    _, invoice = await charged(stage, "tok_ok")
    for delivery in await sent(stage):
        await webhooks.receive_webhook(stage.context, stage.account.id, delivery.headers, delivery.body)
    assert await hearsay.look_into_gateway_events_of(stage.context, stage.call) == 0
    clock.at += hearsay.LEASE
    assert await hearsay.look_into_gateway_events_of(stage.context, stage.call) == 1
    assert await hearsay.look_into_gateway_events_of(stage.context, stage.call) == 0
    assert [one.status for one in await kept(stage)] == ["processed"]
    assert await state(stage, invoice) == ("paid", None, None)


async def test_credentials_that_are_refused_pause_the_account_and_its_events_wait(
    stage: Stage, clock: FixedClock, pool: Pool
) -> None:
    await charged(stage, "tok_ok")
    deliveries = await sent(stage)
    await attempts.pause_account(stage.context, stage.call, stage.account.id, "revoked")
    for delivery in deliveries:
        await arrive(stage, delivery)
    (event,) = await kept(stage)
    assert (event.status, event.tries, event.next_try_at) == ("received", 0, clock.wall() + hearsay.PAUSED_FOR)
    await accounts.resume_account(stage.context, stage.call, stage.account.id)
    clock.at += hearsay.PAUSED_FOR
    await hearsay.look_into_gateway_events_of(stage.context, stage.call)
    assert [one.status for one in await kept(stage)] == ["processed"]


async def test_what_no_webhook_brought_is_pulled(stage: Stage, pool: Pool) -> None:
    _, invoice = await charged(stage, "tok_ok.webhooks_none.dispute_after_1d")
    assert await webhooks.pull_changes_of(stage.context, stage.call) == 1
    assert await webhooks.pull_changes_of(stage.context, stage.call) == 0
    stage = await later(stage, pool, DAY)
    assert await webhooks.pull_changes_of(stage.context, stage.call) == 1
    assert (await state(stage, invoice))[0] == "paid"
    assert [kind for kind, *_ in await transfers(pool, stage.call.tenant)][-1] == "dispute_opened"


async def test_a_pull_that_fails_is_made_again_from_where_the_last_one_ended(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await charged(stage, "tok_ok")
    with monkeypatch.context() as broken:

        async def deaf(*_: object) -> None:
            raise ConnectionError("no route")

        broken.setattr(FakeGateway, "list_changes", deaf)
        assert await webhooks.pull_changes_of(stage.context, stage.call) == 0
    assert await webhooks.pull_changes_of(stage.context, stage.call) == 1


async def test_the_sweep_pulls_for_who_lives_in_the_real_time_once_in_a_while(
    now: Stage, clock: FixedClock, account: GatewayAccount
) -> None:
    await charged(now, "tok_ok")
    assert await webhooks.pull_changes(now.context) >= 1
    assert [one.status for one in await kept(now)] == ["processed"]
    await webhooks.pull_changes(now.context)
    assert await webhooks.pull_changes(now.context) == 0
    clock.at += webhooks.PULL_EVERY
    assert await webhooks.pull_changes(now.context) >= 1


async def test_another_tenants_events_lead_nowhere(
    stage: Stage, context: Context, tenant: Tenant, call: object
) -> None:
    await foreign(stage)
    for delivery in await sent(stage):
        await arrive(stage, delivery)
    (event,) = await kept(stage)
    theirs = replace(stage.call, tenant=tenant)
    own = await customer(context, theirs)
    for verb in (
        lambda: hearsay.get_gateway_event(context, tenant, event.id),
        lambda: hearsay.retry_gateway_event(context, theirs, event.id),
        lambda: orphans.assign_orphan(context, theirs, event.id, own.id),
    ):
        with pytest.raises(GatewayEventNotFound):
            await verb()
    assert await hearsay.list_gateway_events(context, tenant, Filters(5)) == []
