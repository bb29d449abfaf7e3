"""The fake gateway's webhooks: made from its book for an instant, signed, and read back. Pure."""

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

import msgspec

from billsmith.core.payments.results import OperationKind
from billsmith.gateways.fake.book import Operated, Pages
from billsmith.gateways.fake.history import disputes, steps
from billsmith.gateways.fake.script import SHUFFLED_WITHIN, behaviour_of
from billsmith.gateways.port import EventKind, GatewayAccount, GatewayEvent, WebhookRefused

SIGNATURE = "Fake-Signature"
TOLERANCE = timedelta(minutes=5)
LARGEST_BODY = 1 << 20
_SIGNED = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})")


class Delivery(msgspec.Struct, frozen=True):
    """One webhook as it arrives at our door, at its instant."""

    at: datetime
    headers: dict[str, str]
    body: bytes


class Message(msgspec.Struct, frozen=True):
    """The body of a webhook."""

    id: str
    account: str
    type: str
    created: datetime
    operation: str | None = None
    """Our id of it."""
    object: str | None = None
    """The gateway's id: of the operation, or of the charge in dispute."""


def messages(pages: Pages, operated: Operated) -> list[Message]:
    """Everything there is to tell about an operation, future included, in order."""
    told = [(step.at, f"{operated.kind}.{step.status}") for step in steps(pages, operated)]
    for dispute in disputes(pages, operated):
        told.append((dispute.opened_at, "dispute.opened"))
        if dispute.decided_at is not None:
            told.append((dispute.decided_at, f"dispute.{dispute.status}"))
    return [
        Message(
            id=f"fev_{hashlib.sha256(f'{operated.gateway_id} {type_} {at.isoformat()}'.encode()).hexdigest()[:24]}",
            account=operated.account,
            type=type_,
            created=at,
            operation=operated.id,
            object=operated.gateway_id,
        )
        for at, type_ in sorted(told, key=lambda moment: moment[0])
    ]


def messages_within(pages: Pages, account: str, since: datetime, until: datetime) -> list[Message]:
    """What happened from `since` to `until`, both included, in order."""
    found = [
        message
        for operated in _operations_within(pages, account, since - timedelta(microseconds=1), until)
        for message in messages(pages, operated)
        if since <= message.created <= until
    ]
    return sorted(found, key=lambda message: message.created)


def deliveries(pages: Pages, account: GatewayAccount, after: datetime, until: datetime) -> list[Delivery]:
    """The webhooks that arrive in (after, until], in the order in which they do."""
    found = [
        (at, message)
        for operated in _operations_within(pages, account.id, after, until)
        for at, message in _arrivals(pages, operated)
        if after < at <= until
    ]
    return [signed(account, message, at) for at, message in sorted(found, key=lambda arrival: arrival[0])]


def signed(account: GatewayAccount, message: Message, at: datetime) -> Delivery:
    """A message with its signature, by the account's newest webhook secret."""
    body = msgspec.json.encode(message)
    secrets = webhook_secrets(account)
    stamp = int(at.timestamp())
    signature = _signature(secrets[0], stamp, body) if secrets else ""
    return Delivery(at, {SIGNATURE: f"t={stamp},v1={signature}", "Content-Type": "application/json"}, body)


def parse(account: GatewayAccount, headers: Mapping[str, str], body: bytes, at: datetime) -> tuple[GatewayEvent, ...]:
    """The event in a webhook. Raises WebhookRefused."""
    if len(body) > LARGEST_BODY:
        raise WebhookRefused("a webhook of this size was never sent")
    _check_signature(account, headers, body, at)
    try:
        message = msgspec.json.decode(body, type=Message)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise WebhookRefused("the webhook's body can't be read") from None
    if message.account != account.id:
        raise WebhookRefused("the webhook is about another account")
    return (event_of(message),)


def event_of(message: Message) -> GatewayEvent:
    """What a message means to us."""
    return GatewayEvent(
        id=message.id,
        kind=_kind(message.type),
        type=message.type,
        happened_at=message.created,
        operation_id=message.operation,
        gateway_id=message.object,
        operation_kind=_operation_kind(message.type),
    )


def webhook_secrets(account: GatewayAccount) -> list[str]:
    """The secrets that a signature may be made with, newest first; several while they are being changed."""
    return account.credentials.get("webhook_secret", "").split()


def _kind(type_: str) -> EventKind:
    subject = type_.partition(".")[0]
    if subject == "dispute":
        return "dispute"
    if subject == "method":
        return "method"
    return "operation" if subject in {"charge", "capture", "cancel", "refund", "payout"} else "other"


def _operation_kind(type_: str) -> OperationKind | None:
    """A dispute is about a charge."""
    subject = type_.partition(".")[0]
    if subject == "dispute":
        return OperationKind.CHARGE
    return next((kind for kind in OperationKind if kind.value == subject), None)


def _check_signature(account: GatewayAccount, headers: Mapping[str, str], body: bytes, at: datetime) -> None:
    header = next((value for name, value in headers.items() if name.lower() == SIGNATURE.lower()), "")
    found = _SIGNED.fullmatch(header)
    if found is None:
        raise WebhookRefused("the webhook has no signature")
    stamp = int(found[1])
    expected = [_signature(secret, stamp, body) for secret in webhook_secrets(account)]
    if not any(hmac.compare_digest(one, found[2]) for one in expected):
        raise WebhookRefused("the webhook's signature is wrong")
    if abs(at.timestamp() - stamp) > TOLERANCE.total_seconds():
        raise WebhookRefused("the webhook's signature is too old, or from the future")


def _signature(secret: str, stamp: int, body: bytes) -> str:
    return hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()


def _arrivals(pages: Pages, operated: Operated) -> Iterator[tuple[datetime, Message]]:
    behaviour = behaviour_of(operated.words, operated.kind)
    told = messages(pages, operated)
    for number, message in enumerate(told):
        # Shuffled: the last of them first, each a little later than the one that should have come after it.
        late = SHUFFLED_WITHIN * (len(told) - number) / len(told) if behaviour.webhooks_shuffled else timedelta(0)
        anchor = told[-1].created if behaviour.webhooks_shuffled else message.created
        for copy in range(behaviour.webhooks):
            yield anchor + behaviour.webhooks_late + late + timedelta(seconds=copy), message


def _operations_within(pages: Pages, account: str, after: datetime, until: datetime) -> Iterator[Operated]:
    """Operations about which something may be told in (after, until]; cheap, for the book may be long."""
    for operated in pages.of_account.get(account, ()):
        if operated.at <= until and pages.quiet_after[account, operated.gateway_id] >= after:
            yield operated
