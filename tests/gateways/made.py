"""Accounts and operations as tests need them, and calls without a database."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from billsmith.core.payments.results import OperationKind, OperationResult
from billsmith.gateways.calling import find, no_check, submit
from billsmith.gateways.fake import FakeGateway
from billsmith.gateways.port import Gateway, GatewayAccount, GatewayOperation, NotFound

NOON = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
_numbers = count(1)


def fake_account(id_: str = "acc_1", **settings: str) -> GatewayAccount:
    """An account at the fake gateway."""
    return GatewayAccount(
        id_, "fake", "sandbox", settings, {"api_key": f"fake_{id_}", "webhook_secret": f"whsec_{id_}"}
    )


def operation(kind: OperationKind = OperationKind.CHARGE, **fields: Any) -> GatewayOperation:
    """An operation with an id of its own: 10.00 EUR on `tok_ok` unless told otherwise."""
    number = next(_numbers)
    method = "tok_ok" if kind in {OperationKind.CHARGE, OperationKind.PAYOUT} else None
    given: dict[str, Any] = {
        "id": f"att_{number}", "kind": kind, "amount_minor": 1000, "currency": "EUR", "reference": f"INV-{number:06}",
        "payment_method": method, **fields,
    }  # fmt: skip
    return GatewayOperation(**given)


async def send(
    gateway: Gateway, account: GatewayAccount, asked: GatewayOperation, at: datetime = NOON, **options: Any
) -> OperationResult:
    """Submit as actions do, without a database."""
    return await submit(gateway, account, asked, at, assert_no_transaction=no_check, **options)


async def look(
    gateway: Gateway, account: GatewayAccount, asked: GatewayOperation, at: datetime = NOON
) -> OperationResult | NotFound:
    """Look an operation up as recovery does, without a database."""
    return await find(gateway, account, asked, at, assert_no_transaction=no_check)


async def charged(gateway: FakeGateway, account: GatewayAccount, at: datetime = NOON) -> list[tuple[str, int, str]]:
    """What the book says really moved: what, how much, in which currency."""
    return [(moved.what, moved.amount_minor, moved.currency) for moved in await gateway.movements(account, at)]
