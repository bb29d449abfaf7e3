"""Charges at the fake gateway: every scripted outcome, one charge per operation id, and a book that tells the truth."""

import asyncio
from datetime import timedelta

import pytest

from billsmith.core.payments.results import DeclineBucket, OperationStatus
from billsmith.gateways.fake import FakeGateway
from billsmith.gateways.fake.script import DECLINES
from billsmith.gateways.port import (
    AuthFailed,
    GatewayAccount,
    GatewayError,
    InvalidRequest,
    KeyReused,
    NotFound,
    NotSubmitted,
    OutcomeUnknown,
    RateLimited,
)
from tests.gateways.made import DAY, NOON, charged, fake_account, look, operation, send


async def test_a_good_token_is_charged_once(gateway: FakeGateway, account: GatewayAccount) -> None:
    asked = operation()
    result = await send(gateway, account, asked)
    assert (result.status, result.amount_minor, result.currency) == (OperationStatus.SUCCEEDED, 1000, "EUR")
    assert await send(gateway, account, asked) == result
    assert await look(gateway, account, asked) == result
    assert await charged(gateway, account) == [("charge", 1000, "EUR")]


@pytest.mark.parametrize("code", DECLINES)
async def test_a_decline_names_its_bucket(gateway: FakeGateway, account: GatewayAccount, code: str) -> None:
    asked = operation(payment_method=f"tok_declined_{code}")
    result = await send(gateway, account, asked)
    assert result.status is OperationStatus.FAILED
    assert result.decline is not None
    assert (result.decline.bucket, result.decline.code) == (DECLINES[code][0], code)
    assert await send(gateway, account, asked) == result
    assert await charged(gateway, account) == []


def test_declines_are_of_every_bucket() -> None:
    assert {bucket for bucket, _ in DECLINES.values()} == set(DeclineBucket)


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("rate_limited", RateLimited),
        ("auth_failed", AuthFailed),
        ("not_submitted", NotSubmitted),
        ("invalid", InvalidRequest),
        ("nonsense", InvalidRequest),
        ("lost_reply_before", OutcomeUnknown),
        ("never_reached", OutcomeUnknown),
        ("raises_value_error_before_capture", OutcomeUnknown),
        ("hang", OutcomeUnknown),
    ],
)
async def test_what_never_arrived_is_certainly_not_found(
    gateway: FakeGateway, account: GatewayAccount, word: str, error: type[GatewayError]
) -> None:
    asked = operation(payment_method=f"tok_{word}")
    with pytest.raises(error):
        await send(gateway, account, asked, timeout_seconds=0.2)
    assert await look(gateway, account, asked) == NotFound(certain=True)
    assert await charged(gateway, account) == []


@pytest.mark.parametrize("word", ["lost_reply_after", "raises_value_error_after_capture", "hang_after_capture"])
async def test_what_was_charged_before_the_reply_was_lost_is_found(
    gateway: FakeGateway, account: GatewayAccount, word: str
) -> None:
    asked = operation(payment_method=f"tok_{word}")
    with pytest.raises(OutcomeUnknown):
        await send(gateway, account, asked, timeout_seconds=0.5)
    found = await look(gateway, account, asked)
    assert not isinstance(found, NotFound)
    assert found.status is OperationStatus.SUCCEEDED
    assert await send(gateway, account, asked) == found, "sent again, it is answered"
    assert await charged(gateway, account) == [("charge", 1000, "EUR")]


async def test_a_message_that_was_lost_arrives_when_it_is_sent_again(
    gateway: FakeGateway, account: GatewayAccount
) -> None:
    asked = operation(payment_method="tok_lost_reply_before")
    with pytest.raises(OutcomeUnknown):
        await send(gateway, account, asked)
    assert (await send(gateway, account, asked)).status is OperationStatus.SUCCEEDED
    assert await charged(gateway, account) == [("charge", 1000, "EUR")]


async def test_the_same_id_with_another_body_is_refused(gateway: FakeGateway, account: GatewayAccount) -> None:
    asked = operation()
    await send(gateway, account, asked)
    with pytest.raises(KeyReused):
        await send(gateway, account, operation(id=asked.id, amount_minor=2000))
    assert await charged(gateway, account) == [("charge", 1000, "EUR")]


async def test_an_operation_id_belongs_to_its_account(gateway: FakeGateway, account: GatewayAccount) -> None:
    asked = operation()
    await send(gateway, account, asked)
    other = fake_account("acc_2")
    assert await look(gateway, other, asked) == NotFound(certain=True)
    assert await charged(gateway, other) == []


async def test_twenty_at_once_with_one_id_are_one_charge(gateway: FakeGateway, account: GatewayAccount) -> None:
    asked = operation()
    results = await asyncio.gather(*(send(gateway, account, asked) for _ in range(20)))
    assert len(set(map(repr, results))) == 1
    assert await charged(gateway, account) == [("charge", 1000, "EUR")]


async def test_two_hundred_at_once_are_all_in_the_book(gateway: FakeGateway, account: GatewayAccount) -> None:
    asked = [operation() for _ in range(200)]
    await asyncio.gather(*(send(gateway, account, one) for one in asked))
    assert len(await charged(gateway, account)) == 200


@pytest.mark.parametrize(("ends", "status"), [("succeed", OperationStatus.SUCCEEDED), ("fail", OperationStatus.FAILED)])
@pytest.mark.parametrize("first", [OperationStatus.PENDING, OperationStatus.REQUIRES_ACTION])
async def test_what_waits_is_decided_at_its_time(
    gateway: FakeGateway, account: GatewayAccount, first: OperationStatus, ends: str, status: OperationStatus
) -> None:
    asked = operation(payment_method=f"tok_{first}_3d_{ends}")
    result = await send(gateway, account, asked)
    assert (result.status, result.settles_at) == (first, NOON + 3 * DAY)
    assert (result.next_action is not None) is (first is OperationStatus.REQUIRES_ACTION)
    assert await charged(gateway, account, NOON + 3 * DAY - timedelta(seconds=1)) == []
    later = await look(gateway, account, asked, NOON + 3 * DAY)
    assert not isinstance(later, NotFound)
    assert later.status is status
    assert (later.decline is not None) is (ends == "fail")
    assert len(await charged(gateway, account, NOON + 3 * DAY)) == (ends == "succeed")


async def test_what_waits_for_a_person_is_decided_by_one(gateway: FakeGateway, account: GatewayAccount) -> None:
    asked = operation(payment_method="tok_requires_action")
    result = await send(gateway, account, asked)
    assert result.gateway_id is not None
    assert result.settles_at is None
    await gateway.decide(account, result.gateway_id, "succeed", NOON + DAY)
    later = await look(gateway, account, asked, NOON + DAY)
    assert not isinstance(later, NotFound)
    assert later.status is OperationStatus.SUCCEEDED


@pytest.mark.parametrize(("word", "moved"), [("other_amount", (1100, "EUR")), ("other_currency", (1000, "USD"))])
async def test_what_really_moved_is_what_is_told(
    gateway: FakeGateway, account: GatewayAccount, word: str, moved: tuple[int, str]
) -> None:
    result = await send(gateway, account, operation(payment_method=f"tok_{word}"))
    assert (result.amount_minor, result.currency) == moved
    assert await charged(gateway, account) == [("charge", *moved)]


async def test_a_bank_debit_comes_back_after_forty_days(gateway: FakeGateway, account: GatewayAccount) -> None:
    asked = operation(payment_method="tok_reversed_after_40d")
    await send(gateway, account, asked)
    before = await look(gateway, account, asked, NOON + 39 * DAY)
    after = await look(gateway, account, asked, NOON + 40 * DAY)
    assert not isinstance(before, NotFound)
    assert not isinstance(after, NotFound)
    assert (before.status, after.status) == (OperationStatus.SUCCEEDED, OperationStatus.REVERSED)
    assert await charged(gateway, account, NOON + 40 * DAY) == [("charge", 1000, "EUR"), ("reversal", -1000, "EUR")]


async def test_the_gateway_keeps_its_fee(gateway: FakeGateway) -> None:
    account = fake_account(fee_percent="2.9", fee_minor="30")
    assert (await send(gateway, account, operation())).fee_minor == 59


async def test_a_revoked_key_is_told_from_a_bad_request(gateway: FakeGateway, account: GatewayAccount) -> None:
    revoked = GatewayAccount("acc_1", "fake", "sandbox", {}, {"api_key": "real_1"})
    with pytest.raises(AuthFailed):
        await send(gateway, revoked, operation())
    live = GatewayAccount("acc_1", "fake", "live", {}, account.credentials)
    with pytest.raises(InvalidRequest):
        await send(gateway, live, operation())


async def test_a_book_is_a_name_and_never_a_path(gateway: FakeGateway) -> None:
    for name in ("../books", "/etc/passwd", "a b", ""):
        with pytest.raises(InvalidRequest):
            await send(gateway, fake_account(book=name), operation())
