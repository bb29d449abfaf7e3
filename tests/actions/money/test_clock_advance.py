"""Forty days in a moment: what falls due on the way is done at its own instant, once, and is told day by day."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date, datetime
from typing import Any

import msgspec
import pytest

from billsmith.actions import advance, diary
from billsmith.actions.advance import CLOCK_HELD_FOR, ClockStuck, move_clock
from billsmith.actions.calls import ClockMoving
from billsmith.actions.context import Context
from billsmith.actions.money import bulk
from billsmith.actions.money.collect import collect_due_of
from billsmith.actions.money.refunds import RefundTarget, get_refund, refund
from billsmith.clock import FixedClock
from billsmith.core.collecting.refunding import NewRefund
from billsmith.core.invoices import Document
from billsmith.core.payments.results import OperationKind
from billsmith.gateways.fake import FakeGateway, Rule
from billsmith.store.pool import DatabaseUnavailable, Pool
from tests.actions.made import credit, events, last_sequence, told
from tests.actions.money.looks import DAY, HOUR, SECOND, account_of, attempts_of, charged, resume, state
from tests.actions.money.stage import STARTS_AT, Stage, new_stage
from tests.invariants import assert_holds


@pytest.fixture
async def sandboxes(context: Context, pool: Pool) -> AsyncIterator[list[Stage]]:
    """Three companies whose clocks stand at noon of 1 March 2026; the invariants hold for each at the end."""
    made = [await new_stage(context, book=f"book{context.ids.new(0).hex}") for _ in range(3)]
    yield made
    async with pool.acquire() as connection:
        for one in made:
            await assert_holds(connection, one.call.tenant.id)


@pytest.fixture
def sandbox_stage(sandboxes: list[Stage]) -> Stage:
    """The first of them."""
    return sandboxes[0]


async def go_to(stage: Stage, to: datetime, **how: Any) -> None:
    """Move the company's clock; the stage lives on in that time."""
    tenant = (await move_clock(stage.context, stage.call, to, **how)).fresh
    stage.call = msgspec.structs.replace(stage.call, tenant=tenant)


async def eventful(stage: Stage) -> list[Document]:
    """A company in which much falls due within forty days."""
    _, declined = await charged(stage, "tok_insufficient_funds", 1_000)
    _, pending = await charged(stage, "tok_pending_3d_succeed", 2_000)
    _, bounced = await charged(stage, "tok_pending_5d_fail", 3_000)
    customer, paid = await charged(stage, "tok_ok.refund_pending_2d_succeed", 4_000)
    await refund(stage.context, stage.call, RefundTarget(invoice_id=paid.invoice.id), NewRefund(amount_minor=1_500))
    await credit(stage.context, stage.call, customer, 700, expires_at=STARTS_AT + 10 * DAY)
    return [declined, pending, bounced, paid]


async def figures(stage: Stage, documents: list[Document]) -> Any:
    """What counts at the end: states, sums, tries, facts with their instants, and the gateway's book."""
    known = [(await stage.read(one)).invoice for one in documents]
    facts = [(one.type, one.occurred_at) for one in await events(stage.context, stage.call.tenant)]
    return (
        [(one.status, one.collection_state, one.paid_minor, one.refunded_minor, one.attempt_count) for one in known],
        [len(await attempts_of(stage, one)) for one in documents],
        sorted(fact for fact in facts if not fact[0].startswith("tenant.")),
        await stage.moved(),
    )


async def test_declines_are_tried_again_on_their_days_and_told_so(sandbox_stage: Stage) -> None:
    stage = sandbox_stage
    _, document = await charged(stage, "tok_insufficient_funds")
    before = await diary.last_told(stage.context, stage.call.tenant)
    await go_to(stage, STARTS_AT + 40 * DAY)
    assert await state(stage, document) == ("open", "failed", "retries_used_up")
    tries = await attempts_of(stage, document)
    assert [(one.created_at - STARTS_AT) / DAY for one in tries] == [0, 1, 4, 9, 16]
    days = await diary.days_since(stage.context, stage.call.tenant, before)
    assert [day.on for day in days] == [date(2026, 3, day) for day in (2, 5, 10, 17)]
    assert all(day.events["invoice.payment_failed"] == 1 for day in days)
    assert [(one.movement, one.amount, one.payments) for day in days for one in day.moved] == [
        ("declined", 10_000, 1)
    ] * 4


async def test_everything_that_is_due_is_done_at_its_own_instant(sandbox_stage: Stage) -> None:
    stage = sandbox_stage
    declined, pending, bounced, paid = await eventful(stage)
    start = await last_sequence(stage.context, stage.call.tenant)
    await go_to(stage, STARTS_AT + 40 * DAY)
    assert [(await state(stage, one))[0] for one in (declined, pending, paid)] == ["open", "paid", "paid"]
    assert await state(stage, bounced) == ("open", "processing", None)  # its fifth try is at the bank
    happened = {
        (one.type, (one.occurred_at - STARTS_AT) / DAY) for one in await events(stage.context, stage.call.tenant, start)
    }
    assert {
        ("payment.succeeded", 3),
        ("payment.failed", 5),
        ("refund.succeeded", 2),
        ("credit.expired", 10),
    } <= happened
    assert await stage.moved() == {"charge": 6_000, "refund": -1_500}


async def test_step_by_step_it_ends_as_at_once(sandboxes: list[Stage]) -> None:
    at_once, in_steps, by_hours = sandboxes
    made = [await eventful(stage) for stage in sandboxes]
    await go_to(at_once, STARTS_AT + 12 * DAY)
    for day in range(1, 13):
        await go_to(in_steps, STARTS_AT + day * DAY)
    for nth in range(1, 12 * 24 // 7 + 1):
        await go_to(by_hours, STARTS_AT + nth * 7 * HOUR)
    await go_to(by_hours, STARTS_AT + 12 * DAY)
    first, *others = [await figures(*one) for one in zip(sandboxes, made, strict=True)]
    assert all(other == first for other in others)


async def test_lost_replies_are_asked_about_within_the_advance(sandbox_stage: Stage) -> None:
    stage = sandbox_stage
    _, document = await charged(stage, "tok_insufficient_funds")
    await stage.gateway.script(stage.opened, Rule("lost", "lost_reply_after", next=1))
    await go_to(stage, STARTS_AT + 2 * DAY)
    assert await state(stage, document) == ("paid", None, None)
    paid = [one for one in await events(stage.context, stage.call.tenant) if one.type == "invoice.paid"]
    assert [one.occurred_at for one in paid] == [STARTS_AT + DAY]


async def test_what_never_reaches_the_gateway_ends_within_the_advance(sandbox_stage: Stage) -> None:
    stage = sandbox_stage
    _, document = await charged(stage, "tok_insufficient_funds")
    await stage.gateway.script(stage.opened, Rule("line down", "never_reached", next=2))
    await stage.gateway.script(stage.opened, Rule("then", "ok"))
    await go_to(stage, STARTS_AT + 2 * DAY)
    assert await state(stage, document) == ("paid", None, None)
    assert await stage.moved() == {"charge": 10_000}


async def test_a_paused_account_holds_up_nothing_else_and_costs_no_steps(sandbox_stage: Stage) -> None:
    stage = sandbox_stage
    _, waits = await charged(stage, "tok_auth_failed")
    customer = await stage.customer()
    await credit(stage.context, stage.call, customer, 700, expires_at=STARTS_AT + 10 * DAY)
    assert (await account_of(stage)).status == "paused"
    start = await last_sequence(stage.context, stage.call.tenant)
    await go_to(stage, STARTS_AT + 40 * DAY)
    assert await told(stage.context, stage.call.tenant, start) == [
        "tenant.clock_moved", "credit.expired", "tenant.clock_moved",
    ]  # fmt: skip
    await stage.gateway.script(stage.opened, Rule("mended", "ok"))
    await resume(stage)
    await go_to(stage, STARTS_AT + 41 * DAY)
    assert await state(stage, waits) == ("paid", None, None)


async def test_a_jump_works_off_what_fell_due_at_its_end(sandbox_stage: Stage) -> None:
    stage = sandbox_stage
    _, document = await charged(stage, "tok_insufficient_funds")
    await go_to(stage, STARTS_AT + 10 * DAY, jump=True)
    tries = await attempts_of(stage, document)
    assert [(one.created_at - STARTS_AT) / DAY for one in tries] == [0, 10], "one try, however long it was due"
    assert (await stage.read(document)).invoice.next_collect_at == STARTS_AT + 13 * DAY


async def test_an_advance_that_is_cut_off_is_gone_on_with_and_does_nothing_twice(
    sandbox_stage: Stage, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = sandbox_stage
    documents = await eventful(stage)
    real, calls = collect_due_of, 0

    async def cut_off(context: Context, call: Any) -> int:
        nonlocal calls
        calls += 1
        if calls == 7:
            raise DatabaseUnavailable("gone")
        return await real(context, call)

    with monkeypatch.context() as outage:
        due = tuple(cut_off if work is real else work for work in advance.DUE)
        outage.setattr(advance, "DUE", due)
        with pytest.raises(DatabaseUnavailable):
            await move_clock(stage.context, stage.call, STARTS_AT + 40 * DAY)
    clock.at += CLOCK_HELD_FOR + SECOND
    await go_to(stage, STARTS_AT + 40 * DAY)
    tries = await attempts_of(stage, documents[0])
    assert [(one.created_at - STARTS_AT) / DAY for one in tries] == [0, 1, 4, 9, 16]
    assert await stage.moved() == {"charge": 6_000, "refund": -1_500}


async def test_a_killed_advance_leaves_an_attempt_that_the_next_one_recovers(
    sandbox_stage: Stage, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = sandbox_stage
    _, document = await charged(stage, "tok_insufficient_funds")
    await stage.gateway.script(stage.opened, Rule("money again", "ok"))

    class Killed(BaseException):
        """As if the process had ended."""

    real = FakeGateway.charge

    async def killed(*asked: Any) -> Any:
        await real(*asked)
        raise Killed

    with monkeypatch.context() as kill:
        kill.setattr(FakeGateway, "charge", killed)
        with pytest.raises(Killed):
            await move_clock(stage.context, stage.call, STARTS_AT + 2 * DAY)
    assert [one.status for one in await attempts_of(stage, document)] == ["failed", "sent"]
    clock.at += CLOCK_HELD_FOR + SECOND
    await go_to(stage, STARTS_AT + 2 * DAY)
    assert await state(stage, document) == ("paid", None, None)
    assert await stage.moved() == {"charge": 10_000}


async def test_refunds_whose_line_is_down_are_sent_again_on_the_way(sandbox_stage: Stage) -> None:
    stage = sandbox_stage
    _, document = await charged(stage, "tok_ok")
    await stage.gateway.script(stage.opened, Rule("down", "not_submitted", OperationKind.REFUND, next=3))
    target = RefundTarget(invoice_id=document.invoice.id)
    (asked,) = (await refund(stage.context, stage.call, target, NewRefund())).fresh
    await go_to(stage, STARTS_AT + DAY)
    found = await get_refund(stage.context, stage.call.tenant, asked.id)
    assert (found.status, found.tries) == ("succeeded", 4)


async def test_two_advances_at_once_do_nothing_twice(sandbox_stage: Stage) -> None:
    stage = sandbox_stage
    _, document = await charged(stage, "tok_insufficient_funds")
    ends = await asyncio.gather(
        *(move_clock(stage.context, stage.call, STARTS_AT + 20 * DAY) for _ in range(3)), return_exceptions=True
    )
    assert {type(end).__name__ for end in ends} <= {"Outcome", "ClockMoving"}
    assert any(not isinstance(end, ClockMoving) for end in ends)
    assert len(await attempts_of(stage, document)) == 5


async def test_work_that_never_ends_does_not_hold_the_clock_for_ever(
    sandbox_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def always(context: Context, call: Any) -> int:
        return 1

    with monkeypatch.context() as broken:
        broken.setattr(advance, "MOST_ROUNDS", 5)
        broken.setattr(advance, "DUE", (always,))
        with pytest.raises(ClockStuck):
            await move_clock(sandbox_stage.context, sandbox_stage.call, STARTS_AT + DAY)
    await go_to(sandbox_stage, STARTS_AT + DAY)


async def test_what_only_the_gateway_knows_of_happens_at_its_instant(sandbox_stage: Stage) -> None:
    stage = sandbox_stage
    _, reversed_ = await charged(stage, "tok_ok.reversed_after_30d")
    _, disputed = await charged(stage, "tok_ok.dispute_after_5d.dispute_won_after_3d.n1")
    start = await last_sequence(stage.context, stage.call.tenant)
    await go_to(stage, STARTS_AT + 30 * DAY + HOUR)
    happened = [
        (one.type, (one.occurred_at - STARTS_AT) / DAY)
        for one in await events(stage.context, stage.call.tenant, start)
        if one.type.startswith(("dispute.", "payment."))
    ]
    assert ("dispute.opened", 5) in happened
    assert ("dispute.won", 8) in happened
    assert ("payment.reversed", 30) in happened
    assert await state(stage, disputed) == ("paid", None, None)
    assert (await state(stage, reversed_))[:2] == ("open", "retrying")


async def test_a_gateway_that_can_not_be_asked_does_not_hold_up_the_clock(sandbox_stage: Stage) -> None:
    stage = sandbox_stage
    customer = await stage.customer()
    await credit(stage.context, stage.call, customer, 700, expires_at=STARTS_AT + 10 * DAY)
    await stage.context.pool.execute(
        "UPDATE gateway_accounts SET sealed_credentials = '\\x00' WHERE id = $1", stage.account.id
    )
    await go_to(stage, STARTS_AT + 40 * DAY)
    assert "credit.expired" in await told(stage.context, stage.call.tenant)


async def test_a_bulk_refund_that_was_asked_for_is_carried_out_on_the_way(sandbox_stage: Stage) -> None:
    stage = sandbox_stage
    documents = [(await charged(stage, "tok_ok"))[1] for _ in range(3)]
    asked = (await bulk.start_bulk_refund(stage.context, stage.call, bulk.RefundFilter(), "outage")).fresh
    await go_to(stage, STARTS_AT + DAY)
    found = await bulk.get_operation(stage.context, stage.call.tenant, asked.operation.id)
    assert found.operation.status == "completed"
    assert [(one.status, one.items) for one in found.counts] == [("done", len(documents))]
    assert await stage.moved() == {"charge": 30_000, "refund": -30_000}
