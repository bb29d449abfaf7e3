"""What the fake gateway does with an operation, as words: `declined_expired_card`, `pending_3d_fail.webhooks_twice`.

Words are joined by dots, in a payment method's token after `tok_`, or in a rule. All words: docs/guides/fake-gateway.md
"""

import functools
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Literal

import msgspec

from billsmith.core.payments.results import Decline, DeclineBucket

TOKEN = re.compile(r"tok_[a-z0-9_.]{1,200}")

Reply = Literal[
    "given", "lost_before", "lost_after", "hangs_before", "hangs_after", "raises_before", "raises_after",
    "rate_limited", "auth_failed", "not_submitted", "invalid", "never_reached",
]  # fmt: skip
AUTHORIZED_FOR = timedelta(days=7)
SHUFFLED_WITHIN = timedelta(minutes=5)
"""Shuffled webhooks come this much late at most, the earlier ones later."""

Outcome = Literal["succeed", "fail", "wait", "cancel"]

_RETRY, _NEW, _ACT, _NEVER, _CONFIG = DeclineBucket
DECLINES: dict[str, tuple[DeclineBucket, str]] = {
    "insufficient_funds": (_RETRY, "The account has not enough money right now."),
    "issuer_unavailable": (_RETRY, "Your bank could not be reached."),
    "try_again_later": (_RETRY, "Your bank asks to try again later."),
    "not_refundable": (_RETRY, "The money could not be given back to this payment method."),
    "charge_disputed": (_NEVER, "This payment is in dispute."),
    "generic_decline": (_RETRY, "Your bank declined the payment."),
    "expired_card": (_NEW, "This card has expired."),
    "account_closed": (_NEW, "This bank account is closed."),
    "mandate_revoked": (_NEW, "The permission to debit this account was withdrawn."),
    "authorization_expired": (_NEW, "The reserved amount was released before it was used."),
    "authentication_required": (_ACT, "Your bank wants you to confirm this payment."),
    "lost_card": (_NEVER, "Your bank declined the payment."),
    "stolen_card": (_NEVER, "Your bank declined the payment."),
    "fraud": (_NEVER, "Your bank declined the payment."),
    "currency_not_enabled": (_CONFIG, "This payment is not possible at the moment."),
    "merchant_blocked": (_CONFIG, "This payment is not possible at the moment."),
}


class Behaviour(msgspec.Struct, frozen=True):
    """What happens to one operation, and how the gateway speaks of it."""

    outcome: Outcome = "succeed"
    decline: str = "generic_decline"
    """Where the outcome, now or later, is failure."""
    first: Literal["decided", "pending", "requires_action"] = "decided"
    decided_after: timedelta | None = timedelta(0)
    """None: when a test decides."""
    reply: Reply = "given"
    delay_seconds: float = 0
    more_minor: int = 0
    """What moves beyond what was asked."""
    other_currency: bool = False
    reversed_after: timedelta | None = None
    disputed_after: timedelta | None = None
    dispute_decided_after: timedelta | None = None
    dispute_ends: Literal["won", "lost"] = "lost"
    dispute_halves: int = 2
    """How many halves of the charge are disputed."""
    webhooks: int = 1
    """How often each webhook comes; 0: never."""
    webhooks_late: timedelta = timedelta(0)
    webhooks_shuffled: bool = False

    def lasts(self, *, held: bool) -> timedelta:
        """How long after the operation something may still happen by itself, webhooks included."""
        later = (self.decided_after, self.reversed_after, self.disputed_after, self.dispute_decided_after)
        by_itself = sum((period for period in later if period), AUTHORIZED_FOR if held else timedelta(0))
        shuffled = SHUFFLED_WITHIN if self.webhooks_shuffled else timedelta(0)
        return by_itself + self.webhooks_late + shuffled + timedelta(seconds=self.webhooks)


class UnknownWord(ValueError):
    """A word that the fake gateway has no behaviour for."""


_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_PERIOD = r"(\d{1,4}[smhd])"
PLAIN: dict[str, dict[str, object]] = {
    "ok": {},
    "pending": {"first": "pending", "decided_after": None, "outcome": "wait"},
    "requires_action": {"first": "requires_action", "decided_after": None, "outcome": "wait"},
    "cancelled": {"outcome": "cancel"},
    "fails": {"outcome": "fail", "decline": "not_refundable"},
    "invalid": {"reply": "invalid"},
    "rate_limited": {"reply": "rate_limited"},
    "auth_failed": {"reply": "auth_failed"},
    "not_submitted": {"reply": "not_submitted"},
    "never_reached": {"reply": "never_reached"},
    "lost_reply_before": {"reply": "lost_before"},
    "lost_reply_after": {"reply": "lost_after"},
    "hang": {"reply": "hangs_before"},
    "hang_after_capture": {"reply": "hangs_after"},
    "raises_value_error_before_capture": {"reply": "raises_before"},
    "raises_value_error_after_capture": {"reply": "raises_after"},
    "other_amount": {"more_minor": 100},
    "other_currency": {"other_currency": True},
    "dispute": {"disputed_after": timedelta(days=1)},
    "dispute_half": {"dispute_halves": 1},
    "webhooks_none": {"webhooks": 0},
    "webhooks_twice": {"webhooks": 2},
    "webhooks_shuffled": {"webhooks_shuffled": True},
}
_KINDS = ("capture", "cancel", "refund")


@functools.lru_cache(maxsize=10_000)
def behaviour_of(words: str, kind: str = "charge") -> Behaviour:
    """What `words` mean for an operation of a kind: `refund_pending_2d_fail` is for refunds. Raises UnknownWord."""
    behaviour = Behaviour()
    for word in words.split("."):
        meant_for, _, rest = word.partition("_")
        if meant_for in _KINDS and rest:
            changes = _changes(rest)
            behaviour = msgspec.structs.replace(behaviour, **changes) if meant_for == kind else behaviour
        elif not re.fullmatch(r"n\d+", word):
            changes = _changes(word)
            behaviour = msgspec.structs.replace(behaviour, **changes) if _is_for(kind, changes) else behaviour
    return behaviour


def decline_of(code: str) -> Decline:
    """The decline with a code of `DECLINES`."""
    bucket, message = DECLINES[code]
    return Decline(
        bucket, code, public_message=message, private_message=f"{code}: made up by the fake gateway", advice=None
    )


def _is_for(kind: str, changes: dict[str, object]) -> bool:
    """A word without a kind is about charges and payouts; how webhooks come is about everything."""
    return kind in {"charge", "payout"} or any(field.startswith("webhooks") for field in changes)


def _changes(word: str) -> dict[str, object]:
    """The fields of Behaviour that a word sets."""
    if word in PLAIN:
        return PLAIN[word]
    code = word.removeprefix("declined_")
    if code in DECLINES:
        return {"outcome": "fail", "decline": code}
    for pattern, changes in PATTERNS:
        if found := re.fullmatch(pattern, word):
            return changes(*found.groups())
    raise UnknownWord(f"the fake gateway knows no {word!r}")


def _later(first: str, after: str, ends: str) -> dict[str, object]:
    return {"first": first, "decided_after": _period(after), "outcome": ends}


def _period(text: str) -> timedelta:
    return timedelta(seconds=int(text[:-1]) * _SECONDS[text[-1]])


PATTERNS: tuple[tuple[str, Callable[..., dict[str, object]]], ...] = (
    (rf"(pending|requires_action)_{_PERIOD}_(succeed|fail)", _later),
    (rf"slow_{_PERIOD}", lambda text: {"delay_seconds": _period(text).total_seconds()}),
    (r"slow_(\d{1,5})ms", lambda text: {"delay_seconds": int(text) / 1000}),
    (rf"reversed_after_{_PERIOD}", lambda text: {"reversed_after": _period(text)}),
    (rf"dispute_after_{_PERIOD}", lambda text: {"disputed_after": _period(text)}),
    (
        rf"dispute_(won|lost)_after_{_PERIOD}",
        lambda ends, text: {"dispute_ends": ends, "dispute_decided_after": _period(text)},
    ),
    (r"webhooks_(\d)_times", lambda text: {"webhooks": int(text)}),
    (rf"webhooks_late_{_PERIOD}", lambda text: {"webhooks_late": _period(text)}),
)
