"""What a gateway's author gives to the suite, and what the checks say in its terms."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from itertools import count
from typing import Any, Protocol

import msgspec

from billsmith.core.payments.results import DeclineBucket, OperationKind, OperationResult, OperationStatus
from billsmith.gateways.calling import find, no_check, submit
from billsmith.gateways.port import Gateway, GatewayAccount, GatewayOperation, NotFound


class Situation(StrEnum):
    """What a payment method of the sandbox can bring about."""

    GOOD = "good"
    PENDING_THEN_SUCCEEDED = "pending_then_succeeded"
    PENDING_THEN_FAILED = "pending_then_failed"
    REPLY_LOST_AFTER_CHARGE = "reply_lost_after_charge"
    REQUEST_LOST = "request_lost"
    HANGING = "hanging"
    DISPUTED = "disputed"


class Webhook(msgspec.Struct, frozen=True):
    """A webhook as it arrives."""

    headers: dict[str, str]
    body: bytes


class Stage(Protocol):
    """A gateway's sandbox; every check has a fresh one."""

    @property
    def gateway(self) -> Gateway:
        """The gateway under test."""

    @property
    def account(self) -> GatewayAccount:
        """An account that works."""

    @property
    def other_account(self) -> GatewayAccount | None:
        """Another one, whose webhooks are signed with another secret; None where there is none."""

    @property
    def revoked_account(self) -> GatewayAccount | None:
        """One whose credentials do not work; None where there is none."""

    @property
    def now(self) -> datetime:
        """The time there."""

    @property
    def currency(self) -> str:
        """A currency with two digits that the account can charge."""

    def method(self, situation: Situation) -> str | None:
        """The token of a payment method that brings it about; None where the sandbox has none."""

    def declines(self) -> Mapping[str, DeclineBucket]:
        """Tokens that are declined, and what each decline means."""

    async def really_moved(self, operation_id: str) -> int | None:
        """Minor units that the gateway's own records show for an operation; None where they can't be read."""

    async def pass_time(self) -> None:
        """Go on until everything that waits is decided, and every dispute opened."""

    async def webhook(self) -> Webhook | None:
        """A genuine webhook about something that happened to `account`, sent now; None where it sends none."""


class BrokenPromise(AssertionError):
    """A check found that the gateway does not do what the port promises."""


class DoesNotApply(Exception):
    """A check about something that this gateway can't do, or that its sandbox can't show."""


def promise(kept: bool, otherwise: str) -> None:
    """Raises BrokenPromise, saying what was found instead."""
    if not kept:
        raise BrokenPromise(otherwise)


def needs(condition: bool, what: str) -> None:
    """Raises DoesNotApply where the gateway has no such thing."""
    if not condition:
        raise DoesNotApply(what)


_numbers = count(1)

AMOUNT_MINOR = 12_34


def method(stage: Stage, situation: Situation) -> str:
    """The token for a situation. Raises DoesNotApply where the sandbox has none."""
    token = stage.method(situation)
    if token is None:
        raise DoesNotApply(f"no payment method that is {situation.replace('_', ' ')}")
    return token


def asked(stage: Stage, kind: OperationKind = OperationKind.CHARGE, **fields: Any) -> GatewayOperation:
    """A new operation of 12.34; of the good payment method unless told otherwise. Raises DoesNotApply."""
    needs(kind in stage.gateway.capabilities(stage.account).operations, f"it has no {kind}")
    number = next(_numbers)
    id_ = f"{stage.account.id}_{int(stage.now.timestamp())}_{number}"
    given: dict[str, Any] = {"amount_minor": AMOUNT_MINOR, "currency": stage.currency, **fields}
    if kind in {OperationKind.CHARGE, OperationKind.PAYOUT}:
        given.setdefault("payment_method", method(stage, Situation.GOOD))
    return GatewayOperation(id=id_, kind=kind, reference=f"CHECK-{number}", **given)


async def send(stage: Stage, operation: GatewayOperation, **options: Any) -> OperationResult:
    """Submit as Billsmith does."""
    return await submit(stage.gateway, stage.account, operation, stage.now, assert_no_transaction=no_check, **options)


async def look(stage: Stage, operation: GatewayOperation, gateway_id: str | None = None) -> OperationResult | NotFound:
    """Look up as Billsmith does, by the gateway's id where it is known."""
    known = msgspec.structs.replace(operation, gateway_id=gateway_id)
    return await find(stage.gateway, stage.account, known, stage.now, assert_no_transaction=no_check)


async def found(stage: Stage, operation: GatewayOperation, gateway_id: str | None = None) -> OperationResult:
    """Like `look`, for what must be there."""
    result = await look(stage, operation, gateway_id)
    if isinstance(result, NotFound):
        raise BrokenPromise("a lookup does not find an operation that was made")
    return result


async def succeed(stage: Stage, operation: GatewayOperation) -> OperationResult:
    """Send what must succeed, where need be after some time."""
    result = await send(stage, operation)
    if result.status is OperationStatus.PENDING:
        await stage.pass_time()
        result = await found(stage, operation, result.gateway_id)
    promise(result.status is OperationStatus.SUCCEEDED, f"{operation.kind} ended as {result.status}, not succeeded")
    promise(
        (result.amount_minor, result.currency) == (operation.amount_minor, operation.currency),
        f"{operation.amount_minor} {operation.currency} were asked, {result.amount_minor} {result.currency} told",
    )
    return result


async def moved(stage: Stage, operation: GatewayOperation, amount_minor: int) -> None:
    """The gateway's own records, where they can be read, show that amount for the operation, either way."""
    really = await stage.really_moved(operation.id)
    promise(
        really is None or abs(really) == amount_minor,
        f"the gateway's records show {really} for {operation.kind}, not {amount_minor}",
    )
