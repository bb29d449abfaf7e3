"""A gateway that is right, and awkward.

It writes amounts as text, answers `pending` to everything, finds nothing by our reference, remembers keys for a minute,
refunds in full only, puts many events into one webhook, and won't be cancelled.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from billsmith.core.currencies import minor_digits
from billsmith.core.payments.results import (
    Decline,
    DeclineBucket,
    NextAction,
    OperationKind,
    OperationResult,
    OperationStatus,
)
from billsmith.gateways.amounts import NotRepresentable
from billsmith.gateways.port import (
    AuthFailed,
    Capabilities,
    Changes,
    GatewayAccount,
    GatewayEvent,
    GatewayOperation,
    InvalidRequest,
    MethodDetails,
    MethodSetup,
    NotFound,
    OutcomeUnknown,
    SetupRequest,
    Unsupported,
    WebhookRefused,
    redacted,
)
from billsmith.gateways.references import ReferenceRefused

SETTLES_AFTER = timedelta(days=2)
METHODS = {"mandate-good", "mandate-closed", "mandate-lost", "mandate-hangs"}


class AwkwardGateway:
    """Bank debits, kept in memory."""

    name = "awkward"

    def __init__(self) -> None:
        self.made: dict[str, dict[str, Any]] = {}

    def capabilities(self, account: GatewayAccount) -> Capabilities:
        """Charges and full refunds, both decided days later."""
        return Capabilities(
            operations=frozenset({OperationKind.CHARGE, OperationKind.REFUND}),
            methods=frozenset({"bank_account"}),
            off_session=True,
            async_days=2,
            webhooks=True,
            key_window_seconds=60,
            key_scope="kind",
        )

    def encode_amount(self, amount_minor: int, currency: str) -> str:
        """`12.34`: decimal text; no currency with three digits."""
        if minor_digits(currency) > 2:
            raise NotRepresentable(f"{currency} is not taken")
        return f"{Decimal(amount_minor).scaleb(-minor_digits(currency)):f}"

    def decode_amount(self, written: int | str, currency: str) -> int:
        """Minor units."""
        amount = Decimal(str(written)).scaleb(minor_digits(currency))
        if amount != int(amount):
            raise NotRepresentable(f"{written} {currency} has too many digits")
        return int(amount)

    def method_token(self, account: GatewayAccount, reference: str) -> str:
        """Tokens only."""
        if reference not in METHODS:
            raise ReferenceRefused(f"there is no {reference[:100]!r}")
        return reference

    def parse_webhook(
        self, account: GatewayAccount, headers: Mapping[str, str], body: bytes, at: datetime
    ) -> tuple[GatewayEvent, ...]:
        """Several events in one body."""
        given = next((value for name, value in headers.items() if name.lower() == "x-awkward"), "")
        if not hmac.compare_digest(given.encode(), signature(account, body).encode()):
            raise WebhookRefused("the signature is wrong")
        return tuple(
            GatewayEvent(
                id=f"{event['ref']}/{event['state']}",
                kind="operation",
                type=event["state"],
                happened_at=datetime.fromisoformat(event["when"]),
                gateway_id=event["ref"],
            )
            for event in json.loads(body)
        )

    async def verify_account(self, account: GatewayAccount, at: datetime) -> None:
        """The password is `open sesame`."""
        if account.credentials.get("password") != "open sesame":
            raise AuthFailed("wrong password")

    async def read_method(self, account: GatewayAccount, token: str, at: datetime) -> MethodDetails:
        """A bank account."""
        return MethodDetails(token=self.method_token(account, token), kind="bank_account")

    async def begin_setup(self, account: GatewayAccount, request: SetupRequest, at: datetime) -> MethodSetup:
        """A form on paper."""
        return MethodSetup(request.id, next_action=NextAction("show", text="Sign the mandate and send it to us."))

    async def detach(self, account: GatewayAccount, token: str, at: datetime) -> None:
        """Mandates stay."""

    async def charge(self, account: GatewayAccount, operation: GatewayOperation, at: datetime) -> OperationResult:
        """Pending, whatever comes."""
        method = operation.payment_method or ""
        if method == "mandate-hangs":
            for _ in range(30):  # it won't be cancelled
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(0.1)
        if method == "mandate-lost":
            raise OutcomeUnknown("the line was cut")
        return self._made(operation, at)

    async def capture(self, account: GatewayAccount, operation: GatewayOperation, at: datetime) -> OperationResult:
        """It holds nothing."""
        raise Unsupported("it holds nothing")

    async def cancel(self, account: GatewayAccount, operation: GatewayOperation, at: datetime) -> OperationResult:
        """It stops nothing."""
        raise Unsupported("it stops nothing")

    async def payout(self, account: GatewayAccount, operation: GatewayOperation, at: datetime) -> OperationResult:
        """It pays nobody."""
        raise Unsupported("it pays nobody")

    async def refund(self, account: GatewayAccount, operation: GatewayOperation, at: datetime) -> OperationResult:
        """In full, once."""
        if f"refund/{operation.id}" not in self.made:
            charge = next((one for one in self.made.values() if one["ref"] == operation.related_id), None)
            if charge is None or charge["back"] or charge["minor"] != operation.amount_minor:
                raise InvalidRequest("only all of it can be refunded, once")
            charge["back"] = True
        return self._made(operation, at)

    async def lookup(
        self, account: GatewayAccount, operation: GatewayOperation, at: datetime
    ) -> OperationResult | NotFound:
        """By its own id only; the list of the day may lag."""
        found = next((one for one in self.made.values() if one["ref"] == operation.gateway_id), None)
        return NotFound(certain=False) if found is None else self._told(found, at)

    async def list_changes(self, account: GatewayAccount, since: datetime, at: datetime) -> Changes:
        """It has no such list."""
        raise Unsupported("it has no such list")

    def _made(self, operation: GatewayOperation, at: datetime) -> OperationResult:
        # A space of keys for each kind of operation.
        key = f"{operation.kind}/{operation.id}"
        one = self.made.setdefault(
            key,
            {
                "ref": f"REF {len(self.made) + 1}", "id": operation.id, "at": at, "minor": operation.amount_minor,
                "currency": operation.currency, "method": operation.payment_method, "back": False,
            },
        )  # fmt: skip
        if (one["minor"], one["method"]) != (operation.amount_minor, operation.payment_method):
            raise InvalidRequest("this key is taken")
        return self._told(one, at)

    def _told(self, one: dict[str, Any], at: datetime) -> OperationResult:
        status = self.status(one, at)
        return OperationResult(
            status=status,
            gateway_id=one["ref"],
            amount_minor=one["minor"],
            currency=one["currency"],
            settles_at=one["at"] + SETTLES_AFTER if status is OperationStatus.PENDING else None,
            decline=Decline(DeclineBucket.NEEDS_NEW_METHOD, "AC04", "This account is closed.", "AC04 from the bank")
            if status is OperationStatus.FAILED
            else None,
            raw=json.dumps(redacted({"Ref": one["ref"], "IBAN": "DE89370400440532013000"})).encode(),
        )

    @staticmethod
    def status(one: dict[str, Any], at: datetime) -> OperationStatus:
        """Where it stands."""
        if at < one["at"] + SETTLES_AFTER:
            return OperationStatus.PENDING
        return OperationStatus.FAILED if one["method"] == "mandate-closed" else OperationStatus.SUCCEEDED


def signature(account: GatewayAccount, body: bytes) -> str:
    """Of a webhook's body, by the account's password."""
    return hmac.new(account.credentials["password"].encode() + account.id.encode(), body, hashlib.sha512).hexdigest()
