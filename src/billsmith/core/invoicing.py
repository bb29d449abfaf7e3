"""Making, editing and finalising invoices, and drawing credit on them: what changes, what is posted, what happened.

When a document is issued and due: docs/rules/dates.md.
Every function takes the values loaded under the customer's lock and returns new ones; nothing here reads a clock.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from msgspec.structs import replace

from billsmith.core.collecting.plans import first_plan
from billsmith.core.credits import new_credit
from billsmith.core.customers import external_id, not_deleted, today_of
from billsmith.core.decisions import (
    Decision,
    Standing,
    draw_available,
    draw_for_corrected,
    invoice_changed,
    invoice_fact,
    owing,
    posted,
    with_credit,
)
from billsmith.core.facts import Fact
from billsmith.core.ids import CreditId, InvoiceId
from billsmith.core.invoices import Adjustment, Direction, Document, Invoice, InvoiceDetails, Line, still_draft
from billsmith.core.ledger import BAD_DEBT, CUSTOMER_CREDIT, RECEIVABLE, Posting, billed
from billsmith.core.lines.items import item_of, lines_of, total_of
from billsmith.core.payments.policy import checked_policy
from billsmith.core.periods import Period, period
from billsmith.core.tenants import LONGEST_TERMS_DAYS
from billsmith.core.text import MEMO_LENGTH, TITLE_LENGTH, block_of_text, line_of_text, metadata, statement_text, tags
from billsmith.core.time_zones import EARLIEST, LATEST
from billsmith.errors import Invalid


class DateInvalid(Invalid):
    """A date that this document can't have."""

    code = "date_invalid"


class PayoutNegative(Invalid):
    """A payout pays the customer; what the customer owes is a charge."""

    code = "payout_negative"


def new_draft(
    standing: Standing, details: InvoiceDetails, id_: InvoiceId, at: datetime
) -> tuple[Invoice, tuple[Line, ...]]:
    """A draft of version 0: 1 once it is kept (`drafted`) or finalised. Raises Invalid kinds, CustomerDeleted."""
    not_deleted(standing.customer)
    lines, fields = _content(standing, details, at)
    return _blank(standing, id_, at, fields), lines


def draft_of_lines(
    standing: Standing, lines: Sequence[Line], direction: Direction, currency: str, id_: InvoiceId, at: datetime
) -> Invoice:
    """A draft of version 0 of lines that are worked out already: what a billing run makes. Raises CustomerDeleted."""
    not_deleted(standing.customer)
    net, tax, total = total_of(lines)
    starts = [line.period_start_on for line in lines if line.period_start_on is not None]
    ends = [line.period_end_on for line in lines if line.period_end_on is not None]
    nothing: dict[str, Any] = dict.fromkeys(InvoiceDetails.__struct_fields__)
    for given_otherwise in ("items", "adjustments", "amount_minor", "period"):
        del nothing[given_otherwise]
    fields = nothing | {
        "direction": direction,
        "currency": currency,
        "period_start_on": min(starts, default=None),
        "period_end_on": max([*starts, *ends], default=None),
        "line_count": len(lines),
        "net_minor": net,
        "tax_minor": tax,
        "total_minor": total,
        "metadata": {},
        "tags": (),
    }
    return _blank(standing, id_, at, fields)


def _blank(standing: Standing, id_: InvoiceId, at: datetime, fields: dict[str, Any]) -> Invoice:
    customer = standing.customer
    nothing: dict[str, Any] = dict.fromkeys(_FIGURES, 0)
    return Invoice(
        id=id_,
        tenant_id=customer.tenant_id,
        customer_id=customer.id,
        status="draft",
        collection_state=None,
        next_collect_at=None,
        collection_reason=None,
        last_decline=None,
        revised_by_id=None,
        rebill=None,
        seller_snapshot_id=None,
        buyer_snapshot_id=None,
        version=0,
        created_at=at,
        finalised_at=None,
        settled_at=None,
        **nothing,
        **fields,
    )


def may_be_negative(details: InvoiceDetails) -> bool:
    """Whether a document with this content could come to less than zero; cheap, and never wrongly False."""
    return (
        (details.amount_minor or 0) < 0
        or any(adjustment.amount_minor < 0 for adjustment in details.adjustments)
        or any(
            (item.amount_minor or 0) < 0 or _signed(item.quantity) or _signed(item.unit_price) for item in details.items
        )
    )


def _signed(number: Decimal | None) -> bool:
    """Whether there is a minus sign; unlike a comparison it has an answer for NaN, which is refused later."""
    return number is not None and number.is_signed()


def drafted(invoice: Invoice) -> tuple[Invoice, Fact]:
    """A new draft, kept as a draft."""
    kept = replace(invoice, version=1)
    return kept, invoice_fact("invoice.drafted", kept)


def redrafted(
    standing: Standing, invoice: Invoice, details: InvoiceDetails, at: datetime, kept: tuple[Line, ...] = ()
) -> tuple[Invoice, tuple[Line, ...], Fact]:
    """A draft with other content; `kept` are lines that stay before it. Raises InvoiceNotDraft, CustomerDeleted,
    Invalid kinds.
    """
    still_draft(invoice)
    not_deleted(standing.customer)
    lines, fields = _content(standing, details, at, kept)
    changed = replace(invoice, version=invoice.version + 1, **fields)
    return changed, lines, invoice_fact("invoice.updated", changed)


def details_of(draft: Document) -> InvoiceDetails:
    """What was said about a draft, to be changed in part; an amount that its lines took is on the lines."""
    invoice, lines = draft.invoice, draft.lines
    return InvoiceDetails(
        items=tuple(item_of(line) for line in lines if line.kind != "adjustment" and line.subscription_id is None),
        adjustments=tuple(
            Adjustment(line.amount_minor, line.description) for line in lines if line.kind == "adjustment"
        ),
        currency=invoice.currency,
        direction=invoice.direction,
        title=invoice.title,
        memo=invoice.memo,
        period=_span(invoice.period_start_on, invoice.period_end_on),
        issued_on=invoice.issued_on,
        due_on=invoice.due_on,
        terms_days=invoice.terms_days,
        external_id=invoice.external_id,
        external_number=invoice.external_number,
        payment_method_id=invoice.payment_method_id,
        collection_policy=invoice.collection_policy,
        statement_text=invoice.statement_text,
        adjusts_id=invoice.adjusts_id,
        revises_id=invoice.revises_id,
        metadata=invoice.metadata,
        tags=invoice.tags,
    )


def relabelled(invoice: Invoice, notes: dict[str, str], words: tuple[str, ...]) -> tuple[Invoice, Fact]:
    """An invoice, finalised or not, with other metadata and tags. Raises UnusableText."""
    changed = replace(invoice, metadata=metadata(notes), tags=tags(words), version=invoice.version + 1)
    return changed, invoice_fact("invoice.updated", changed)


def draft_held(invoice: Invoice) -> tuple[Invoice, Fact]:
    """A draft that does not finalise itself. Raises InvoiceNotDraft."""
    still_draft(invoice)
    held = replace(invoice, finalise_at=None, version=invoice.version + 1)
    return held, invoice_fact("invoice.updated", held)


def deleted_draft(invoice: Invoice) -> Fact:
    """What is told about a draft that is deleted. Raises InvoiceNotDraft."""
    still_draft(invoice)
    return invoice_fact("invoice.deleted", replace(invoice, version=invoice.version + 1))


class GiveBack(msgspec.Struct, frozen=True, gc=False):
    """What a document gives back of an earlier one: more than zero, tax included."""

    corrected: Invoice
    amount_minor: int

    @property
    def absorbed_minor(self) -> int:
        """What of it was written off: after what is still owed, before what was paid."""
        return max(0, min(self.amount_minor - self.corrected.balance_minor, self.corrected.recoverable_minor))


def finalise(
    standing: Standing,
    draft: Invoice,
    lines: Sequence[Line],
    at: datetime,
    credit_id: CreditId,
    give_backs: Sequence[GiveBack] = (),
) -> Decision:
    """The draft becomes a document: dated, posted, settled as far as credit goes.

    A positive charge draws the customer's credit; a negative one becomes credit (`credit_id`), which is drawn on what
    is owed, oldest due first; a total of zero is settled at once. What it gives back (`give_backs`) of written-off
    money is absorbed, and what is negative then is drawn on the corrected invoices first.
    Rules: docs/rules/credit.md, docs/rules/give-back.md, docs/rules/ledger.md.
    Raises InvoiceNotDraft, CustomerDeleted, PayoutNegative, DateInvalid.
    """
    still_draft(draft)
    not_deleted(standing.customer)
    if draft.direction == "payout" and draft.total_minor < 0:
        raise PayoutNegative("a payout invoice can't have a negative total; make it a charge", pointer="/items")
    invoice = _dated(standing, draft, at)
    issued_on = invoice.issued_on or today_of(standing.customer, at)
    decision = posted(Decision(standing), billed(invoice, lines, issued_on))
    decision, invoice, corrected = _absorbed(decision, invoice, give_backs, issued_on)
    rest = invoice.total_minor - invoice.absorbed_minor
    if rest > 0:
        invoice = first_plan(standing, replace(invoice, status="open"), at)
        decision = invoice_changed(decision, invoice, "invoice.finalised")
        if invoice.direction == "payout":
            return decision
        return draw_available(owing(decision, invoice), at, issued_on, on=(invoice,))
    invoice = replace(invoice, status="paid", settled_at=at, moved_to_credit_minor=rest)
    decision = invoice_changed(decision, invoice, "invoice.finalised")
    decision = invoice_changed(decision, replace(invoice, version=invoice.version + 1), "invoice.paid")
    if rest == 0:
        return decision
    decision = _with_new_credit(decision, invoice, credit_id, issued_on, at)
    if corrected:
        decision = draw_for_corrected(decision, credit_id, corrected, at, issued_on)
    return draw_available(decision, at, issued_on, on=decision.standing.owed)


def _absorbed(
    decision: Decision, invoice: Invoice, give_backs: Sequence[GiveBack], on: date
) -> tuple[Decision, Invoice, list[Invoice]]:
    """What is given back of written-off money is taken out: it was never paid, so it pays for nothing."""
    corrected = []
    for one in give_backs:
        amount = one.absorbed_minor
        now = one.corrected
        if amount:
            now = replace(now, unrecoverable_minor=now.unrecoverable_minor + amount, version=now.version + 1)
            posting = Posting("absorbed", RECEIVABLE, BAD_DEBT, amount, invoice.currency, on, invoice_id=invoice.id)
            decision = invoice_changed(posted(decision, [posting]), now, "invoice.corrected")
            invoice = replace(invoice, absorbed_minor=invoice.absorbed_minor - amount)
        corrected.append(now)
    return decision, invoice, corrected


_FIGURES = (
    "paid_minor", "credit_applied_minor", "credit_noted_minor", "written_off_minor", "voided_minor",
    "moved_to_credit_minor", "absorbed_minor", "refunded_minor", "attempt_count",
)  # fmt: skip


def _span(start_on: date | None, end_on: date | None) -> Period | None:
    return None if start_on is None or end_on is None else Period(start_on, end_on)


def _content(
    standing: Standing, details: InvoiceDetails, at: datetime, kept: tuple[Line, ...] = ()
) -> tuple[tuple[Line, ...], dict[str, Any]]:
    """The lines, `kept` ones first, and every field that a caller decides."""
    tenant, customer = standing.tenant, standing.customer
    currency = customer.currency if details.currency is None else details.currency
    title = None if details.title is None else line_of_text(details.title, TITLE_LENGTH, "/title")
    lines = kept
    if not kept or details.items or details.adjustments or details.amount_minor is not None:
        lines += lines_of(details, currency, customer.time_zone, tenant.settings)
    net, tax, total = total_of(lines)
    _check_dates(details, today_of(customer, at))
    span = details.period and period(details.period.start_on, details.period.end_on)
    return lines, {
        "direction": details.direction,
        "currency": currency,
        "external_id": external_id(details.external_id),
        "external_number": external_id(details.external_number, "/external_number"),
        "title": title,
        "memo": None if details.memo is None else block_of_text(details.memo, MEMO_LENGTH, "/memo"),
        "period_start_on": span and span.start_on,
        "period_end_on": span and span.end_on,
        "terms_days": details.terms_days,
        "issued_on": details.issued_on,
        "due_on": details.due_on,
        "line_count": len(lines),
        "net_minor": net,
        "tax_minor": tax,
        "total_minor": total,
        "payment_method_id": details.payment_method_id,
        "collection_policy": details.collection_policy and checked_policy(details.collection_policy),
        "statement_text": None if details.statement_text is None else statement_text(details.statement_text),
        "adjusts_id": details.adjusts_id,
        "revises_id": details.revises_id,
        "metadata": metadata(details.metadata),
        "tags": tags(details.tags),
    }


def _check_dates(details: InvoiceDetails, today: date) -> None:
    if details.due_on is not None and details.terms_days is not None:
        raise DateInvalid("give a due date or terms, not both", pointer="/terms_days")
    if details.terms_days is not None and not 0 <= details.terms_days <= LONGEST_TERMS_DAYS:
        raise DateInvalid(f"terms are 0 to {LONGEST_TERMS_DAYS} days", pointer="/terms_days")
    if details.issued_on is not None and not EARLIEST <= details.issued_on <= today:
        raise DateInvalid(
            f"an invoice is issued between {EARLIEST} and its customer's today, {today}", pointer="/issued_on"
        )
    if details.due_on is not None and not EARLIEST <= details.due_on < LATEST:
        raise DateInvalid(f"a due date is between {EARLIEST} and {LATEST}", pointer="/due_on")
    if details.due_on is not None and details.issued_on is not None:
        _check_due(details.due_on, details.issued_on)


def _check_due(due_on: date, issued_on: date) -> None:
    if due_on < issued_on:
        raise DateInvalid(f"the due date {due_on} is before the day of issue, {issued_on}", pointer="/due_on")


def _dated(standing: Standing, draft: Invoice, at: datetime) -> Invoice:
    customer, tenant = standing.customer, standing.tenant
    issued_on = draft.issued_on or today_of(customer, at)
    terms = next(
        days for days in (draft.terms_days, customer.terms_days, tenant.settings.terms_days) if days is not None
    )
    due_on = draft.due_on or issued_on + timedelta(days=terms)
    _check_due(due_on, issued_on)
    return replace(
        draft,
        issued_on=issued_on,
        due_on=due_on,
        seller_snapshot_id=tenant.snapshot_id,
        buyer_snapshot_id=customer.snapshot_id,
        finalised_at=at,
        finalise_at=None,
        version=draft.version + 1,
    )


def _with_new_credit(
    decision: Decision, invoice: Invoice, credit_id: CreditId, granted_on: date, at: datetime
) -> Decision:
    amount = -invoice.moved_to_credit_minor
    credit = new_credit(
        credit_id, invoice.tenant_id, invoice.customer_id, "negative_total", invoice.currency, amount, granted_on, at,
        invoice_id=invoice.id,
    )  # fmt: skip
    return with_credit(
        decision,
        credit,
        [
            Posting(
                "negative_total",
                RECEIVABLE,
                CUSTOMER_CREDIT,
                amount,
                invoice.currency,
                granted_on,
                invoice_id=invoice.id,
                credit_id=credit_id,
            )
        ],
    )
