"""One customer's books without a database: they keep what is decided, as the store does, and load standings again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from billsmith.core.credits import Credit, NewCredit, deleted, expired, grant_posting, granted
from billsmith.core.decisions import Decision, Standing, credit_changed, draw_available, with_credit
from billsmith.core.facts import Fact
from billsmith.core.ids import CreditId, InvoiceId
from billsmith.core.invoices import Invoice, InvoiceDetails, Line
from billsmith.core.invoicing import finalise, may_be_negative, new_draft
from billsmith.core.ledger import Balance, Posting
from tests.core.made import BLANK_CREDIT, CUSTOMER, NOON, TENANT, TODAY, uuid


@dataclass
class Books:
    """What is saved of one customer."""

    draw_credit: bool = True
    invoices: dict[InvoiceId, Invoice] = field(default_factory=dict)
    lines: dict[InvoiceId, tuple[Line, ...]] = field(default_factory=dict)
    credits: dict[CreditId, Credit] = field(default_factory=dict)
    balances: dict[str, Balance] = field(default_factory=dict)
    postings: list[Posting] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    made: int = 0

    def standing(self, *, owed: bool) -> Standing:
        """The customer as it is loaded under its lock: what it owes only where that is asked for."""
        customer = replace(CUSTOMER, draw_credit=self.draw_credit)
        open_ = [kept for kept in self.invoices.values() if kept.status == "open" and kept.direction == "charge"]
        left = tuple(credit for credit in self.credits.values() if credit.remaining_minor)
        return Standing(TENANT, customer, self.balances, left, tuple(open_) if owed and self.draw_credit else ())

    def save(self, decision: Decision) -> None:
        """Keep what was decided; of an object decided on twice the later version."""
        self.balances = dict(decision.standing.balances)
        self.invoices |= {invoice.id: invoice for invoice in decision.invoices}
        self.credits |= {credit.id: credit for credit in decision.credits}
        self.postings += decision.postings
        self.facts += decision.facts
        self._check_carried_on(decision.standing)

    def _check_carried_on(self, standing: Standing) -> None:
        """The standing that the next decision starts from is what would be loaded now."""
        assert {kept.id: kept for kept in standing.credits} == {
            id_: kept for id_, kept in self.credits.items() if kept.remaining_minor
        }
        for invoice in standing.owed:
            assert invoice == self.invoices[invoice.id]
            assert invoice.status == "open"

    def new_id(self) -> Any:
        """Ascending, like real ones."""
        self.made += 1
        return uuid(1000 + self.made)

    def bill(self, details: InvoiceDetails) -> Invoice:
        """Finalise a document at once; what became of it."""
        self.bill_all([details])
        return self.invoices[next(reversed(self.lines))]

    def bill_all(self, several: Sequence[InvoiceDetails]) -> None:
        """Finalise several documents of one transaction."""
        standing = self.standing(owed=any(may_be_negative(details) for details in several))
        for details in several:
            invoice, lines = new_draft(standing, details, InvoiceId(self.new_id()), NOON)
            decision = finalise(standing, invoice, lines, NOON, CreditId(self.new_id()))
            self.lines[invoice.id] = lines
            self.save(decision)
            standing = decision.standing

    def grant(self, amount_minor: int, currency: str = "EUR", days: int | None = None) -> Credit:
        """Give credit, which expires after so many days."""
        standing = self.standing(owed=True)
        given_credit = NewCredit(amount_minor, expires_at=None if days is None else NOON + timedelta(days=days))
        blank = replace(BLANK_CREDIT, id=CreditId(self.new_id()), currency=currency)
        credit = granted(given_credit, blank, NOON)
        decision = with_credit(Decision(standing), credit, [grant_posting(credit)])
        self.save(draw_available(decision, NOON, TODAY, on=standing.owed))
        return self.credits[credit.id]

    def take_back(self, credit: Credit, *, because_expired: bool) -> None:
        """Let go what is left of a credit."""
        standing = self.standing(owed=False)
        changed, posting = (expired if because_expired else deleted)(credit, TODAY)
        type_: Any = "credit.expired" if because_expired else "credit.deleted"
        self.save(credit_changed(Decision(standing), changed, type_, [posting]))
