"""Customer credit: money we owe the customer, and how it is drawn on what is owed to us. Rule: docs/rules/credit.md"""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Literal

import msgspec

from billsmith.core.currencies import minor_digits
from billsmith.core.ids import CreditId, CustomerId, InvoiceId, PaymentId, TenantId, show_id
from billsmith.core.invoices import Invoice
from billsmith.core.ledger import CREDITS_GRANTED, CUSTOMER_CREDIT, RECEIVABLE, Posting
from billsmith.core.money import within_limits
from billsmith.core.text import DESCRIPTION_LENGTH, block_of_text, metadata
from billsmith.errors import Conflict, Invalid

_NEVER = datetime.max.replace(tzinfo=UTC)


CreditSource = Literal["negative_total", "granted", "payment", "credit_note", "refund", "moved"]


class Credit(msgspec.Struct, frozen=True, gc=False):
    """One credit of one customer. The fields stand in the order of the table's columns."""

    id: CreditId
    tenant_id: TenantId
    customer_id: CustomerId
    currency: str
    source: CreditSource
    invoice_id: InvoiceId | None
    payment_id: PaymentId | None
    """The payment that it came in with."""
    reason: str | None
    granted_on: date
    expires_at: datetime | None
    amount_minor: int
    drawn_minor: int
    expired_minor: int
    deleted_minor: int
    paid_out_minor: int
    """Given back as money."""
    moved_minor: int
    """Moved to the parent."""
    reserved_minor: int
    """Kept for a refund in flight; a row, not a transfer."""
    metadata: dict[str, str]
    version: int
    created_at: datetime

    @property
    def remaining_minor(self) -> int:
        """What can still be drawn."""
        return (
            self.amount_minor
            - self.drawn_minor
            - self.expired_minor
            - self.deleted_minor
            - self.paid_out_minor
            - self.moved_minor
            - self.reserved_minor
        )


class NewCredit(msgspec.Struct, frozen=True, gc=False):
    """What is said about a credit when it is granted."""

    amount_minor: int
    currency: str | None = None
    reason: str | None = None
    expires_at: datetime | None = None
    metadata: dict[str, str] = {}


class Draw(msgspec.Struct, frozen=True, gc=False):
    """A part of a credit set against a part of what an invoice owes."""

    credit_id: CreditId
    invoice_id: InvoiceId
    amount_minor: int


class CreditInvalid(Invalid):
    """A credit must be positive and expire in the future, if at all."""

    code = "credit_invalid"


class CreditUsedUp(Conflict):
    """Nothing is left of this credit."""

    code = "credit_used_up"


def granted(given: NewCredit, blank: Credit, at: datetime) -> Credit:
    """The credit as stored; `blank` names its ids, customer and day. Raises CreditInvalid, UnknownCurrency."""
    minor_digits(blank.currency)
    if given.amount_minor <= 0:
        raise CreditInvalid("a credit is more than zero", pointer="/amount")
    if given.expires_at is not None and given.expires_at <= at:
        raise CreditInvalid("this credit would have expired already", pointer="/expires_at")
    reason = given.reason
    return msgspec.structs.replace(
        blank,
        amount_minor=within_limits(given.amount_minor, "/amount"),
        reason=None if reason is None else block_of_text(reason, DESCRIPTION_LENGTH, "/reason"),
        expires_at=given.expires_at,
        metadata=metadata(given.metadata),
    )


def new_credit(
    id_: CreditId,
    tenant_id: TenantId,
    customer_id: CustomerId,
    source: CreditSource,
    currency: str,
    amount_minor: int,
    granted_on: date,
    at: datetime,
    *,
    invoice_id: InvoiceId | None = None,
    payment_id: PaymentId | None = None,
    reason: str | None = None,
    expires_at: datetime | None = None,
) -> Credit:
    """A credit of which nothing was used yet."""
    return Credit(
        id=id_,
        tenant_id=tenant_id,
        customer_id=customer_id,
        currency=currency,
        source=source,
        invoice_id=invoice_id,
        payment_id=payment_id,
        reason=reason,
        granted_on=granted_on,
        expires_at=expires_at,
        amount_minor=amount_minor,
        drawn_minor=0,
        expired_minor=0,
        deleted_minor=0,
        paid_out_minor=0,
        moved_minor=0,
        reserved_minor=0,
        metadata={},
        version=1,
        created_at=at,
    )


def draws(credits_: Iterable[Credit], invoices: Iterable[Invoice], at: datetime) -> list[Draw]:
    """Which credit pays how much of which invoice, all of one customer and currency.

    Oldest due invoice first; soonest-expiring, then oldest credit first. Credit that expired by `at` is left alone.
    """
    usable = [credit for credit in sorted(credits_, key=_drawing_order) if _usable(credit, at)]
    left = [credit.remaining_minor for credit in usable]
    made: list[Draw] = []
    first = 0
    for invoice in sorted(invoices, key=_paying_order):
        owed = invoice.balance_minor
        while owed > 0 and first < len(left):
            amount = min(owed, left[first])
            made.append(Draw(usable[first].id, invoice.id, amount))
            owed -= amount
            left[first] -= amount
            first += left[first] == 0
    return made


def drawn(credit: Credit, amount_minor: int) -> Credit:
    """The credit with so much less left."""
    return msgspec.structs.replace(credit, drawn_minor=credit.drawn_minor + amount_minor, version=credit.version + 1)


def returned(credit: Credit, amount_minor: int) -> Credit:
    """The credit with so much of what was drawn given back to it."""
    return msgspec.structs.replace(credit, drawn_minor=credit.drawn_minor - amount_minor, version=credit.version + 1)


def draw_posting(draw: Draw, currency: str, accounting_on: date) -> Posting:
    """Credit drawn: debit customer_credit, credit receivable."""
    return Posting(
        "credit_drawn", CUSTOMER_CREDIT, RECEIVABLE, draw.amount_minor, currency, accounting_on,
        invoice_id=draw.invoice_id, credit_id=draw.credit_id,
    )  # fmt: skip


def grant_posting(credit: Credit) -> Posting:
    """Credit granted: debit credits_granted, credit customer_credit."""
    return Posting(
        "credit_granted", CREDITS_GRANTED, CUSTOMER_CREDIT, credit.amount_minor, credit.currency, credit.granted_on,
        credit_id=credit.id,
    )  # fmt: skip


def expired(credit: Credit, accounting_on: date) -> tuple[Credit, Posting]:
    """All that is left of a credit goes: debit customer_credit, credit credits_granted. Raises CreditUsedUp."""
    return _taken_back(credit, "credit_expired", "expired_minor", accounting_on)


def deleted(credit: Credit, accounting_on: date) -> tuple[Credit, Posting]:
    """Like `expired`, because somebody asked for it. Raises CreditUsedUp."""
    return _taken_back(credit, "credit_deleted", "deleted_minor", accounting_on)


def _taken_back(
    credit: Credit, kind: Literal["credit_expired", "credit_deleted"], column: str, accounting_on: date
) -> tuple[Credit, Posting]:
    remaining = credit.remaining_minor
    if remaining == 0:
        raise CreditUsedUp(f"nothing is left of credit {show_id('credit', credit.id)}")
    # It may have gone before, and have come back since with a void.
    gone = getattr(credit, column) + remaining
    changed = msgspec.structs.replace(credit, **{column: gone}, version=credit.version + 1)
    return changed, Posting(
        kind, CUSTOMER_CREDIT, CREDITS_GRANTED, remaining, credit.currency, accounting_on, credit_id=credit.id
    )


def _usable(credit: Credit, at: datetime) -> bool:
    return credit.remaining_minor > 0 and (credit.expires_at is None or credit.expires_at > at)


def _drawing_order(credit: Credit) -> tuple[datetime, date, int]:
    return (credit.expires_at or _NEVER, credit.granted_on, credit.id.int)


def _paying_order(invoice: Invoice) -> tuple[date, int]:
    return (invoice.due_on or date.max, invoice.id.int)
