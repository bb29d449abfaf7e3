"""Credit notes: a finalised invoice corrected downwards, line by line. Rule: docs/rules/credit-notes.md"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from fractions import Fraction

import msgspec
from msgspec.structs import replace

from billsmith.core.correcting.write_offs import write_offs_reversed
from billsmith.core.credits import new_credit
from billsmith.core.decisions import (
    Decision,
    draw_available,
    invoice_changed,
    posted,
    row_changed,
    settled_if_paid,
    with_credit,
)
from billsmith.core.ids import CreditId, CreditNoteId
from billsmith.core.invoices import Invoice, Line
from billsmith.core.ledger import BILLED_REVENUE, CUSTOMER_CREDIT, RECEIVABLE, TAX_PAYABLE, Posting, PostingKind
from billsmith.core.money import round_half_away
from billsmith.core.payments.corrections import (
    CorrectionInvalid,
    CorrectionRefused,
    CreditNote,
    CreditNoteLine,
    WriteOff,
)
from billsmith.core.payments.disputes import Dispute
from billsmith.core.payments.payment import Allocation
from billsmith.core.payments.refunds import LineAmount, Refund
from billsmith.core.text import DESCRIPTION_LENGTH, block_of_text


class Corrected(msgspec.Struct, frozen=True, gc=False):
    """An invoice with its lines, and what its credit notes and write-offs took back so far."""

    invoice: Invoice
    lines: tuple[Line, ...]
    notes: tuple[CreditNote, ...] = ()
    write_offs: tuple[WriteOff, ...] = ()
    pending: tuple[Refund, ...] = ()
    """Refunds of it that have not ended: what they give back is reserved."""
    held_minor: int = 0
    """What of its paid part disputes hold, or took at our expense (`held_by_disputes`)."""


def held_by_disputes(allocations: Iterable[Allocation], disputes: Iterable[Dispute]) -> int:
    """What of the payments set against an invoice disputes hold or took: we do not have it, so it is no credit.

    A dispute of a payment of several invoices counts for each of them.
    """
    gone = sum(one.amount_minor for one in disputes if one.status == "open" or one.outcome == "expensed")
    return min(gone, sum(allocation.net_minor for allocation in allocations))


def left_of_lines(corrected: Corrected) -> list[tuple[int, int]]:
    """(net, tax) of every line that no credit note has taken back yet."""
    left = [(line.net_minor, line.tax_minor) for line in corrected.lines]
    for note in corrected.notes:
        for taken in note.lines:
            net, tax = left[taken.invoice_line_no - 1]
            left[taken.invoice_line_no - 1] = net - taken.net_minor, tax - taken.tax_minor
    return left


def note_lines(
    corrected: Corrected, amount_minor: int | None, wanted: Sequence[LineAmount]
) -> tuple[CreditNoteLine, ...]:
    """The lines of a credit note: the wanted parts of lines, `amount_minor` of all in proportion, or all that is left.

    Shares lose nothing: cut towards zero, then the largest remainders get one unit more, ties to the earlier line. The
    tax of a part is the line's tax in the same proportion, rounded once; the last part takes what is left of it.
    Raises CorrectionInvalid, CorrectionRefused.
    """
    left = left_of_lines(corrected)
    totals = [net + tax for net, tax in left]
    rest = sum(totals)
    if rest <= 0:
        raise CorrectionRefused("nothing is left of this invoice to be taken back")
    if wanted:
        parts = _wanted(totals, wanted)
        if amount_minor is not None and sum(parts) != amount_minor:
            raise CorrectionInvalid(
                f"the lines come to {sum(parts)}, the amount given is {amount_minor}", pointer="/amount"
            )
    else:
        amount = rest if amount_minor is None else amount_minor
        if not 0 < amount <= rest:
            raise CorrectionInvalid(f"between 1 and {rest} can be taken back", pointer="/amount")
        parts = _in_proportion(totals, amount)
    return tuple(
        _note_line(position, corrected.lines[position], part, left[position])
        for position, part in enumerate(parts)
        if part or (not wanted and amount_minor is None and left[position] != (0, 0))
    )


def credited(
    decision: Decision,
    corrected: Corrected,
    lines: Sequence[CreditNoteLine],
    reason: str,
    id_: CreditNoteId,
    credit_id: CreditId,
    on: date,
    at: datetime,
    metadata: dict[str, str],
) -> Decision:
    """Issue a credit note: first against what is still owed, then against what was written off; the rest is credit.

    So credit is never made of money that was not paid. Raises CorrectionRefused.
    """
    invoice = corrected.invoice
    if invoice.status not in ("open", "paid", "uncollectible") or invoice.direction == "payout":
        raise CorrectionRefused(f"this {invoice.direction} is {invoice.status}; it can't be corrected by a credit note")
    if invoice.has_live_attempt:
        raise CorrectionRefused("a charge of this invoice is under way; wait for what becomes of it")
    total = sum(line.total_minor for line in lines)
    owed = min(total, invoice.balance_minor)
    absorbed = min(total - owed, invoice.recoverable_minor)
    paid = total - owed - absorbed
    if paid > _creditable(corrected):
        raise CorrectionRefused("more than what was owed, written off or paid would be taken back")
    if absorbed:
        decision, invoice = write_offs_reversed(decision, invoice, corrected.write_offs, absorbed, on)
    note = _note(corrected, lines, (owed, absorbed, paid), reason, id_, on, at, metadata)
    note = replace(note, credit_id=credit_id if paid else None)
    decision = row_changed(decision, note, "credit_note.issued")
    decision = posted(
        decision, note_postings(note, owed + absorbed, RECEIVABLE, ("credit_noted_net", "credit_noted_tax"))
    )
    invoice = replace(
        invoice,
        credit_noted_minor=invoice.credit_noted_minor + owed + absorbed,
        version=invoice.version + 1,
    )
    decision = invoice_changed(decision, settled_if_paid(invoice, at), "invoice.corrected")
    if not paid:
        return draw_available(decision, at, on, on=decision.standing.owed)
    credit = new_credit(
        credit_id, invoice.tenant_id, invoice.customer_id, "credit_note", invoice.currency, paid, on, at,
        invoice_id=invoice.id, reason=note.reason,
    )  # fmt: skip
    postings = note_postings(
        note, paid, CUSTOMER_CREDIT, ("credit_noted_net", "credit_noted_tax"), after_minor=owed + absorbed,
        credit_id=credit_id,
    )  # fmt: skip
    return draw_available(with_credit(decision, credit, postings), at, on, on=decision.standing.owed)


def refund_note(
    corrected: Corrected,
    lines: Sequence[CreditNoteLine],
    reason: str,
    id_: CreditNoteId,
    on: date,
    at: datetime,
) -> CreditNote:
    """The credit note that a refund issues when it succeeds: all of it is of the paid part."""
    total = sum(line.total_minor for line in lines)
    return _note(corrected, lines, (0, 0, total), reason, id_, on, at, {})


def note_postings(
    note: CreditNote,
    amount_minor: int,
    to: str,
    kinds: tuple[PostingKind, PostingKind],
    *,
    after_minor: int = 0,
    credit_id: CreditId | None = None,
) -> list[Posting]:
    """`amount_minor` of a note's lines, after the first `after_minor`: net and tax of each, to the account `to`.

    A line that is divided gives its net first. A negative line is mirrored.
    """
    postings: list[Posting] = []
    if amount_minor == 0:
        return postings
    negative = sum(min(line.net_minor, 0) + min(line.tax_minor, 0) for line in note.lines)
    skip, left = (after_minor - negative if after_minor else 0), amount_minor
    for line in _positive_last(note.lines):
        for kind, account, whole in (
            (kinds[0], BILLED_REVENUE, line.net_minor),
            (kinds[1], TAX_PAYABLE, line.tax_minor),
        ):
            part = whole
            if whole > 0:
                passed = min(skip, whole)
                skip -= passed
                part = min(whole - passed, left)
            elif after_minor:
                part = 0  # negative lines went with the first part
            left -= part
            if part:
                debit, credit = (account, to) if part > 0 else (to, account)
                posting = Posting(
                    kind, debit, credit, abs(part), note.currency, note.issued_on,
                    invoice_id=note.invoice_id, line_no=line.invoice_line_no, credit_id=credit_id,
                    refund_id=note.refund_id, credit_note_id=note.id,
                )  # fmt: skip
                postings.append(posting)
    assert left == 0, "a credit note's parts must add up"
    return postings


def _positive_last(lines: Sequence[CreditNoteLine]) -> list[CreditNoteLine]:
    return sorted(lines, key=lambda line: line.total_minor > 0)


def _wanted(totals: Sequence[int], wanted: Sequence[LineAmount]) -> list[int]:
    parts = [0] * len(totals)
    for position, part in enumerate(wanted):
        pointer = f"/lines/{position}"
        if not 1 <= part.line_no <= len(totals):
            raise CorrectionInvalid(f"this invoice has no line {part.line_no}", pointer=f"{pointer}/line_no")
        if parts[part.line_no - 1]:
            raise CorrectionInvalid(f"line {part.line_no} is named twice", pointer=f"{pointer}/line_no")
        if not 0 < part.amount_minor <= totals[part.line_no - 1]:
            raise CorrectionInvalid(
                f"between 1 and {max(totals[part.line_no - 1], 0)} of line {part.line_no} can be taken back",
                pointer=f"{pointer}/amount",
            )
        parts[part.line_no - 1] = part.amount_minor
    return parts


def _in_proportion(totals: Sequence[int], amount: int) -> list[int]:
    whole = sum(totals)
    exact = [Fraction(total * amount, whole) for total in totals]
    parts = [int(share) for share in exact]  # towards zero
    left = amount - sum(parts)
    step = 1 if left >= 0 else -1
    for position in sorted(range(len(parts)), key=lambda p: (step * (parts[p] - exact[p]), p))[: abs(left)]:
        parts[position] += step
    return parts


def _note_line(position: int, line: Line, part: int, left: tuple[int, int]) -> CreditNoteLine:
    net_left, tax_left = left
    if part == net_left + tax_left:
        net, tax = left
    else:
        tax = round_half_away(Fraction(part * tax_left, net_left + tax_left))
        net = part - tax
    return CreditNoteLine(position + 1, line.description, net, tax, part)


def _note(
    corrected: Corrected,
    lines: Sequence[CreditNoteLine],
    parts: tuple[int, int, int],
    reason: str,
    id_: CreditNoteId,
    on: date,
    at: datetime,
    metadata: dict[str, str],
) -> CreditNote:
    invoice = corrected.invoice
    net, tax = sum(line.net_minor for line in lines), sum(line.tax_minor for line in lines)
    return CreditNote(
        id=id_,
        tenant_id=invoice.tenant_id,
        customer_id=invoice.customer_id,
        invoice_id=invoice.id,
        refund_id=None,
        credit_id=None,
        currency=invoice.currency,
        net_minor=net,
        tax_minor=tax,
        total_minor=net + tax,
        owed_minor=parts[0],
        written_off_minor=parts[1],
        paid_minor=parts[2],
        reason=block_of_text(reason, DESCRIPTION_LENGTH, "/reason"),
        issued_on=on,
        lines=tuple(lines),
        metadata=metadata,
        version=1,
        created_at=at,
    )


def _creditable(corrected: Corrected) -> int:
    """What of the paid part can become credit: not given back, reserved, disputed or turned into credit before."""
    invoice = corrected.invoice
    before = sum(note.paid_minor for note in corrected.notes if note.refund_id is None)
    reserved = sum(refund.amount_minor for refund in corrected.pending)
    settled = invoice.paid_minor - invoice.refunded_minor + invoice.credit_applied_minor
    return settled - before - reserved - corrected.held_minor
