"""The ledger's transfers, read back with what caused them. How they are written: `ledger.py`."""

from datetime import date, datetime
from uuid import UUID

import msgspec

from billsmith.core.ids import (
    CreditId,
    CreditNoteId,
    CustomerId,
    DisputeId,
    InvoiceId,
    PaymentId,
    RefundId,
    TenantId,
    TransferId,
    WriteOffId,
    shard_of,
)
from billsmith.core.ledger import PostingKind
from billsmith.store.pool import Connection, Pool
from billsmith.store.queries import load

_SQL = load("transfers")


class CausedTransfer(msgspec.Struct, frozen=True, gc=False):
    """A transfer as it is read back: with who caused it, why, in which request, and when by the tenant's clock."""

    id: TransferId
    customer_id: CustomerId | None
    """None: money that nobody was asked for, as yet nobody's."""
    kind: PostingKind
    debit: str
    credit: str
    amount_minor: int
    currency: str
    accounting_on: date
    period_start_on: date | None
    period_end_on: date | None
    invoice_id: InvoiceId | None
    line_no: int | None
    credit_id: CreditId | None
    payment_id: PaymentId | None
    refund_id: RefundId | None
    dispute_id: DisputeId | None
    credit_note_id: CreditNoteId | None
    write_off_id: WriteOffId | None
    to_customer_id: CustomerId | None
    actor: str
    reason: str | None
    request_id: str
    caused_at: datetime


async def list_transfers(
    connection: Connection | Pool,
    tenant_id: TenantId,
    customer_id: UUID | None,
    invoice_id: UUID | None,
    after_id: UUID | None,
    limit: int,
) -> list[CausedTransfer]:
    """Up to `limit` transfers of a customer, an invoice or both, newest first, behind `after_id`."""
    owner = customer_id or invoice_id
    assert owner is not None, "there is no list of all transfers"
    values = (shard_of(owner), customer_id, invoice_id, after_id, limit)
    return [CausedTransfer(*row) for row in await connection.fetch(_SQL["list_transfers"], tenant_id, *values)]
