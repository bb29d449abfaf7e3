"""What the engine has, in the referee's words: an account's documents, numbered from 1 as they came to be.

A granted or moved credit is a document of its own there; a supplementary invoice and credit notes belong to the
invoice they correct.
"""

from collections.abc import Iterable
from datetime import date
from uuid import UUID

import msgspec

from billsmith.actions import credits, customers, invoices
from billsmith.actions.money import corrections
from billsmith.actions.money import payments as payment_actions
from billsmith.actions.money.payments import PaymentInFull
from billsmith.actions.transfers import list_transfers
from billsmith.core.credits import Credit
from billsmith.core.invoices import Document, Line
from billsmith.core.ledger import Balance
from billsmith.core.payments.corrections import CreditNote
from billsmith.store.listing import Filters
from billsmith.store.money.payments import get_shares
from billsmith.store.transfers import CausedTransfer
from tests.cases.scenarios.world import Account, Shown, World

MOST = 900
LINES = {"recurring": "RECURRING", "fixed": "FIXED", "usage": "USAGE", "one_off": "EXTERNAL_CHARGE"}
CREDIT_MOVES = {
    "credit_drawn": -1, "credit_returned": 1, "credit_expired": -1, "credit_deleted": -1, "credit_refunded": -1,
}  # fmt: skip
NOT_THERE = ("awaiting_payment", "abandoned")


class Item(msgspec.Struct, frozen=True):
    """One item, as the referee writes it; amounts in minor units."""

    type: str
    start_date: date | None
    end_date: date | None
    amount_minor: int
    made_on: bool = False
    """Its date is the day on which it was made, not a period of service."""


class Paper(msgspec.Struct):
    """A numbered document with everything that became of it."""

    id: UUID
    items: list[Item]
    status: str
    balance_minor: int
    paid_minor: int
    issued_on: date | None
    document: Document | None = None
    also: list[Document] = []
    """The supplementary invoices that correct it upwards."""

    @property
    def draft(self) -> bool:
        """Whether it is only a draft."""
        return self.status == "DRAFT"

    def sum_of(self, *types: str) -> int:
        """The sum of its items of these types."""
        return sum(item.amount_minor for item in self.items if item.type in types)

    @property
    def amount_minor(self) -> int:
        """The sum of its items without credit."""
        return sum(item.amount_minor for item in self.items if item.type != "CBA_ADJ")


class Books(msgspec.Struct):
    """All that an account has."""

    account: Account
    papers: list[Paper]
    balance: Balance
    payments: list[PaymentInFull]
    bill_cycle_day: int | None
    notes: dict[UUID, list[CreditNote]]

    def paper(self, number: int, *, without_voided: bool = False) -> Paper | None:
        """The document of that number."""
        papers = [one for one in self.papers if not (without_voided and one.status == "VOID")]
        return papers[number - 1] if 0 < number <= len(papers) else None

    def number_of(self, invoice_id: UUID) -> int | None:
        """The number of an invoice, or of the one that it supplements."""
        for number, paper in enumerate(self.papers, 1):
            if paper.id == invoice_id or any(one.invoice.id == invoice_id for one in paper.also):
                return number
        return None


async def read_books(world: World, account: Account) -> Books:
    """Everything about one account, as it is now."""
    context, tenant = world.context, world.call.tenant
    of_account = Filters(limit=MOST, customer_id=account.id, hidden=True)
    documents = await invoices.list_invoices(context, tenant, of_account, lines=True)
    documents = [one for one in documents if one.invoice.status not in NOT_THERE]
    found_credits = await credits.list_credits(context, tenant, of_account)
    notes: dict[UUID, list[CreditNote]] = {}
    for numbered in reversed(await corrections.list_credit_notes(context, tenant, of_account)):
        notes.setdefault(numbered.note.invoice_id, []).append(numbered.note)
    moved = await list_transfers(context, tenant, MOST * 5, customer_id=account.id)
    postings = moved[::-1]
    balances = await customers.get_balances(context, tenant, [account.id])
    customer = await customers.get_customer(context, tenant, account.id)
    papers = _papers(world, documents, found_credits, notes, postings)
    return Books(
        account=account,
        papers=papers,
        balance=balances.get(account.id, {}).get(account.currency, Balance()),
        payments=await _payments(world, of_account),
        bill_cycle_day=customer.bill_cycle_day,
        notes=notes,
    )


async def _payments(world: World, of_account: Filters) -> list[PaymentInFull]:
    """Payments in their order. There a charge that failed and is tried again by itself stays one payment."""
    context, tenant = world.context, world.call.tenant
    listed = await payment_actions.list_payments(context, tenant, of_account)
    found: list[PaymentInFull] = []
    tried: dict[frozenset[UUID], int] = {}
    for one in reversed(listed):
        payment = await payment_actions.get_payment(context, tenant, one.id)
        shares = await get_shares(context.pool, tenant.id, [attempt.id for attempt in payment.attempts])
        key = frozenset(share.invoice_id for several in shares.values() for share in several)
        before = tried.get(key)
        if one.id in world.asked_payments or not key:
            found.append(payment)
        elif before is not None and found[before].payment.status == "failed":
            found[before] = payment
        else:
            tried[key] = len(found)
            found.append(payment)
    return found


def _papers(
    world: World,
    documents: list[Document],
    found_credits: list[Credit],
    notes: dict[UUID, list[CreditNote]],
    postings: list[CausedTransfer],
) -> list[Paper]:
    papers: dict[UUID, Paper] = {}
    for document in sorted(documents, key=lambda one: one.invoice.id.int):
        target = document.invoice.adjusts_id
        if target in papers:
            _add(world, papers[target], document, notes, postings)
            papers[target].also.append(document)
        else:
            invoice = document.invoice
            paper = Paper(invoice.id, [], _status(document), 0, 0, invoice.issued_on, document, [])
            _add(world, paper, document, notes, postings)
            papers[invoice.id] = paper
    for credit in sorted(found_credits, key=lambda one: one.id.int):
        _place_credit(world, papers, credit, postings)
    return sorted([*papers.values(), *_moved_away(postings)], key=lambda paper: paper.id.int)


def _add(
    world: World, paper: Paper, document: Document, notes: dict[UUID, list[CreditNote]], postings: list[CausedTransfer]
) -> None:
    """The items of one document, and of what corrects it, credit given and drawn."""
    invoice = document.invoice
    if invoice.status not in ("draft", "void"):
        paper.balance_minor += invoice.balance_minor
        paper.paid_minor += invoice.paid_minor
    for line_no, line in enumerate(document.lines, 1):
        paper.items.append(item_of(line, world.shown.get((invoice.id, line_no))))
    for note in notes.get(invoice.id, ()):
        for line in note.lines:
            shown = world.shown.get((note.id, line.invoice_line_no)) or world.shown.get((note.id, None))
            if shown is None:
                shown = Shown("ITEM_ADJ", note.issued_on, note.issued_on)
                if note.id in world.credit_given_on:
                    shown = Shown("CREDIT_ADJ", note.issued_on, note.issued_on)
            paper.items.append(Item(shown.type, shown.start_date, shown.end_date, -line.total_minor, made_on=True))
    drawn: dict[tuple[date, int], int] = {}
    for posting in postings:
        if posting.invoice_id == invoice.id and posting.kind in ("credit_drawn", "credit_returned"):
            sign = CREDIT_MOVES[posting.kind]
            key = (posting.accounting_on, sign)
            drawn[key] = drawn.get(key, 0) + sign * posting.amount_minor
    paper.items.extend(credit_item(on, amount) for (on, _), amount in drawn.items())


def item_of(line: Line, shown: Shown | None = None) -> Item:
    """A line of ours as the referee writes it, or as the case itself named it."""
    amount = line.total_minor
    if shown is not None:
        return Item(shown.type, shown.start_date, shown.end_date, amount)
    type_ = LINES.get(line.kind)
    if type_ is None:
        type_ = "REPAIR_ADJ" if line.kind == "proration_credit" else "CREDIT_ADJ" if amount < 0 else "EXTERNAL_CHARGE"
    return Item(type_, line.period_start_on, line.period_end_on, amount)


def credit_item(on: date, amount: int) -> Item:
    """Credit that was given, or, below zero, drawn."""
    return Item("CBA_ADJ", on, on, amount, made_on=True)


def _place_credit(world: World, papers: dict[UUID, Paper], credit: Credit, postings: Iterable[CausedTransfer]) -> None:
    """A credit shows on the invoice it came of, or as a document of its own; what left it shows there too."""
    target = world.credit_given_on.get(credit.id) or credit.invoice_id
    given = credit_item(credit.granted_on, credit.amount_minor)
    gone = _gone(credit, postings)
    if target is not None and target in papers:
        paper = papers[target]
        if credit.id in world.credit_given_on:
            _merge_credit(paper, credit)
        paper.items.extend([given, *gone])
    elif credit.source in ("granted", "moved", "payment"):
        asked = Item("CREDIT_ADJ", credit.granted_on, credit.granted_on, -credit.amount_minor, made_on=True)
        items = [given, *gone] if credit.source == "payment" else [asked, given, *gone]
        if credit.source != "payment":
            papers[credit.id] = Paper(credit.id, items, "COMMITTED", 0, 0, credit.granted_on, None, [])


def _merge_credit(paper: Paper, credit: Credit) -> None:
    """A credit note and the credit beside it, given on one invoice at once, are one item there."""
    asked = -credit.amount_minor
    for position, item in enumerate(paper.items):
        if item.type == "CREDIT_ADJ" and item.start_date == credit.granted_on:
            asked += item.amount_minor
            del paper.items[position]
            break
    paper.items.append(Item("CREDIT_ADJ", credit.granted_on, credit.granted_on, asked, made_on=True))


def _gone(credit: Credit, postings: Iterable[CausedTransfer]) -> list[Item]:
    return [
        credit_item(posting.accounting_on, -posting.amount_minor)
        for posting in postings
        if posting.credit_id == credit.id
        and posting.kind in ("credit_expired", "credit_deleted", "credit_refunded")
        and posting.debit == "customer_credit"
    ]


def _moved_away(postings: Iterable[CausedTransfer]) -> list[Paper]:
    """Credit that went to the parent is a charge that it paid, in the referee's words."""
    papers = []
    for posting in postings:
        if posting.kind == "credit_moved":
            on, amount = posting.accounting_on, posting.amount_minor
            charge = Item("EXTERNAL_CHARGE", on, on, amount, made_on=True)
            items = [charge, credit_item(on, -amount)]
            papers.append(Paper(posting.id, items, "COMMITTED", 0, 0, on, None, []))
    return papers


def _status(document: Document) -> str:
    return {"draft": "DRAFT", "void": "VOID"}.get(document.invoice.status, "COMMITTED")
