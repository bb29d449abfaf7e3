"""The fake gateway's webhooks: on time, late, several times, shuffled; signed, and refused when they are not right."""

from datetime import datetime, timedelta

import msgspec
import pytest

from billsmith.gateways.fake import Delivery, FakeGateway
from billsmith.gateways.port import GatewayAccount, WebhookRefused
from tests.gateways.made import DAY, NOON, fake_account, operation, send

BEFORE = NOON - DAY


async def told(
    gateway: FakeGateway, account: GatewayAccount, until: datetime, after: datetime = BEFORE
) -> list[tuple[datetime, str]]:
    """When each webhook comes, and what it says."""
    return [
        (sent.at, event.type)
        for sent in await gateway.deliveries(account, after, until)
        for event in gateway.parse_webhook(account, sent.headers, sent.body, sent.at)
    ]


async def test_everything_that_happens_is_told_in_its_time(gateway: FakeGateway, account: GatewayAccount) -> None:
    words = "pending_3d_succeed.dispute_after_10d.dispute_lost_after_20d.reversed_after_60d"
    await send(gateway, account, operation(payment_method=f"tok_{words}"))
    assert await told(gateway, account, NOON + 100 * DAY) == [
        (NOON, "charge.pending"),
        (NOON + 3 * DAY, "charge.succeeded"),
        (NOON + 13 * DAY, "dispute.opened"),
        (NOON + 33 * DAY, "dispute.lost"),
        (NOON + 63 * DAY, "charge.reversed"),
    ]


async def test_going_on_day_by_day_tells_the_same_once(gateway: FakeGateway, account: GatewayAccount) -> None:
    for words in (
        "ok",
        "pending_3d_fail.webhooks_twice",
        "dispute.webhooks_late_2d",
        "pending_2d_succeed.webhooks_shuffled",
    ):
        await send(gateway, account, operation(payment_method=f"tok_{words}"))
    at_once = await told(gateway, account, NOON + 30 * DAY)
    by_day = [
        one for day in range(31) for one in await told(gateway, account, NOON + day * DAY, NOON + (day - 1) * DAY)
    ]
    assert by_day == at_once
    assert len(at_once) == 1 + 4 + 2 + 2


async def test_webhooks_come_late_often_shuffled_or_never(gateway: FakeGateway, account: GatewayAccount) -> None:
    for words in ("webhooks_none", "webhooks_late_2h", "webhooks_5_times", "pending_1d_succeed.webhooks_shuffled"):
        await send(gateway, account, operation(payment_method=f"tok_{words}", id=words))
    by_operation: dict[str | None, list[tuple[timedelta, str, str]]] = {}
    for sent in await gateway.deliveries(account, BEFORE, NOON + 5 * DAY):
        for event in gateway.parse_webhook(account, sent.headers, sent.body, sent.at):
            by_operation.setdefault(event.operation_id, []).append((sent.at - NOON, event.type, event.id))
    assert "webhooks_none" not in by_operation
    assert [after for after, *_ in by_operation["webhooks_late_2h"]] == [timedelta(hours=2)]
    assert len(by_operation["webhooks_5_times"]) == 5
    assert len({id_ for *_, id_ in by_operation["webhooks_5_times"]}) == 1
    shuffled = [type_ for _, type_, _ in by_operation["pending_1d_succeed.webhooks_shuffled"]]
    assert shuffled == ["charge.succeeded", "charge.pending"]


async def a_webhook(gateway: FakeGateway, account: GatewayAccount) -> Delivery:
    await send(gateway, account, operation())
    [sent] = await gateway.deliveries(account, BEFORE, NOON)
    return sent


async def test_a_stale_webhook_is_refused(gateway: FakeGateway, account: GatewayAccount) -> None:
    sent = await a_webhook(gateway, account)
    for late in (timedelta(minutes=6), -timedelta(minutes=6)):
        with pytest.raises(WebhookRefused):
            gateway.parse_webhook(account, sent.headers, sent.body, NOON + late)
    assert gateway.parse_webhook(account, sent.headers, sent.body, NOON + timedelta(minutes=4))


async def test_either_secret_holds_while_they_are_changed(gateway: FakeGateway, account: GatewayAccount) -> None:
    sent = await a_webhook(gateway, account)
    secret = account.credentials["webhook_secret"]
    changing = msgspec.structs.replace(account, credentials={**account.credentials, "webhook_secret": f"new {secret}"})
    changed = msgspec.structs.replace(account, credentials={**account.credentials, "webhook_secret": "new"})
    none = msgspec.structs.replace(account, credentials={})
    assert gateway.parse_webhook(changing, sent.headers, sent.body, NOON)
    for other in (changed, none):
        with pytest.raises(WebhookRefused):
            gateway.parse_webhook(other, sent.headers, sent.body, NOON)


async def test_another_accounts_webhook_is_refused_even_with_our_secret(
    gateway: FakeGateway, account: GatewayAccount
) -> None:
    sent = await a_webhook(gateway, account)
    other = msgspec.structs.replace(fake_account("acc_2"), credentials=account.credentials)
    with pytest.raises(WebhookRefused):
        gateway.parse_webhook(other, sent.headers, sent.body, NOON)


async def test_without_a_secret_nothing_is_believed(gateway: FakeGateway, account: GatewayAccount) -> None:
    open_account = msgspec.structs.replace(account, credentials={"api_key": "fake_1"})
    sent = await a_webhook(gateway, open_account)
    with pytest.raises(WebhookRefused):
        gateway.parse_webhook(open_account, sent.headers, sent.body, NOON)


async def test_raw_replies_are_kept_without_secrets(gateway: FakeGateway, account: GatewayAccount) -> None:
    result = await send(gateway, account, operation())
    kept = msgspec.json.decode(result.raw)
    assert kept["client_secret"] == "[removed]"
    assert kept["card"] == {"number": "[removed]", "last4": "4242"}
    assert kept["amount"] == 1000
