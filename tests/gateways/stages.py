"""The sandboxes that the conformance suite runs in."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

from billsmith.core.payments.results import DeclineBucket, OperationStatus
from billsmith.gateways.conformance import Situation, Webhook
from billsmith.gateways.external import ExternalGateway
from billsmith.gateways.fake import FakeGateway
from billsmith.gateways.fake.script import DECLINES
from billsmith.gateways.port import Gateway, GatewayAccount
from tests.gateways.made import NOON, fake_account, operation, send
from tests.gateways.samples.awkward import AwkwardGateway, signature

LONG = timedelta(days=10)


class FakeStage:
    """The fake gateway, or one that was made of it."""

    other_account = fake_account("acc_2")
    revoked_account = GatewayAccount("acc_1", "fake", "sandbox", {}, {"api_key": "stolen"})
    currency = "EUR"
    methods: ClassVar = {
        Situation.GOOD: "tok_ok",
        Situation.PENDING_THEN_SUCCEEDED: "tok_pending_3d_succeed",
        Situation.PENDING_THEN_FAILED: "tok_pending_3d_fail",
        Situation.REPLY_LOST_AFTER_CHARGE: "tok_lost_reply_after",
        Situation.REQUEST_LOST: "tok_lost_reply_before",
        Situation.HANGING: "tok_hang",
        Situation.DISPUTED: "tok_dispute",
    }

    def __init__(self, folder: Path, make: type[FakeGateway] = FakeGateway, **options: bool) -> None:
        self._fake = make(folder, **options)
        self.account = fake_account()
        self.now = NOON

    @property
    def gateway(self) -> Gateway:
        return self._fake

    def method(self, situation: Situation) -> str | None:
        return self.methods[situation]

    def declines(self) -> Mapping[str, DeclineBucket]:
        return {f"tok_{code}": bucket for code, (bucket, _) in DECLINES.items()}

    async def really_moved(self, operation_id: str) -> int | None:
        moved = await self._fake.movements(self.account, self.now)
        return sum(one.amount_minor for one in moved if one.operation_id.partition("#")[0] == operation_id)

    async def pass_time(self) -> None:
        self.now += LONG

    async def webhook(self) -> Webhook | None:
        await send(self._fake, self.account, operation(), self.now)
        started_at = self.now
        self.now += timedelta(seconds=1)
        sent = await self._fake.deliveries(self.account, started_at - timedelta(seconds=1), self.now)
        return Webhook(sent[-1].headers, sent[-1].body)


class ExternalStage:
    """External payments: nothing can be brought about."""

    gateway: Gateway = ExternalGateway()
    account = GatewayAccount("acc_1", "external", "live")
    other_account = None
    revoked_account = None
    currency = "EUR"
    now: datetime = NOON

    def method(self, situation: Situation) -> str | None:
        return "cheque" if situation is Situation.GOOD else None

    def declines(self) -> Mapping[str, DeclineBucket]:
        return {}

    async def really_moved(self, operation_id: str) -> int | None:
        return None

    async def pass_time(self) -> None:
        self.now += LONG

    async def webhook(self) -> Webhook | None:
        return None


class AwkwardStage:
    """The awkward sample."""

    account = GatewayAccount("acc_1", "awkward", "sandbox", {}, {"password": "open sesame"})
    other_account = GatewayAccount("acc_2", "awkward", "sandbox", {}, {"password": "open sesame"})
    revoked_account = GatewayAccount("acc_1", "awkward", "sandbox", {}, {"password": "please"})
    currency = "EUR"
    methods: ClassVar = {
        Situation.GOOD: "mandate-good",
        Situation.PENDING_THEN_SUCCEEDED: "mandate-good",
        Situation.PENDING_THEN_FAILED: "mandate-closed",
        Situation.REQUEST_LOST: "mandate-lost",
        Situation.HANGING: "mandate-hangs",
    }

    def __init__(self) -> None:
        self._awkward = AwkwardGateway()
        self.now = NOON

    @property
    def gateway(self) -> Gateway:
        return self._awkward

    def method(self, situation: Situation) -> str | None:
        return self.methods.get(situation)

    def declines(self) -> Mapping[str, DeclineBucket]:
        return {"mandate-closed": DeclineBucket.NEEDS_NEW_METHOD}

    async def really_moved(self, operation_id: str) -> int | None:
        made = [one for one in self._awkward.made.values() if one["id"] == operation_id]
        return sum(
            int(one["minor"]) for one in made if self._awkward.status(one, self.now) is OperationStatus.SUCCEEDED
        )

    async def pass_time(self) -> None:
        self.now += LONG

    async def webhook(self) -> Webhook | None:
        told = [{"ref": "REF 1", "state": state, "when": self.now.isoformat()} for state in ("pending", "paid")]
        body = json.dumps(told).encode()
        return Webhook({"X-Awkward": signature(self.account, body)}, body)
