"""Refunds, captures, cancellations and payouts at the fake gateway, and what its rules change."""

import asyncio
from fractions import Fraction
from typing import Any

import pytest

from billsmith.core.payments.results import OperationKind, OperationResult, OperationStatus
from billsmith.gateways.fake import FakeGateway, Rule
from billsmith.gateways.port import (
    GatewayAccount,
    GatewayOperation,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    SetupRequest,
)
from tests.gateways.made import DAY, NOON, charged, fake_account, look, operation, send

REFUND, CAPTURE, CANCEL = OperationKind.REFUND, OperationKind.CAPTURE, OperationKind.CANCEL


async def made(gateway: FakeGateway, account: GatewayAccount, words: str, **fields: Any) -> OperationResult:
    """A charge on a token of those words."""
    return await send(gateway, account, operation(payment_method=f"tok_{words}", **fields))


async def status(
    gateway: FakeGateway, account: GatewayAccount, asked: GatewayOperation, days: int
) -> OperationStatus | None:
    """Where an operation stands after so many days; None when it is not there."""
    found = await look(gateway, account, asked, NOON + days * DAY)
    return None if isinstance(found, NotFound) else found.status


async def test_several_refunds_give_back_no_more_than_everything(gateway: FakeGateway, account: GatewayAccount) -> None:
    charge = await made(gateway, account, "ok")
    for amount_minor in (300, 300, 400):
        await send(gateway, account, operation(REFUND, amount_minor=amount_minor, related_id=charge.gateway_id))
    with pytest.raises(InvalidRequest):
        await send(gateway, account, operation(REFUND, amount_minor=1, related_id=charge.gateway_id))
    assert sum(amount for _, amount, _ in await charged(gateway, account)) == 0


async def test_refunds_at_once_do_not_overdraw(gateway: FakeGateway, account: GatewayAccount) -> None:
    charge = await made(gateway, account, "ok")
    asked = [operation(REFUND, amount_minor=600, related_id=charge.gateway_id) for _ in range(10)]
    answers = await asyncio.gather(*(send(gateway, account, one) for one in asked), return_exceptions=True)
    assert sum(isinstance(answer, OperationResult) for answer in answers) == 1
    assert sum(isinstance(answer, InvalidRequest) for answer in answers) == 9


async def test_a_refund_that_fails_frees_its_amount(gateway: FakeGateway, account: GatewayAccount) -> None:
    charge = await made(gateway, account, "ok.refund_pending_2d_fail")
    refund = operation(REFUND, related_id=charge.gateway_id)
    assert (await send(gateway, account, refund)).status is OperationStatus.PENDING
    with pytest.raises(InvalidRequest):
        await send(gateway, account, operation(REFUND, related_id=charge.gateway_id), NOON + DAY)
    assert await status(gateway, account, refund, 2) is OperationStatus.FAILED
    again = await send(gateway, account, operation(REFUND, related_id=charge.gateway_id), NOON + 2 * DAY)
    assert again.status is OperationStatus.PENDING


@pytest.mark.parametrize(
    ("words", "expected"),
    [("refund_fails", OperationStatus.FAILED), ("refund_pending_1d_succeed", OperationStatus.PENDING)],
)
async def test_refunds_follow_the_words_of_their_charge(
    gateway: FakeGateway, account: GatewayAccount, words: str, expected: OperationStatus
) -> None:
    charge = await made(gateway, account, words)
    assert charge.status is OperationStatus.SUCCEEDED
    assert (await send(gateway, account, operation(REFUND, related_id=charge.gateway_id))).status is expected


async def test_a_refund_whose_reply_is_lost_is_found(gateway: FakeGateway, account: GatewayAccount) -> None:
    charge = await made(gateway, account, "ok.refund_lost_reply_after")
    refund = operation(REFUND, related_id=charge.gateway_id)
    with pytest.raises(OutcomeUnknown):
        await send(gateway, account, refund)
    assert await status(gateway, account, refund, 0) is OperationStatus.SUCCEEDED
    assert await charged(gateway, account) == [("charge", 1000, "EUR"), ("refund", -1000, "EUR")]


async def test_what_is_disputed_is_not_refunded(gateway: FakeGateway, account: GatewayAccount) -> None:
    charge = await made(gateway, account, "dispute_after_5d.dispute_won_after_5d")
    at = NOON + 6 * DAY
    refund = await send(gateway, account, operation(REFUND, related_id=charge.gateway_id), at)
    assert refund.decline is not None
    assert refund.decline.code == "charge_disputed"
    later = await send(gateway, account, operation(REFUND, related_id=charge.gateway_id), NOON + 10 * DAY)
    assert later.status is OperationStatus.SUCCEEDED


@pytest.mark.parametrize("ends", ["won", "lost"])
@pytest.mark.parametrize(("words", "amount_minor"), [("dispute", 1000), ("dispute.dispute_half", 500)])
async def test_a_dispute_is_opened_and_decided(
    gateway: FakeGateway, account: GatewayAccount, words: str, amount_minor: int, ends: str
) -> None:
    asked = operation(payment_method=f"tok_{words}.dispute_{ends}_after_3d")
    await send(gateway, account, asked)
    disputes = []
    for days in (0, 1, 4):
        result = await look(gateway, account, asked, NOON + days * DAY)
        assert not isinstance(result, NotFound)
        disputes.append([(one.status, one.amount_minor) for one in result.disputes])
    assert disputes == [[], [("opened", amount_minor)], [(ends, amount_minor)]]
    total = sum(amount for _, amount, _ in await charged(gateway, account, NOON + 4 * DAY))
    assert total == (1000 if ends == "won" else 1000 - amount_minor)


async def test_a_person_disputes_and_decides(gateway: FakeGateway, account: GatewayAccount) -> None:
    asked = operation()
    charge = await send(gateway, account, asked)
    assert charge.gateway_id is not None
    await gateway.decide(account, charge.gateway_id, "dispute", NOON + DAY)
    await gateway.decide(account, charge.gateway_id, "lost", NOON + 2 * DAY)
    found = await look(gateway, account, asked, NOON + 2 * DAY)
    assert not isinstance(found, NotFound)
    assert [one.status for one in found.disputes] == ["lost"]


async def test_a_part_of_what_is_held_is_captured_and_the_rest_released(
    gateway: FakeGateway, account: GatewayAccount
) -> None:
    held = operation(authorize_only=True)
    authorized = await send(gateway, account, held)
    assert authorized.status is OperationStatus.AUTHORIZED
    with pytest.raises(InvalidRequest):
        await send(gateway, account, operation(CAPTURE, amount_minor=1001, related_id=authorized.gateway_id))
    capture = operation(CAPTURE, amount_minor=700, related_id=authorized.gateway_id)
    await send(gateway, account, capture, NOON + DAY)
    assert await status(gateway, account, held, 0) is OperationStatus.AUTHORIZED
    assert await status(gateway, account, held, 1) is OperationStatus.SUCCEEDED
    assert await charged(gateway, account, NOON + DAY) == [("charge", 700, "EUR")]
    for kind in (CAPTURE, CANCEL):
        with pytest.raises(InvalidRequest):
            await send(gateway, account, operation(kind, amount_minor=1, related_id=authorized.gateway_id), NOON + DAY)


async def test_what_is_held_too_long_is_released(gateway: FakeGateway, account: GatewayAccount) -> None:
    held = operation(authorize_only=True)
    authorized = await send(gateway, account, held)
    assert await status(gateway, account, held, 7) is OperationStatus.EXPIRED
    late = await send(gateway, account, operation(CAPTURE, related_id=authorized.gateway_id), NOON + 7 * DAY)
    assert late.decline is not None
    assert late.decline.code == "authorization_expired"
    assert await charged(gateway, account, NOON + 30 * DAY) == []


@pytest.mark.parametrize("words", ["pending_3d_succeed", "requires_action"])
async def test_what_waits_can_be_cancelled(gateway: FakeGateway, account: GatewayAccount, words: str) -> None:
    asked = operation(payment_method=f"tok_{words}")
    waiting = await send(gateway, account, asked)
    await send(gateway, account, operation(CANCEL, related_id=waiting.gateway_id), NOON + DAY)
    assert await status(gateway, account, asked, 30) is OperationStatus.CANCELLED
    assert await charged(gateway, account, NOON + 30 * DAY) == []


async def test_a_payout_that_bounces_comes_back(gateway: FakeGateway, account: GatewayAccount) -> None:
    await send(gateway, account, operation(OperationKind.PAYOUT, payment_method="tok_reversed_after_3d"))
    assert await charged(gateway, account, NOON + 3 * DAY) == [("payout", -1000, "EUR"), ("reversal", 1000, "EUR")]


@pytest.mark.parametrize("kind", [CAPTURE, CANCEL, REFUND])
async def test_what_there_is_not_can_not_be_changed(
    gateway: FakeGateway, account: GatewayAccount, kind: OperationKind
) -> None:
    other = await send(gateway, fake_account("acc_2"), operation())
    for related_id in (None, "fch_none", other.gateway_id):
        with pytest.raises(InvalidRequest):
            await send(gateway, account, operation(kind, related_id=related_id))


async def test_a_forgotten_method_is_charged_no_more(gateway: FakeGateway, account: GatewayAccount) -> None:
    await gateway.detach(account, "tok_ok", NOON)
    with pytest.raises(InvalidRequest):
        await send(gateway, account, operation())
    with pytest.raises(InvalidRequest):
        await gateway.read_method(account, "tok_ok", NOON)


async def test_a_rule_holds_for_the_next_few(gateway: FakeGateway, account: GatewayAccount) -> None:
    await gateway.script(account, Rule("r1", "rate_limited", next=2))
    asked = operation()
    for _ in range(2):
        with pytest.raises(RateLimited):
            await send(gateway, account, asked)
    assert (await send(gateway, account, asked)).status is OperationStatus.SUCCEEDED


async def test_a_rule_holds_for_an_amount_a_method_and_a_kind(gateway: FakeGateway, account: GatewayAccount) -> None:
    await gateway.script(account, Rule("r1", "expired_card", amount_minor=666))
    await gateway.script(account, Rule("r2", "lost_card", payment_method="tok_ok.n2"))
    await gateway.script(account, Rule("r3", "fails", kind=REFUND))
    charge = await send(gateway, account, operation())
    results = [
        await send(gateway, account, operation(amount_minor=666)),
        await send(gateway, account, operation(payment_method="tok_ok.n2")),
        charge,
        await send(gateway, account, operation(REFUND, related_id=charge.gateway_id)),
    ]
    codes = [result.decline.code if result.decline else None for result in results]
    assert codes == ["expired_card", "lost_card", None, "not_refundable"]
    await gateway.script(account, None)
    assert (await send(gateway, account, operation(amount_minor=666))).status is OperationStatus.SUCCEEDED


async def test_a_share_is_drawn_by_its_seed_and_a_second_try_is_drawn_anew(gateway: FakeGateway) -> None:
    outcomes = []
    for name in ("acc_1", "acc_2"):
        account = fake_account(name)
        await gateway.script(account, Rule("r1", "insufficient_funds", share=Fraction(1, 4), seed="autumn"))
        asked = [operation(payment_method=f"tok_ok.n{number % 100}") for number in range(200)]
        outcomes.append([(await send(gateway, account, one)).status for one in asked])
    assert outcomes[0] == outcomes[1]
    assert 30 < outcomes[0].count(OperationStatus.FAILED) < 70
    assert outcomes[0][:100] != outcomes[0][100:]


async def test_a_set_up_waits_for_the_customer(gateway: FakeGateway, account: GatewayAccount) -> None:
    request = SetupRequest("set_1", "cus_1")
    begun = await gateway.begin_setup(account, request, NOON)
    assert begun.method is None
    assert begun.next_action is not None
    await gateway.finish_setup(account, "set_1", "tok_expired_card", NOON)
    done = await gateway.begin_setup(account, request, NOON)
    assert done.method is not None
    assert (done.method.token, done.method.expires_year) == ("tok_expired_card", 2020)
