"""Money that moves without us: a cheque, a bank transfer, cash. A person or an import says that it was paid."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import NoReturn

from billsmith.core.payments.results import OperationResult
from billsmith.gateways.amounts import AS_ISO
from billsmith.gateways.port import (
    Capabilities,
    Changes,
    GatewayAccount,
    GatewayEvent,
    GatewayOperation,
    InvalidRequest,
    MethodDetails,
    MethodSetup,
    NotFound,
    SetupRequest,
    Unsupported,
    WebhookRefused,
)
from billsmith.gateways.references import ReferenceForm

_WORD = re.compile(r"[a-z][a-z0-9_]{0,39}")
_REFERENCES = ReferenceForm(token=_WORD, folders=())


class ExternalGateway:
    """Nobody to ask: it takes, gives and knows nothing by itself. Its payment methods are words, such as `cheque`."""

    name = "external"

    def capabilities(self, account: GatewayAccount) -> Capabilities:
        """Nothing."""
        return Capabilities(operations=frozenset(), methods=frozenset({"external"}))

    def encode_amount(self, amount_minor: int, currency: str) -> int:
        """Minor units, as in ISO 4217."""
        return AS_ISO.encode(amount_minor, currency)

    def decode_amount(self, written: int | str, currency: str) -> int:
        """Minor units, as in ISO 4217. Raises NotRepresentable."""
        return AS_ISO.decode(written, currency)

    def method_token(self, account: GatewayAccount, reference: str) -> str:
        """A word for how money comes: `cheque`, `bank_transfer`, `cash`. Raises ReferenceRefused."""
        return _REFERENCES.read(reference)

    def parse_webhook(
        self, account: GatewayAccount, headers: Mapping[str, str], body: bytes, at: datetime
    ) -> tuple[GatewayEvent, ...]:
        """Raises WebhookRefused: nobody sends any."""
        raise WebhookRefused("external payments have no webhooks")

    async def verify_account(self, account: GatewayAccount, at: datetime) -> None:
        """There is nothing that could fail."""

    async def read_method(self, account: GatewayAccount, token: str, at: datetime) -> MethodDetails:
        """The word itself. Raises InvalidRequest when it is none."""
        if not _WORD.fullmatch(token):
            raise InvalidRequest(f"{token[:60]!r} is no word for how money comes", pointer="/payment_method")
        return MethodDetails(token=token, kind="external")

    async def begin_setup(self, account: GatewayAccount, request: SetupRequest, at: datetime) -> MethodSetup:
        """Raises Unsupported."""
        _unsupported("has no set-up: name the method, for instance cheque")

    async def detach(self, account: GatewayAccount, token: str, at: datetime) -> None:
        """Nothing is stored, so nothing is left."""

    async def charge(self, account: GatewayAccount, operation: GatewayOperation, at: datetime) -> OperationResult:
        """Raises Unsupported."""
        _unsupported("can't be charged: record the payment when it has come")

    async def capture(self, account: GatewayAccount, operation: GatewayOperation, at: datetime) -> OperationResult:
        """Raises Unsupported."""
        _unsupported("holds nothing")

    async def cancel(self, account: GatewayAccount, operation: GatewayOperation, at: datetime) -> OperationResult:
        """Raises Unsupported."""
        _unsupported("holds nothing")

    async def refund(self, account: GatewayAccount, operation: GatewayOperation, at: datetime) -> OperationResult:
        """Raises Unsupported."""
        _unsupported("can't give back by itself: record the refund when it is done")

    async def payout(self, account: GatewayAccount, operation: GatewayOperation, at: datetime) -> OperationResult:
        """Raises Unsupported."""
        _unsupported("can't pay by itself: record the payout when it is done")

    async def lookup(
        self, account: GatewayAccount, operation: GatewayOperation, at: datetime
    ) -> OperationResult | NotFound:
        """Certainly nothing: nothing was ever sent."""
        return NotFound(certain=True)

    async def list_changes(self, account: GatewayAccount, since: datetime, at: datetime) -> Changes:
        """No changes, ever."""
        return Changes((), until=at)


def _unsupported(what: str) -> NoReturn:
    raise Unsupported(f"an external payment method {what}")
