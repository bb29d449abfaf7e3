"""Payments that people tell us of, what payments are set against, and credit that goes out or to the parent."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from billsmith.actions.calls import Call, Outcome, carry_out
from billsmith.actions.context import Context
from billsmith.actions.money.attempts import new_ids
from billsmith.actions.money.loading import load_paid
from billsmith.actions.money.refunds import PaymentNotFound
from billsmith.actions.saving import CreditNotFound, CustomerNotFound, InvoiceNotFound, Standings, lock_standings, save
from billsmith.core.collecting.outcomes import allocated, credited_rest, linkable
from billsmith.core.collecting.plans import new_payment_figures
from billsmith.core.collecting.reopening import payment_reversed
from billsmith.core.credits import Credit, drawn, new_credit
from billsmith.core.currencies import minor_digits
from billsmith.core.customers import external_id, not_deleted, today_of
from billsmith.core.decisions import Decision, credit_changed, draw_available, row_changed, with_credit
from billsmith.core.ids import CreditId, CustomerId, InvoiceId, PaymentId, shard_of, show_id
from billsmith.core.invoices import Document, Invoice
from billsmith.core.ledger import CUSTOMER_CREDIT, Balance, Posting
from billsmith.core.money import within_limits
from billsmith.core.payments.corrections import WriteOff
from billsmith.core.payments.payment import Allocation, AllocationRefused, Attempt, MethodKind, Payment, PaymentInvalid
from billsmith.core.tenants import Tenant
from billsmith.core.text import DESCRIPTION_LENGTH, line_of_text, metadata
from billsmith.core.time_zones import EARLIEST
from billsmith.errors import Conflict
from billsmith.store import invoices as invoice_rows
from billsmith.store import ledger as ledger_rows
from billsmith.store.events import Cause
from billsmith.store.listing import Filters
from billsmith.store.money import corrections as correction_rows
from billsmith.store.money import payments as payment_rows
from billsmith.store.pool import Connection


class PaymentExists(Conflict):
    """Another payment of this customer has this external id."""

    code = "payment_exists"


class CreditNotMovable(Conflict):
    """Nothing is left of this credit, or its customer has no parent."""

    code = "credit_not_movable"


class Wanted(msgspec.Struct, frozen=True, gc=False):
    """How much of a payment is meant for an invoice; None: as much as that owes."""

    invoice_id: InvoiceId
    amount_minor: int | None = None


class NewPayment(msgspec.Struct, frozen=True, gc=False):
    """A payment that came in by another way: a transfer, a cheque, cash, a foreign gateway."""

    customer_id: CustomerId
    amount_minor: int
    currency: str | None = None
    kind: MethodKind = "external"
    reference: str | None = None
    external_id: str | None = None
    received_on: date | None = None
    invoices: tuple[Wanted, ...] | None = None
    """What it pays, also of the customer's children; None: the customer's oldest first; (): nothing, it is credit."""
    metadata: dict[str, str] = {}


class PaymentInFull(msgspec.Struct, frozen=True, gc=False):
    """A payment with what it pays and how it was tried."""

    payment: Payment
    allocations: tuple[Allocation, ...]
    attempts: tuple[Attempt, ...]


async def record_payment(context: Context, call: Call, given: NewPayment) -> Outcome[PaymentInFull]:
    """Note a payment that was made, and set it against invoices; what is left is customer credit.

    Raises CustomerNotFound, PaymentInvalid, PaymentExists, AllocationRefused, InvoiceNotFound; then nothing is stored.
    """

    async def verb(connection: Connection, cause: Cause) -> PaymentInFull:
        invoices = await _wanted_invoices(connection, call.tenant, given)
        owners = {given.customer_id, *(invoice.customer_id for invoice in invoices.values())}
        standings = await lock_standings(connection, call.tenant, owners, owners)
        payer = standings.get(given.customer_id)
        if payer is None:
            raise CustomerNotFound(
                f"there is no customer {show_id('customer', given.customer_id)}", pointer="/customer"
            )
        not_deleted(payer.customer)
        payment = await _new_payment(connection, context, call.tenant, payer.customer, given, cause.caused_at)
        books = _Books(dict(standings))
        books.put(row_changed(books.of(payer.customer.id), payment, "payment.created"))
        locked = await invoice_rows.lock_invoices(connection, call.tenant.id, invoices)
        wanted = given.invoices if given.invoices is not None else _oldest_first(locked.values(), payment.currency)
        payment = await _allocate(connection, context, call.tenant, books, payment, locked, wanted, cause)
        left = payment.amount_minor - payment.allocated_minor
        decision = books.of(payer.customer.id)
        if left:
            on = today_of(payer.customer, cause.caused_at)
            fresh = new_ids(context, payer.customer.id)
            decision, payment, _ = credited_rest(decision, payment, left, on, cause.caused_at, fresh)
        payment = replace(payment, version=payment.version + 1)
        decision = row_changed(decision, payment, "payment.succeeded")
        on = today_of(payer.customer, cause.caused_at)
        if given.invoices is None or left:
            decision = draw_available(decision, cause.caused_at, on, on=decision.standing.owed)
        books.put(decision)
        await save(connection, context, cause, standings, books.all(), {})
        return await read_payment(connection, call.tenant, payment.id)

    return await carry_out(context, call, verb)


async def allocate_payment(
    context: Context, call: Call, payment_id: UUID, wanted: Sequence[Wanted]
) -> Outcome[PaymentInFull]:
    """Set what is left of a payment that came in earlier (credit since) against invoices made later.

    Raises PaymentNotFound, InvoiceNotFound, AllocationRefused; then nothing is stored.
    """

    async def verb(connection: Connection, cause: Cause) -> PaymentInFull:
        await link_payment(connection, context, cause, call.tenant, payment_id, wanted)
        return await read_payment(connection, call.tenant, payment_id)

    return await carry_out(context, call, verb)


async def link_payment(
    connection: Connection, context: Context, cause: Cause, tenant: Tenant, payment_id: UUID, wanted: Sequence[Wanted]
) -> None:
    """The step of a verb that sets credit which this payment became against invoices. Raises as `allocate_payment`."""
    payment = (await read_payment(connection, tenant, payment_id)).payment
    documents = await read_wanted(connection, tenant, wanted)
    owners = {payment.customer_id, *(one.invoice.customer_id for one in documents.values())}
    standings = await lock_standings(connection, tenant, owners, owners)
    payment = (await read_payment(connection, tenant, payment_id)).payment
    locked = await invoice_rows.lock_invoices(connection, tenant.id, documents)
    books = _Books(dict(standings))
    await _link(connection, context, tenant, books, payment, locked, wanted, cause)
    await save(connection, context, cause, standings, books.all(), {})


async def reverse_payment(context: Context, call: Call, payment_id: UUID) -> Outcome[PaymentInFull]:
    """An external payment went back (a cheque bounced, a transfer was recalled): what it paid is owed again.

    Raises PaymentNotFound, PaymentInvalid for a gateway's: that is known from the gateway.
    """

    async def verb(connection: Connection, cause: Cause) -> PaymentInFull:
        payment = (await read_payment(connection, call.tenant, payment_id)).payment
        if payment.gateway_account_id is not None:
            raise PaymentInvalid("this payment is a gateway's; what becomes of it is known from there")
        allocations = await payment_rows.get_allocations(connection, call.tenant.id, [payment_id])
        owners = {payment.customer_id, *(allocation.customer_id for allocation in allocations)}
        standings = await lock_standings(connection, call.tenant, owners)
        if len(owners) > 1:
            raise PaymentInvalid("this payment paid invoices of several customers; give it back by refunds")
        standing = standings[payment.customer_id]
        paid = await load_paid(connection, call.tenant, PaymentId(payment_id))
        if paid.payment.status != "succeeded":
            raise PaymentInvalid(f"this payment is {paid.payment.status}")
        on = today_of(standing.customer, cause.caused_at)
        decision = payment_reversed(Decision(standing), paid, on, cause.caused_at)
        await save(connection, context, cause, standings, [decision], {})
        return await read_payment(connection, call.tenant, payment_id)

    return await carry_out(context, call, verb)


async def move_credit(context: Context, call: Call, credit_id: UUID) -> Outcome[Credit]:
    """Move what is left of a child's credit to the parent; the parent's new credit. Raises CreditNotMovable."""

    async def verb(connection: Connection, cause: Cause) -> Credit:
        first = await _credit(connection, call.tenant, credit_id)
        child_only = await lock_standings(connection, call.tenant, [first.customer_id])
        parent_id = child_only[first.customer_id].customer.parent_id
        if parent_id is None:
            raise CreditNotMovable("this credit's customer has no parent")
        standings = await lock_standings(
            connection, call.tenant, [first.customer_id, parent_id], [first.customer_id, parent_id]
        )
        credit = await _credit(connection, call.tenant, credit_id)
        amount = credit.remaining_minor
        if amount == 0:
            raise CreditNotMovable("nothing is left of this credit")
        child, parent = standings[credit.customer_id], standings[parent_id]
        on, at = today_of(child.customer, cause.caused_at), cause.caused_at
        moved = replace(credit, moved_minor=credit.moved_minor + amount, version=credit.version + 1)
        posting = Posting(
            "credit_moved", CUSTOMER_CREDIT, CUSTOMER_CREDIT, amount, credit.currency, on,
            credit_id=credit.id, to_customer_id=parent_id,
        )  # fmt: skip
        # The one posting has a side in each customer's books; it is written once, with the child.
        out = credit_changed(Decision(child), moved, "credit.moved", [])
        out = replace(out, standing=_with_balance(out, credit.currency, -amount), postings=(posting,))
        arrived = new_credit(
            CreditId(context.ids.new(shard_of(parent_id))), call.tenant.id, parent_id, "moved", credit.currency, amount,
            on, at, reason=f"moved from {show_id('customer', credit.customer_id)}", expires_at=credit.expires_at,
        )  # fmt: skip
        into = with_credit(Decision(parent), arrived, [])
        into = replace(into, standing=_with_balance(into, credit.currency, amount))
        into = draw_available(into, at, on, on=into.standing.owed)
        await save(connection, context, cause, standings, [out, into], {})
        return await _credit(connection, call.tenant, arrived.id)

    return await carry_out(context, call, verb)


async def get_payment(context: Context, tenant: Tenant, id_: UUID) -> PaymentInFull:
    """Raises PaymentNotFound."""
    return await read_payment(context.pool, tenant, id_)


async def list_payments(context: Context, tenant: Tenant, filters: Filters) -> list[Payment]:
    """A page of payments, newest first; one more than asked for if there are more."""
    return await payment_rows.list_payments(context.pool, tenant.id, filters)


async def read_payment(connection: Any, tenant: Tenant, id_: UUID) -> PaymentInFull:
    """The payment with its allocations and attempts. Raises PaymentNotFound."""
    found = await payment_rows.get_payments(connection, tenant.id, [id_])
    if id_ not in found:
        raise PaymentNotFound(f"there is no payment {show_id('payment', id_)}")
    allocations = await payment_rows.get_allocations(connection, tenant.id, [id_])
    attempts = await payment_rows.attempts_of_payments(connection, tenant.id, [id_])
    return PaymentInFull(found[id_], tuple(allocations), tuple(attempts))


async def read_wanted(connection: Connection, tenant: Tenant, wanted: Sequence[Wanted]) -> dict[UUID, Document]:
    """The invoices that are meant, not locked, without lines. Raises InvoiceNotFound, AllocationRefused."""
    documents = await invoice_rows.get_documents(connection, tenant.id, [one.invoice_id for one in wanted], lines=False)
    _all_found(wanted, documents)
    return documents


class _Books:
    """The decisions of one verb about several customers, one for each."""

    def __init__(self, standings: Standings) -> None:
        self._standings = standings
        self._decisions: dict[CustomerId, Decision] = {}

    def of(self, customer_id: CustomerId) -> Decision:
        """What was decided about this customer so far."""
        if customer_id not in self._decisions:
            self._decisions[customer_id] = Decision(self._standings[customer_id])
        return self._decisions[customer_id]

    def put(self, decision: Decision) -> None:
        """Keep a decision that grew."""
        self._decisions[decision.standing.customer.id] = decision

    def all(self) -> list[Decision]:
        """Every decision, in the order in which customers were first met."""
        return list(self._decisions.values())


async def _allocate(
    connection: Connection,
    context: Context,
    tenant: Tenant,
    books: _Books,
    payment: Payment,
    locked: dict[UUID, Invoice],
    wanted: Sequence[Wanted],
    cause: Cause,
) -> Payment:
    """Set a payment against invoices as far as it goes. An amount that was asked for has to be owed, and be there."""
    write_offs = await _write_offs(connection, tenant, locked)
    for position, one in enumerate(wanted):
        invoice = locked[one.invoice_id]
        linkable(payment, invoice)
        left = payment.amount_minor - payment.allocated_minor
        amount = min(left, invoice.balance_minor + invoice.recoverable_minor)
        if one.amount_minor is not None:
            if not 0 < one.amount_minor <= amount:
                raise AllocationRefused(
                    f"at most {amount} of this payment can be set against it", pointer=f"/invoices/{position}/amount"
                )
            amount = one.amount_minor
        decision = books.of(invoice.customer_id)
        on = today_of(decision.standing.customer, cause.caused_at)
        decision, payment, _ = allocated(
            decision, payment, invoice, amount, {}, write_offs.get(invoice.id, ()), on, cause.caused_at,
            new_ids(context, invoice.customer_id),
        )  # fmt: skip
        books.put(decision)
    return payment


async def _link(
    connection: Connection,
    context: Context,
    tenant: Tenant,
    books: _Books,
    payment: Payment,
    locked: dict[UUID, Invoice],
    wanted: Sequence[Wanted],
    cause: Cause,
) -> None:
    """Set credit that this payment became against invoices, its own customer's only: credit stays with its owner."""
    write_offs = await _write_offs(connection, tenant, locked)
    before = {one.invoice_id: one for one in await payment_rows.get_allocations(connection, tenant.id, [payment.id])}
    for position, one in enumerate(wanted):
        invoice = locked[one.invoice_id]
        linkable(payment, invoice)
        if invoice.customer_id != payment.customer_id:
            raise AllocationRefused("this invoice is another customer's", pointer=f"/invoices/{position}/invoice")
        decision = books.of(invoice.customer_id)
        on = today_of(decision.standing.customer, cause.caused_at)
        owed = invoice.balance_minor + invoice.recoverable_minor
        left = owed if one.amount_minor is None else one.amount_minor
        free = [c for c in decision.standing.credits if c.payment_id == payment.id and c.source == "payment"]
        if one.amount_minor is not None and not 0 < left <= min(owed, sum(c.remaining_minor for c in free)):
            raise AllocationRefused(
                f"at most {min(owed, sum(c.remaining_minor for c in free))} of this payment can be set against it",
                pointer=f"/invoices/{position}/amount",
            )
        for credit in free:
            current = _latest_invoice(decision, invoice)
            part = min(left, credit.remaining_minor, current.balance_minor + current.recoverable_minor)
            if part == 0:
                continue
            decision, payment, used = allocated(
                decision, payment, current, part, before, write_offs.get(invoice.id, ()), on, cause.caused_at,
                new_ids(context, invoice.customer_id), from_credit=credit.id,
            )  # fmt: skip
            decision = credit_changed(decision, drawn(credit, used), "credit.drawn", [])
            before |= {row.invoice_id: row for row in decision.rows if isinstance(row, Allocation)}
            left -= used
        if decision == books.of(invoice.customer_id):
            raise AllocationRefused(
                "nothing of this payment is left to be set against it", pointer=f"/invoices/{position}"
            )
        payment = replace(payment, version=payment.version + 1)
        books.put(row_changed(decision, payment, "payment.allocated"))


def _latest_invoice(decision: Decision, invoice: Invoice) -> Invoice:
    return next((one for one in reversed(decision.invoices) if one.id == invoice.id), invoice)


def _with_balance(decision: Decision, currency: str, credit_minor: int) -> Any:
    standing = decision.standing
    balance = standing.balances.get(currency, Balance())
    moved = replace(balance, credit_minor=balance.credit_minor + credit_minor)
    return replace(standing, balances={**standing.balances, currency: moved})


async def _write_offs(
    connection: Connection, tenant: Tenant, locked: dict[UUID, Invoice]
) -> dict[Any, tuple[WriteOff, ...]]:
    ids = [invoice.id for invoice in locked.values() if invoice.written_off_minor]
    found: dict[Any, tuple[WriteOff, ...]] = {}
    for one in await correction_rows.write_offs_of_invoices(connection, tenant.id, ids) if ids else ():
        found[one.invoice_id] = (*found.get(one.invoice_id, ()), one)
    return found


async def _wanted_invoices(connection: Connection, tenant: Tenant, given: NewPayment) -> dict[UUID, Invoice]:
    """The invoices that a new payment is meant for, not yet locked. Raises InvoiceNotFound, AllocationRefused."""
    if given.invoices is None:
        owed = await invoice_rows.owed_invoices(connection, tenant.id, [given.customer_id])
        return {invoice.id: invoice for invoice in owed.get(given.customer_id, []) if not invoice.has_live_attempt}
    ids = [one.invoice_id for one in given.invoices]
    documents = await invoice_rows.get_documents(connection, tenant.id, ids, lines=False)
    _all_found(given.invoices, documents)
    return {id_: document.invoice for id_, document in documents.items()}


def _all_found(wanted: Sequence[Wanted], documents: dict[UUID, Any]) -> None:
    seen: set[UUID] = set()
    for position, one in enumerate(wanted):
        pointer = f"/invoices/{position}/invoice"
        if one.invoice_id not in documents:
            raise InvoiceNotFound(f"there is no invoice {show_id('invoice', one.invoice_id)}", pointer=pointer)
        if one.invoice_id in seen:
            raise AllocationRefused("this invoice is named twice", pointer=pointer)
        seen.add(one.invoice_id)


def _oldest_first(invoices: Any, currency: str) -> list[Wanted]:
    due = [invoice for invoice in invoices if invoice.currency == currency and invoice.status == "open"]
    due.sort(key=lambda invoice: (invoice.due_on or date.max, invoice.id.int))
    return [Wanted(invoice.id) for invoice in due]


async def _new_payment(
    connection: Connection, context: Context, tenant: Tenant, payer: Any, given: NewPayment, at: datetime
) -> Payment:
    currency = payer.currency if given.currency is None else given.currency
    minor_digits(currency)
    if given.amount_minor <= 0:
        raise PaymentInvalid("a payment is more than zero", pointer="/amount")
    today = today_of(payer, at)
    received_on = given.received_on or today
    if not EARLIEST <= received_on <= today:
        raise PaymentInvalid(f"a payment was received between {EARLIEST} and {today}", pointer="/received_on")
    name = external_id(given.external_id)
    if name is not None:
        taken = await payment_rows.find_payment(connection, tenant.id, payer.id, name)
        if taken is not None:
            shown = show_id("payment", taken)
            raise PaymentExists(
                f"{shown} of this customer has the external id {name!r}", pointer="/external_id",
                facts={"existing": shown},
            )  # fmt: skip
    return Payment(
        id=PaymentId(context.ids.new(shard_of(payer.id))),
        tenant_id=tenant.id,
        customer_id=payer.id,
        direction="charge",
        status="succeeded",
        currency=currency,
        amount_minor=within_limits(given.amount_minor, "/amount"),
        method_kind=given.kind,
        payment_method_id=None,
        gateway_account_id=None,
        gateway_id=None,
        reference=None if given.reference is None else line_of_text(given.reference, DESCRIPTION_LENGTH, "/reference"),
        external_id=name,
        received_on=received_on,
        decline=None,
        metadata=metadata(given.metadata),
        version=1,
        created_at=at,
        settled_at=at,
        **new_payment_figures(),
    )


async def _credit(connection: Connection, tenant: Tenant, id_: UUID) -> Credit:
    found = await ledger_rows.get_credits(connection, tenant.id, [id_])
    if id_ not in found:
        raise CreditNotFound(f"there is no credit {show_id('credit', id_)}")
    return found[id_]
