"""The books of one customer with money in them: everything that moves is kept, and loaded again as actions load it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from billsmith.core.collecting.disputing import dispute_lost, dispute_opened, dispute_won
from billsmith.core.collecting.outcomes import Paying, allocated, credited_rest, ended, linkable, may_change, recorded
from billsmith.core.collecting.plans import begun, collectable, new_payment_figures
from billsmith.core.collecting.refunding import NewRefund, Refundable, refund_asked, refund_failed, refund_succeeded
from billsmith.core.collecting.reopening import CreditUse, Paid, payment_reversed
from billsmith.core.correcting.credit_notes import Corrected, credited, held_by_disputes, note_lines
from billsmith.core.correcting.voiding import Drawn, Voidable, void_asked
from billsmith.core.correcting.write_offs import write_off_undone, written_off
from billsmith.core.credits import drawn
from billsmith.core.customers import Customer
from billsmith.core.decisions import Decision, Standing, credit_changed, draw_available, row_changed
from billsmith.core.ids import (
    CreditId,
    CreditNoteId,
    DisputeId,
    GatewayAccountId,
    PaymentId,
    PaymentMethodId,
    RefundId,
    WriteOffId,
)
from billsmith.core.invoices import Invoice, InvoiceDetails
from billsmith.core.payments.corrections import CreditNote, WriteOff
from billsmith.core.payments.disputes import Dispute
from billsmith.core.payments.methods import PaymentMethod
from billsmith.core.payments.payment import Allocation, Attempt, Payment, Share
from billsmith.core.payments.refunds import LineAmount, Refund
from billsmith.core.payments.results import Decline, DeclineBucket, GatewayDispute, OperationResult, OperationStatus
from billsmith.core.tenants import Tenant, TenantSettings
from tests.core.books import Books
from tests.core.made import CUSTOMER, NOON, TENANT, TODAY, uuid

CARD = PaymentMethodId(uuid(50))
OTHER_CARD = PaymentMethodId(uuid(51))
AT_GATEWAY = GatewayAccountId(uuid(52))
LATER = NOON + timedelta(hours=1)


def method(id_: PaymentMethodId = CARD) -> PaymentMethod:
    """A card that can be used."""
    return PaymentMethod(
        id=id_, tenant_id=TENANT.id, customer_id=CUSTOMER.id, gateway_account_id=AT_GATEWAY, token="tok",
        kind="card", status="active", brand="visa", last4="4242", expires_year=2030, expires_month=1, setup_id=None,
        next_action=None, metadata={}, version=1, created_at=NOON, validated_at=NOON,
    )  # fmt: skip


def declined(bucket: DeclineBucket = DeclineBucket.RETRY_LATER) -> OperationResult:
    """The gateway says no."""
    return OperationResult(OperationStatus.FAILED, decline=Decline(bucket, str(bucket), "No.", "no"))


def succeeded(amount_minor: int | None = None, currency: str | None = None, fee_minor: int = 0) -> OperationResult:
    """The gateway says that this much moved."""
    return OperationResult(OperationStatus.SUCCEEDED, "at_gateway", amount_minor, currency, fee_minor)


@dataclass
class MoneyBooks(Books):
    """What is saved of one customer that pays."""

    settings: TenantSettings = field(default_factory=TenantSettings)
    customer: Customer = field(default_factory=lambda: replace(CUSTOMER, payment_method_id=CARD))
    rows: dict[UUID, Any] = field(default_factory=dict)
    shares: dict[UUID, list[Share]] = field(default_factory=dict)
    draws: dict[tuple[Any, Any], int] = field(default_factory=dict)
    fresh: Iterator[UUID] = field(init=False)

    def __post_init__(self) -> None:
        self.fresh = iter(self.new_id, None)

    @property
    def tenant(self) -> Tenant:
        return replace(TENANT, settings=self.settings)

    def standing(self, *, owed: bool = True) -> Standing:
        made = super().standing(owed=owed)
        return replace(made, tenant=self.tenant, customer=replace(self.customer, draw_credit=self.draw_credit))

    def save(self, decision: Decision) -> None:
        super().save(decision)
        for row in decision.rows:
            before = self.rows.get(row.id)
            assert row.version == (1 if before is None else before.version + 1), "a row skips a version"
            self.rows[row.id] = row
        for share in decision.shares:
            self.shares.setdefault(share.attempt_id, []).append(share)
        for posting in decision.postings:
            sign = {"credit_drawn": 1, "credit_returned": -1}.get(posting.kind, 0)
            key = (posting.credit_id, posting.invoice_id)
            if sign:
                self.draws[key] = self.draws.get(key, 0) + sign * posting.amount_minor

    def all(self, kind: type) -> list[Any]:
        """Every row of a kind, oldest first."""
        return [row for row in self.rows.values() if isinstance(row, kind)]

    # ------------------------------------------------------------------------------------------------ as loaded

    def corrected(self, invoice: Invoice) -> Corrected:
        notes = tuple(note for note in self.all(CreditNote) if note.invoice_id == invoice.id)
        write_offs = tuple(one for one in self.all(WriteOff) if one.invoice_id == invoice.id)
        allocations = tuple(one for one in self.all(Allocation) if one.invoice_id == invoice.id)
        paying = {one.payment_id for one in allocations}
        disputes = tuple(one for one in self.all(Dispute) if one.payment_id in paying)
        pending = tuple(one for one in self.pending() if one.invoice_id == invoice.id)
        held = held_by_disputes(allocations, disputes)
        return Corrected(invoice, self.lines[invoice.id], notes, write_offs, pending, held)

    def pending(self) -> list[Refund]:
        return [one for one in self.all(Refund) if one.status == "pending"]

    def voidable(self, invoice: Invoice) -> Voidable:
        own = next((one for one in self.credits.values() if one.invoice_id == invoice.id), None)
        taken = tuple(
            Drawn(self.credits[credit_id], amount)
            for (credit_id, invoice_id), amount in self.draws.items()
            if invoice_id == invoice.id and amount
        )
        return Voidable(self.corrected(invoice), taken, own if invoice.moved_to_credit_minor else None)

    def paid(self, payment: Payment) -> Paid:
        allocations = tuple(one for one in self.all(Allocation) if one.payment_id == payment.id)
        own = tuple(one for one in self.credits.values() if one.payment_id == payment.id)
        ids = {one.id for one in own}
        uses = tuple(
            CreditUse(key[0], key[1], amount) for key, amount in self.draws.items() if key[0] in ids and amount
        )
        touched = {one.invoice_id for one in (*allocations, *uses)}
        return Paid(self.rows[payment.id], allocations, {id_: self.invoices[id_] for id_ in touched}, own, uses)

    def refundable(self, refund: Refund) -> Refundable:
        of_invoice = refund.invoice_id is not None
        return Refundable(
            self.paid(self.rows[refund.payment_id]),
            self.corrected(self.invoices[refund.invoice_id]) if refund.invoice_id else None,
            self.credits[refund.credit_id] if refund.credit_id and not of_invoice else None,
            tuple(one for one in self.pending() if one.id != refund.id and concerns(one, refund)),
        )

    def paying(self, attempt: Attempt) -> Paying:
        shares = tuple(self.shares[attempt.id])
        invoices = {share.invoice_id: self.invoices[share.invoice_id] for share in shares}
        return Paying(
            self.rows[attempt.payment_id],
            attempt,
            shares,
            invoices,
            tuple(one for one in self.all(Allocation) if one.payment_id == attempt.payment_id),
            {id_: self.corrected(invoice).write_offs for id_, invoice in invoices.items()},
            {
                id_: self.voidable(invoice)
                for id_, invoice in invoices.items()
                if invoice.collection_state == "void_pending"
            },
        )

    # --------------------------------------------------------------------------------------------------- verbs

    def owe(self, amount_minor: int, **details: Any) -> Invoice:
        """An open invoice over so much."""
        return self.bill(InvoiceDetails(amount_minor=amount_minor, **details))

    def now(self, row: Any) -> Any:
        """The invoice, credit or row as it is now."""
        return self.rows.get(row.id) or self.invoices.get(row.id) or self.credits[row.id]

    def begin(self, *invoices: Invoice, with_: PaymentMethodId = CARD) -> Attempt:
        """Begin one charge over what these invoices owe."""
        standing = self.standing()
        current = [self.invoices[invoice.id] for invoice in invoices]
        for invoice in current:
            collectable(standing, invoice)
        decision = begun(
            Decision(standing), current, method(with_), self.fresh, b"", NOON, NOON, NOON + timedelta(minutes=1)
        )
        self.save(decision)
        return next(row for row in decision.rows if isinstance(row, Attempt))

    def hear(
        self, attempt: Attempt, result: OperationResult, *, not_submitted: bool = False, tries: int = 1
    ) -> Payment:
        """Record what the gateway says of a charge; the payment as it is then."""
        attempt = self.rows[attempt.id]
        if may_change(attempt, result.status):
            if result.status is OperationStatus.REVERSED:
                decision = row_changed(Decision(self.standing()), ended(attempt, result, LATER, None))
                decision = payment_reversed(decision, self.paid(self.rows[attempt.payment_id]), TODAY, LATER)
            else:
                paying = self.paying(attempt)
                paying = replace(paying, tries_in_window=dict.fromkeys(paying.invoices, tries))
                decision = recorded(
                    self.standing(), paying, result, LATER, None, self.fresh, not_submitted=not_submitted
                )
            self.save(decision)
        payment: Payment = self.rows[attempt.payment_id]
        return payment

    def pay(self, *invoices: Invoice) -> Payment:
        """Charge what these invoices owe, with success."""
        return self.hear(self.begin(*invoices), succeeded())

    def receive(self, amount_minor: int, *invoices: Invoice, currency: str = "EUR") -> Payment:
        """Money that came by another way, set against these invoices; the rest is credit."""
        payment = Payment(
            id=PaymentId(self.new_id()), tenant_id=TENANT.id, customer_id=CUSTOMER.id, direction="charge",
            status="succeeded", currency=currency, amount_minor=amount_minor, method_kind="external",
            payment_method_id=None, gateway_account_id=None, gateway_id=None, reference=None, external_id=None,
            received_on=TODAY, decline=None, metadata={}, version=1, created_at=NOON, settled_at=NOON,
            **new_payment_figures(),
        )  # fmt: skip
        decision = row_changed(Decision(self.standing()), payment, "payment.created")
        left = amount_minor
        for invoice in invoices:
            current = self.invoices[invoice.id]
            linkable(payment, current)
            decision, payment, used = allocated(
                decision, payment, current, left, {}, self.corrected(current).write_offs, TODAY, NOON, self.fresh
            )
            left -= used
        if left:
            decision, payment, _ = credited_rest(decision, payment, left, TODAY, NOON, self.fresh)
        payment = replace(payment, version=2)
        decision = row_changed(decision, payment, "payment.succeeded")
        self.save(draw_available(decision, NOON, TODAY, on=decision.standing.owed))
        return payment

    def taken_back(self, payment: Payment) -> None:
        """A payment that came by another way goes back: a cheque bounced."""
        self.save(payment_reversed(Decision(self.standing()), self.paid(payment), TODAY, LATER))

    def link(self, payment: Payment, invoice: Invoice, amount_minor: int | None = None) -> None:
        """Set credit that a payment became against an invoice made later."""
        payment, current = self.rows[payment.id], self.invoices[invoice.id]
        linkable(payment, current)
        decision = Decision(self.standing())
        before = {one.invoice_id: one for one in self.all(Allocation) if one.payment_id == payment.id}
        for credit in [one for one in decision.standing.credits if one.payment_id == payment.id]:
            part = min(credit.remaining_minor, amount_minor or credit.remaining_minor)
            decision, payment, used = allocated(
                decision, payment, current, part, before, self.corrected(current).write_offs, TODAY, NOON, self.fresh,
                from_credit=credit.id,
            )  # fmt: skip
            if used:
                decision = credit_changed(decision, drawn(credit, used), "credit.drawn", [])
                self.save(row_changed(decision, replace(payment, version=payment.version + 1), "payment.allocated"))
            return

    def write_off(self, invoice: Invoice, amount_minor: int | None = None) -> WriteOff:
        """Write off so much of an invoice, or all of it."""
        id_ = WriteOffId(self.new_id())
        self.save(
            written_off(
                Decision(self.standing()), self.invoices[invoice.id], amount_minor, "gone", id_, TODAY, NOON, {}
            )
        )
        made: WriteOff = self.rows[id_]
        return made

    def undo(self, write_off: WriteOff) -> None:
        """Take a write-off back."""
        current = self.rows[write_off.id]
        invoice = self.invoices[current.invoice_id]
        self.save(write_off_undone(Decision(self.standing()), invoice, current, TODAY, NOON))

    def note(self, invoice: Invoice, amount_minor: int | None = None, lines: Sequence[LineAmount] = ()) -> CreditNote:
        """Issue a credit note."""
        corrected = self.corrected(self.invoices[invoice.id])
        id_ = CreditNoteId(self.new_id())
        made = note_lines(corrected, amount_minor, lines)
        self.save(
            credited(Decision(self.standing()), corrected, made, "sorry", id_, CreditId(self.new_id()), TODAY, NOON, {})
        )
        note: CreditNote = self.rows[id_]
        return note

    def void(self, invoice: Invoice) -> Invoice:
        """Void an invoice, now or as soon as its charge has ended."""
        voidable = self.voidable(self.invoices[invoice.id])
        self.save(void_asked(Decision(self.standing()), voidable, False, TODAY, NOON))
        return self.invoices[invoice.id]

    def ask_refund(self, payment: Payment, *, of: Any = None, **given: Any) -> Refund:
        """Ask to give back of a payment, what it paid of the invoice `of`, or the credit `of`."""
        of = of or self.invoices[next(one for one in self.all(Allocation) if one.payment_id == payment.id).invoice_id]
        of_invoice = of.id in self.invoices
        refundable = Refundable(
            self.paid(payment),
            self.corrected(self.invoices[of.id]) if of_invoice else None,
            None if of_invoice else self.credits[of.id],
            tuple(one for one in self.pending() if one.payment_id == payment.id or one.invoice_id == of.id),
        )
        id_ = RefundId(self.new_id())
        self.save(refund_asked(Decision(self.standing()), refundable, NewRefund(**given), id_, NOON))
        made: Refund = self.rows[id_]
        return made

    def refunded(self, refund: Refund) -> Refund:
        """A refund succeeds."""
        current = self.rows[refund.id]
        decision = refund_succeeded(
            Decision(self.standing()), self.refundable(current), current, TODAY, LATER, self.fresh
        )
        self.save(decision)
        done: Refund = self.rows[refund.id]
        return done

    def refund_fails(self, refund: Refund, *, cancelled: bool = False) -> Refund:
        """A refund fails for good, or is given up."""
        current = self.rows[refund.id]
        self.save(
            refund_failed(
                Decision(self.standing()), self.refundable(current), current, None, LATER, cancelled=cancelled
            )
        )
        done: Refund = self.rows[refund.id]
        return done

    def dispute(self, payment: Payment, amount_minor: int) -> Dispute:
        """The payer's bank holds so much of a payment."""
        id_ = DisputeId(self.new_id())
        said = GatewayDispute(str(id_), "opened", amount_minor, payment.currency, "fraudulent", NOON)
        reserved = sum(one.amount_minor for one in self.pending() if one.payment_id == payment.id)
        self.save(dispute_opened(Decision(self.standing()), self.rows[payment.id], said, id_, reserved, TODAY, NOON))
        made: Dispute = self.rows[id_]
        return made

    def dispute_ends(self, dispute: Dispute, *, won: bool) -> Dispute:
        """The bank decides."""
        payment = self.rows[dispute.payment_id]
        decision = Decision(self.standing())
        if won:
            self.save(dispute_won(decision, payment, self.rows[dispute.id], TODAY, LATER))
        else:
            self.save(dispute_lost(decision, self.paid(payment), self.rows[dispute.id], TODAY, LATER))
        done: Dispute = self.rows[dispute.id]
        return done


def concerns(one: Refund, other: Refund) -> bool:
    return one.payment_id == other.payment_id or (other.invoice_id is not None and one.invoice_id == other.invoice_id)
