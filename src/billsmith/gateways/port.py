"""The gateway port: what every gateway, ours or a plugin's, is asked and answers.

A gateway is one stateless object per kind of gateway; whose account is meant, and what time it is for that tenant,
comes with each call (`at`: a sandbox may live in a time of its own; a real gateway has its own clock, and ignores it).
Call a plugin through `calling.py` only: it cuts what hangs and turns what is not one of the exceptions below into
`OutcomeUnknown`. The promises below are checked by `conformance`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Protocol

import msgspec

from billsmith.core.payments.results import NextAction, OperationKind, OperationResult
from billsmith.errors import Invalid, Unavailable

EventKind = Literal["operation", "dispute", "method", "other"]


class GatewayError(Exception):
    """What the exceptions below have in common: a call got no result. All but `OutcomeUnknown`: it moved no money."""


class NotSubmitted(GatewayError, Unavailable):
    """Surely nothing happened: the request never reached the gateway, or it refused to look at it."""

    code = "gateway_not_submitted"


class OutcomeUnknown(GatewayError, Unavailable):
    """The request may or may not have had its effect: only a lookup can tell."""

    code = "gateway_outcome_unknown"


class InvalidRequest(GatewayError, Invalid):
    """The gateway understood the request and refuses it as it is; the same request will never work."""

    code = "gateway_invalid_request"


class KeyReused(InvalidRequest):
    """An operation id came again with another body. This call did nothing; what the first one did stands."""

    code = "gateway_key_reused"


class AuthFailed(GatewayError, Unavailable):
    """The gateway does not accept the account's credentials."""

    code = "gateway_auth_failed"


class RateLimited(GatewayError, Unavailable):
    """Too many requests: nothing happened; ask again after that many seconds."""

    code = "gateway_rate_limited"

    def __init__(self, detail: str, retry_after_seconds: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class Unsupported(GatewayError, Invalid):
    """This gateway can't do this at all."""

    code = "gateway_unsupported"


class WebhookRefused(GatewayError, Invalid):
    """A webhook that must not be believed: bad signature, too old, malformed, or another account's."""

    code = "webhook_refused"


class GatewayAccount(msgspec.Struct, frozen=True):
    """One tenant's account at a gateway. `credentials` are in the clear: never log or store this value."""

    id: str
    """Ours; it also keeps what the fake gateway holds for several tenants apart."""
    gateway: str
    mode: Literal["live", "sandbox"]
    settings: dict[str, str] = {}
    credentials: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"GatewayAccount({self.gateway}, {self.id}, {self.mode})"


class AmountLimits(msgspec.Struct, frozen=True):
    """The smallest and largest amount of one operation, in minor units."""

    smallest_minor: int = 1
    largest_minor: int = 10**15 - 1


class Capabilities(msgspec.Struct, frozen=True):
    """What one account at a gateway can do."""

    operations: frozenset[OperationKind]
    methods: frozenset[str]
    """Kinds of payment methods: card, bank_account, external …"""
    off_session: bool = False
    """Charges while the customer is not there."""
    authorize: bool = False
    """A charge may be authorized first and captured later."""
    partial_capture: bool = False
    partial_refund: bool = False
    async_days: int = 0
    """How many days a pending operation may take to be decided; 0: every answer is final."""
    mandates: bool = False
    disputes: bool = False
    webhooks: bool = False
    lists_changes: bool = False
    key_window_seconds: int = 0
    """How long the gateway remembers an operation id as its idempotency key; 0: never send one twice."""
    key_scope: Literal["account", "kind"] = "account"
    """Within what an operation id must be unique: the whole account, or operations of its kind."""
    lookup_by_reference: bool = False
    """An operation is found by our own id, without the gateway's."""
    amounts: AmountLimits = AmountLimits()
    amounts_of: dict[str, AmountLimits] = {}
    """Limits of single currencies, where they differ."""
    statement_text_length: int = 0
    """How many characters the text on the customer's statement may have; 0: it can't be set."""

    def limits(self, currency: str) -> AmountLimits:
        """The smallest and largest amount in a currency."""
        return self.amounts_of.get(currency, self.amounts)


class GatewayOperation(msgspec.Struct, frozen=True):
    """What a gateway is asked to do. `id` is the idempotency key: sent again, everything else must be the same."""

    id: str
    kind: OperationKind
    amount_minor: int
    currency: str
    reference: str
    """Ours, shown in the gateway's own lists, for instance an invoice number."""
    payment_method: str | None = None
    """The gateway's token; for a charge or payout."""
    related_id: str | None = None
    """The gateway's id of the charge that is captured, cancelled or refunded."""
    authorize_only: bool = False
    """Of a charge: hold the amount, to be captured later."""
    off_session: bool = True
    statement_text: str | None = None
    gateway_id: str | None = None
    """For a lookup, where it is known."""


class NotFound(msgspec.Struct, frozen=True):
    """The gateway knows no such operation. Only `certain` means that it will never turn up."""

    certain: bool


class SetupRequest(msgspec.Struct, frozen=True):
    """A customer wants to store a payment method; `id` is the idempotency key."""

    id: str
    customer_reference: str
    return_url: str | None = None


class MethodDetails(msgspec.Struct, frozen=True):
    """A stored payment method as it may be shown; `token` is what operations name."""

    token: str
    kind: str
    brand: str | None = None
    last4: str | None = None
    expires_month: int | None = None
    expires_year: int | None = None
    usable: bool = True


class MethodSetup(msgspec.Struct, frozen=True):
    """A set-up that was begun: `method` when it is already done, else what the customer has to do."""

    gateway_id: str
    method: MethodDetails | None = None
    next_action: NextAction | None = None


class GatewayEvent(msgspec.Struct, frozen=True):
    """Something changed at the gateway. Only a hint: what it is now is read from the gateway."""

    id: str
    """The gateway's, stable over repeats."""
    kind: EventKind
    type: str
    """The gateway's own word."""
    happened_at: datetime
    operation_id: str | None = None
    """Ours, where the gateway echoes it."""
    gateway_id: str | None = None
    """Of the operation, or of the charge that a dispute is about."""
    operation_kind: OperationKind | None = None
    """Of what kind that is; without it, money of an operation that is not ours is left to a person."""


class Changes(msgspec.Struct, frozen=True):
    """Events from an instant on, oldest first, and the instant to go on from."""

    events: tuple[GatewayEvent, ...]
    until: datetime


class Gateway(Protocol):
    """One kind of gateway. Methods that talk to it raise the named exceptions above, and nothing else."""

    @property
    def name(self) -> str:
        """The word that an account names it by, such as `fake`."""

    def capabilities(self, account: GatewayAccount) -> Capabilities:
        """What the account can do; asks nobody."""

    def encode_amount(self, amount_minor: int, currency: str) -> int | str:
        """The amount as this gateway writes it. Raises NotRepresentable rather than round."""

    def decode_amount(self, written: int | str, currency: str) -> int:
        """Minor units of what this gateway wrote. Raises NotRepresentable."""

    def method_token(self, account: GatewayAccount, reference: str) -> str:
        """The token in a reference given as id, path or full URL; fetches nothing. Raises ReferenceRefused."""

    def parse_webhook(
        self, account: GatewayAccount, headers: Mapping[str, str], body: bytes, at: datetime
    ) -> tuple[GatewayEvent, ...]:
        """The events in a webhook whose signature holds; talks to nobody. Raises WebhookRefused."""

    async def verify_account(self, account: GatewayAccount, at: datetime) -> None:
        """Nothing, when the credentials work ("test connection")."""

    async def read_method(self, account: GatewayAccount, token: str, at: datetime) -> MethodDetails:
        """The stored payment method. Raises InvalidRequest when there is none."""

    async def begin_setup(self, account: GatewayAccount, request: SetupRequest, at: datetime) -> MethodSetup:
        """Begin to store a payment method; the same request gives the same set-up."""

    async def detach(self, account: GatewayAccount, token: str, at: datetime) -> None:
        """Forget a payment method; one that is already forgotten stays so."""

    async def charge(self, account: GatewayAccount, operation: GatewayOperation, at: datetime) -> OperationResult:
        """Take money from the payment method, or hold it with `authorize_only`."""

    async def capture(self, account: GatewayAccount, operation: GatewayOperation, at: datetime) -> OperationResult:
        """Take what an authorization holds, at most its amount; the rest is released."""

    async def cancel(self, account: GatewayAccount, operation: GatewayOperation, at: datetime) -> OperationResult:
        """Release an authorization, or stop a charge that is not decided yet."""

    async def refund(self, account: GatewayAccount, operation: GatewayOperation, at: datetime) -> OperationResult:
        """Give a charge, or a part of it, back."""

    async def payout(self, account: GatewayAccount, operation: GatewayOperation, at: datetime) -> OperationResult:
        """Pay the customer."""

    async def lookup(
        self, account: GatewayAccount, operation: GatewayOperation, at: datetime
    ) -> OperationResult | NotFound:
        """What became of an operation, by the gateway's id or by ours, with its disputes."""

    async def list_changes(self, account: GatewayAccount, since: datetime, at: datetime) -> Changes:
        """What changed at or after `since`, for where webhooks are missing; repeats are known by their ids."""


def redacted(reply: Any) -> Any:
    """A decoded reply without what must not be kept: secrets, and of a card all but the last four digits."""
    if isinstance(reply, Mapping):
        return {key: _REMOVED if _is_secret(str(key)) else redacted(value) for key, value in reply.items()}
    if isinstance(reply, list | tuple):
        return [redacted(item) for item in reply]
    return reply


_REMOVED = "[removed]"
_SECRET_WORDS = ("secret", "password", "authorization", "api_key", "access_token", "card_number", "cvc", "cvv", "iban")
_SECRET_KEYS = {"number", "pan", "account_number", "key"}


def _is_secret(key: str) -> bool:
    word = key.lower().replace("-", "_")
    return word in _SECRET_KEYS or any(secret in word for secret in _SECRET_WORDS)
