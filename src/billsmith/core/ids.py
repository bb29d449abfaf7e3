"""Ids: their types, how they are shown and read, and the shard inside them. The maker is `billsmith/ids.py`.

An id is a UUIDv7 whose lowest 10 bits are the shard of the customer (or tenant) it belongs to. Outside it is shown as a
type prefix and 26 lower-case Crockford base32 characters, which sort like the id itself: `inv_01jd…`.
"""

from typing import NewType
from uuid import UUID

from billsmith.errors import Invalid, NotFound

TenantId = NewType("TenantId", UUID)
KeyId = NewType("KeyId", UUID)
CustomerId = NewType("CustomerId", UUID)
SnapshotId = NewType("SnapshotId", UUID)
InvoiceId = NewType("InvoiceId", UUID)
CreditId = NewType("CreditId", UUID)
TransferId = NewType("TransferId", UUID)
EventId = NewType("EventId", UUID)
CauseId = NewType("CauseId", UUID)
OperationId = NewType("OperationId", UUID)
GatewayAccountId = NewType("GatewayAccountId", UUID)
GatewayEventId = NewType("GatewayEventId", UUID)
PaymentMethodId = NewType("PaymentMethodId", UUID)
PaymentId = NewType("PaymentId", UUID)
AttemptId = NewType("AttemptId", UUID)
RefundId = NewType("RefundId", UUID)
CreditNoteId = NewType("CreditNoteId", UUID)
WriteOffId = NewType("WriteOffId", UUID)
DisputeId = NewType("DisputeId", UUID)
CatalogId = NewType("CatalogId", UUID)
PlanVersionId = NewType("PlanVersionId", UUID)
SubscriptionId = NewType("SubscriptionId", UUID)
GroupId = NewType("GroupId", UUID)

SHARD_BITS = 10
SHARDS = 1 << SHARD_BITS
TEXT_LENGTH = 26

PREFIXES = {
    "tenant": "ten",
    "key": "key",
    "customer": "cus",
    "invoice": "inv",
    "credit": "crd",
    "transfer": "tra",
    "event": "evt",
    "operation": "op",
    "gateway_account": "gwa",
    "gateway_event": "gwe",
    "payment_method": "pm",
    "payment": "pay",
    "attempt": "att",
    "refund": "ref",
    "credit_note": "cn",
    "write_off": "wo",
    "dispute": "dis",
    "catalog": "cat",
    "plan_version": "pv",
    "subscription": "sub",
    "group": "grp",
    "request": "req",
}

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]
_PAIR_VALUES = {pair: value for value, pair in enumerate(_PAIRS)}
_PAIR_SHIFTS = range(120, -1, -10)


class MalformedId(Invalid):
    """A text that can't be an id of the expected kind, whoever owns it."""

    code = "malformed_id"


def shard_of(id_: UUID) -> int:
    """The shard (0–1023) that an id lives in."""
    return id_.int & (SHARDS - 1)


def show_id(kind: str, id_: UUID) -> str:
    """`inv_…` for an id of the given kind."""
    number = id_.int
    return PREFIXES[kind] + "_" + "".join([_PAIRS[number >> shift & 1023] for shift in _PAIR_SHIFTS])


def maybe_show_id(kind: str, id_: UUID | None) -> str | None:
    """Like `show_id`; None for None."""
    return None if id_ is None else show_id(kind, id_)


def read_id(kind: str, text: str) -> UUID:
    """The id behind a shown text. Raises MalformedId unless it is the one canonical text of an id of this kind."""
    prefix, _, digits = text.rpartition("_")
    if prefix != PREFIXES[kind] or len(digits) != TEXT_LENGTH or digits[0] > "7":
        shape = f"{PREFIXES[kind]}_ and {TEXT_LENGTH} characters"
        raise MalformedId(f"{text[:60]!r} is not the id of a {in_words(kind)} ({shape})")
    number = 0
    for start in range(0, TEXT_LENGTH, 2):
        value = _PAIR_VALUES.get(digits[start : start + 2])
        if value is None:
            said = f"{text[:60]!r} is not the id of a {in_words(kind)}"
            raise MalformedId(f"{said}: it has characters that ids do not use")
        number = number << 10 | value
    return UUID(int=number)


def find_id(kind: str, text: str) -> UUID:
    """Like `read_id`, for an id that names the thing asked for: a text that is no id names nothing. Raises NotFound."""
    try:
        return read_id(kind, text)
    except MalformedId as error:
        raise NotFound(f"there is no {in_words(kind)} {text[:60]!r}; its id begins with {PREFIXES[kind]}_") from error


def in_words(kind: str) -> str:
    """A kind as a person says it: `payment method`."""
    return kind.replace("_", " ")
