"""Bodies about payments, refunds and corrections. An amount alone is in the currency of what it is about."""

from datetime import date
from typing import Literal
from uuid import UUID

from msgspec import Struct

from billsmith.actions.money.corrections import NewCreditNote, NewWriteOff
from billsmith.actions.money.payments import NewPayment, Wanted
from billsmith.actions.money.refunds import RefundTarget
from billsmith.api.schemas.given import Amount, Texts, minor, one_currency
from billsmith.core.collecting.refunding import NewRefund
from billsmith.core.ids import CreditId, CustomerId, InvoiceId, PaymentId, find_id
from billsmith.core.invoices import Adjustment
from billsmith.core.payments.payment import MethodKind
from billsmith.core.payments.refunds import LineAmount
from billsmith.errors import BillsmithError


class InvoiceToPay(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """An invoice and how much of a payment it gets; without an amount as much as it owes."""

    invoice: str
    amount: int | None = None


class PaymentToRecord(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """A payment that was made by another way: a transfer, a cheque, cash.

    Without `invoices` the customer's oldest are paid first; with an empty list nothing is, and all of it is credit.
    """

    customer: str
    amount: Amount
    currency: str | None = None
    kind: MethodKind = "external"
    reference: str | None = None
    external_id: str | None = None
    received_on: date | None = None
    invoices: list[InvoiceToPay] | None = None
    metadata: Texts = {}

    def payment(self, customer_id: CustomerId) -> NewPayment:
        """What the verb is told. Raises Invalid kinds, NotFound."""
        return NewPayment(
            customer_id=customer_id,
            amount_minor=minor(self.amount) or 0,
            currency=one_currency(self.currency, [(self.amount, "/amount")]),
            kind=self.kind,
            reference=self.reference,
            external_id=self.external_id,
            received_on=self.received_on,
            invoices=None if self.invoices is None else wanted(self.invoices),
            metadata=self.metadata,
        )


class PaymentToAllocate(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Invoices that a payment made earlier is to be set against."""

    invoices: list[InvoiceToPay]


class SuspenseToRelease(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Whose a payment's money in suspense is: the customer's (`credit`), first for `invoices`; or it goes back."""

    to: Literal["credit", "payer"]
    invoices: list[InvoiceToPay] = []


class LineToGiveBack(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """A part of one line, tax included."""

    line_no: int
    amount: int


class RefundToMake(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """What is given back: of exactly one of `payment`, `invoice`, `credit`; without an amount all that is left.

    A credit note is issued when it succeeds, over all lines in proportion or over `lines`; with `reopen` there is none
    and the invoice is owed again.
    """

    payment: str | None = None
    invoice: str | None = None
    credit: str | None = None
    amount: int | None = None
    destination: Literal["gateway", "credit"] = "gateway"
    reopen: bool = False
    lines: list[LineToGiveBack] = []
    reason: str | None = None
    metadata: Texts = {}

    def target(self) -> RefundTarget:
        """What is given back. Raises NotFound for a text that is no id."""
        return RefundTarget(
            None if self.payment is None else PaymentId(_found("payment", self.payment, "/payment")),
            None if self.invoice is None else InvoiceId(_found("invoice", self.invoice, "/invoice")),
            None if self.credit is None else CreditId(_found("credit", self.credit, "/credit")),
        )

    def refund(self) -> NewRefund:
        """How it is given back."""
        return NewRefund(
            amount_minor=self.amount,
            destination=self.destination,
            reopen=self.reopen,
            lines=_lines(self.lines),
            reason=self.reason,
            metadata=self.metadata,
        )


class InvoicesToRefund(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Which invoices are refunded in whole: those issued in a half-open time, of a customer, in a currency."""

    reason: str
    issued_from: date | None = None
    issued_before: date | None = None
    customer: str | None = None
    currency: str | None = None


class CreditNoteToIssue(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """What is taken back of an invoice: `lines`, or an amount of all lines in proportion, or all that is left."""

    reason: str
    amount: int | None = None
    lines: list[LineToGiveBack] = []
    metadata: Texts = {}

    def note(self) -> NewCreditNote:
        """What the verb is told."""
        return NewCreditNote(self.reason, self.amount, _lines(self.lines), self.metadata)


class AdjustmentToMake(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """An amount up or, negative, down, with the reason that a person will read."""

    amount: int
    reason: str


class InvoiceToAdjust(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Adjustments of a finalised invoice: down by credit notes, up by one supplementary invoice."""

    adjustments: list[AdjustmentToMake]

    def given(self) -> tuple[Adjustment, ...]:
        """What the verb is told."""
        return tuple(Adjustment(one.amount, one.reason) for one in self.adjustments)


class InvoiceToVoid(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """`rebill`: whether the periods that it billed are to be billed again."""

    rebill: bool


class WriteOffToMake(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """What is no longer expected; without an amount all that is owed."""

    reason: str
    amount: int | None = None
    metadata: Texts = {}

    def write_off(self) -> NewWriteOff:
        """What the verb is told."""
        return NewWriteOff(self.reason, self.amount, self.metadata)


def wanted(given: list[InvoiceToPay]) -> tuple[Wanted, ...]:
    """The invoices that a payment is meant for. Raises NotFound."""
    return tuple(
        Wanted(InvoiceId(_found("invoice", one.invoice, f"/invoices/{position}/invoice")), one.amount)
        for position, one in enumerate(given)
    )


def _lines(given: list[LineToGiveBack]) -> tuple[LineAmount, ...]:
    return tuple(LineAmount(line.line_no, line.amount) for line in given)


def _found(kind: str, text: str, pointer: str) -> UUID:
    try:
        return find_id(kind, text)
    except BillsmithError as error:
        raise type(error)(error.detail, pointer=pointer) from error
