"""Three gateways that are wrong, each in the way of a mistake that is easily made."""

from datetime import datetime
from itertools import count

import msgspec

from billsmith.core.payments.results import OperationResult
from billsmith.gateways.fake import FakeGateway
from billsmith.gateways.port import GatewayAccount, GatewayOperation

_numbers = count(1)


class RaisesAfterCharging(FakeGateway):
    """Charges, and then stumbles over the reply."""

    async def charge(self, account: GatewayAccount, operation: GatewayOperation, at: datetime) -> OperationResult:
        """Raises ValueError, always, with the money gone."""
        await super().charge(account, operation, at)
        raise ValueError("not enough values to unpack")


class ChargesTwice(FakeGateway):
    """Makes an idempotency key of its own for every request."""

    async def charge(self, account: GatewayAccount, operation: GatewayOperation, at: datetime) -> OperationResult:
        """Charges anew each time."""
        return await super().charge(
            account, msgspec.structs.replace(operation, id=f"{operation.id}#{next(_numbers)}"), at
        )


class LosesCents(FakeGateway):
    """Writes amounts in whole units."""

    def encode_amount(self, amount_minor: int, currency: str) -> int:
        """12 for 12.34."""
        return super().encode_amount(amount_minor, currency) // 100

    def decode_amount(self, written: int | str, currency: str) -> int:
        """1200 for 12."""
        return super().decode_amount(written, currency) * 100
