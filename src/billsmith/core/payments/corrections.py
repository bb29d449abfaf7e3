"""What corrects a finalised invoice downwards: credit notes and write-offs. How: `correcting/`."""

from datetime import date, datetime

import msgspec

from billsmith.core.ids import CreditId, CreditNoteId, CustomerId, InvoiceId, RefundId, TenantId, WriteOffId
from billsmith.errors import Conflict, Invalid


class CreditNoteLine(msgspec.Struct, frozen=True, gc=False):
    """A part of one line of the corrected invoice, with its share of tax; all positive where the line is."""

    invoice_line_no: int
    description: str
    net_minor: int
    tax_minor: int
    total_minor: int


class CreditNote(msgspec.Struct, frozen=True, gc=False):
    """The document that corrects an invoice downwards. The fields stand in the order of the table's columns.

    total = owed + written_off + paid: what became of the part that it takes back.
    """

    id: CreditNoteId
    tenant_id: TenantId
    customer_id: CustomerId
    invoice_id: InvoiceId
    refund_id: RefundId | None
    """The refund whose success issued it."""
    credit_id: CreditId | None
    """The credit that its paid part became, where it was not given back by a refund."""
    currency: str
    net_minor: int
    tax_minor: int
    total_minor: int
    owed_minor: int
    """Set against what was still owed."""
    written_off_minor: int
    """Set against what had been written off, which is bad debt no longer."""
    paid_minor: int
    """Of what had been paid: given back by the refund, or credit."""
    reason: str
    issued_on: date
    lines: tuple[CreditNoteLine, ...]
    metadata: dict[str, str]
    version: int
    created_at: datetime


class WriteOff(msgspec.Struct, frozen=True, gc=False):
    """What we no longer expect of an invoice. The fields stand in the order of the table's columns."""

    id: WriteOffId
    tenant_id: TenantId
    customer_id: CustomerId
    invoice_id: InvoiceId
    currency: str
    amount_minor: int
    reversed_minor: int
    """Taken back by undoing it, by money that came after all, or by a credit note."""
    reason: str
    written_off_on: date
    metadata: dict[str, str]
    version: int
    created_at: datetime

    @property
    def left_minor(self) -> int:
        """What of it still stands."""
        return self.amount_minor - self.reversed_minor


class CorrectionInvalid(Invalid):
    """A correction that can't be meant."""

    code = "correction_invalid"


class CorrectionRefused(Conflict):
    """This invoice can't be corrected so: wrong state, or more than is left of it."""

    code = "correction_refused"
