"""Write-offs: what we no longer expect; undone, recovered, taken back by a credit note. Rule: docs/rules/write-off.md

Each moves receivable and bad_debt only: none of it makes credit, or anything that could be spent.
"""

from collections.abc import Sequence
from datetime import date, datetime

from msgspec.structs import replace

from billsmith.core.decisions import Decision, draw_available, invoice_changed, owing, posted, row_changed
from billsmith.core.ids import WriteOffId
from billsmith.core.invoices import Invoice
from billsmith.core.ledger import BAD_DEBT, RECEIVABLE, Posting
from billsmith.core.payments.corrections import CorrectionInvalid, CorrectionRefused, WriteOff
from billsmith.core.payments.policy import COLLECTION_ENDED
from billsmith.core.text import DESCRIPTION_LENGTH, block_of_text


def written_off(
    decision: Decision,
    invoice: Invoice,
    amount_minor: int | None,
    reason: str,
    id_: WriteOffId,
    on: date,
    at: datetime,
    metadata: dict[str, str],
) -> Decision:
    """Write off `amount_minor`, or all that is owed. All of it: the invoice is `uncollectible` and out of collection.

    Raises CorrectionRefused unless something is owed, CorrectionInvalid.
    """
    if invoice.status != "open" or invoice.direction == "payout":
        raise CorrectionRefused(f"nothing can be written off: this {invoice.direction} is {invoice.status}")
    amount = invoice.balance_minor if amount_minor is None else amount_minor
    if not 0 < amount <= invoice.balance_minor:
        raise CorrectionInvalid(f"between 1 and {invoice.balance_minor} can be written off", pointer="/amount")
    write_off = WriteOff(
        id=id_,
        tenant_id=invoice.tenant_id,
        customer_id=invoice.customer_id,
        invoice_id=invoice.id,
        currency=invoice.currency,
        amount_minor=amount,
        reversed_minor=0,
        reason=block_of_text(reason, DESCRIPTION_LENGTH, "/reason"),
        written_off_on=on,
        metadata=metadata,
        version=1,
        created_at=at,
    )
    decision = posted(
        row_changed(decision, write_off, "write_off.created"),
        [Posting(
            "written_off", BAD_DEBT, RECEIVABLE, amount, invoice.currency, on, invoice_id=invoice.id, write_off_id=id_
        )],
    )  # fmt: skip
    changed = replace(invoice, written_off_minor=invoice.written_off_minor + amount, version=invoice.version + 1)
    if changed.balance_minor:
        return invoice_changed(decision, changed, "invoice.written_off")
    # A charge under way goes on; what it brings is a recovery.
    plan = {} if invoice.has_live_attempt else COLLECTION_ENDED
    changed = replace(changed, status="uncollectible", settled_at=at, **plan)
    return invoice_changed(decision, changed, "invoice.uncollectible")


def write_offs_reversed(
    decision: Decision, invoice: Invoice, write_offs: Sequence[WriteOff], amount_minor: int, on: date
) -> tuple[Decision, Invoice]:
    """Take `amount_minor` of an invoice's write-offs back, the latest first; the invoice owes it again.

    The invoice is given back for the next step of the same verb: its status is as before, its version not yet raised.
    """
    left = amount_minor
    for write_off in sorted(write_offs, key=lambda one: one.id.int, reverse=True):
        part = min(left, write_off.left_minor)
        if part == 0:
            continue
        left -= part
        changed = replace(write_off, reversed_minor=write_off.reversed_minor + part, version=write_off.version + 1)
        posting = Posting(
            "write_off_reversed", RECEIVABLE, BAD_DEBT, part, invoice.currency, on,
            invoice_id=invoice.id, write_off_id=write_off.id,
        )  # fmt: skip
        decision = posted(row_changed(decision, changed, "write_off.reversed"), [posting])
    assert left == 0, "more than was written off"
    return decision, replace(invoice, written_off_minor=invoice.written_off_minor - amount_minor)


def write_off_undone(decision: Decision, invoice: Invoice, write_off: WriteOff, on: date, at: datetime) -> Decision:
    """What still stands of a write-off is owed again; credit is drawn on it, collection waits to be asked for.

    What a later document absorbed stays written off. Raises CorrectionRefused.
    """
    amount = min(write_off.left_minor, invoice.recoverable_minor)
    if amount == 0:
        raise CorrectionRefused("nothing is left of this write-off")
    decision, changed = write_offs_reversed(decision, invoice, [write_off], amount, on)
    changed = replace(changed, version=invoice.version + 1)
    if invoice.status == "uncollectible":
        plan = {} if invoice.has_live_attempt else {"collection_state": "stopped", "collection_reason": "reopened"}
        changed = replace(changed, status="open", settled_at=None, **plan)
    decision = owing(invoice_changed(decision, changed, "invoice.write_off_reversed"), changed)
    return draw_available(decision, at, on, on=decision.standing.owed)
