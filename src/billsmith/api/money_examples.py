"""Examples of what moves money, for the reference: one story of a payment that is given back in part and disputed.

Apart from the other examples, for it shows answers that only one route has.
"""

from datetime import date
from typing import Any

from msgspec.structs import replace

from billsmith.actions import money_objects as shown
from billsmith.actions.money.accounts import Tested
from billsmith.actions.objects import InvoiceObject
from billsmith.api.examples import AT, CUSTOMER, id_of, shown_examples
from billsmith.api.routes.corrections import RevisedObject, WrittenOffObject
from billsmith.api.routes.operations import BulkPreviewObject, CountObject, ItemObject, OperationObject
from billsmith.api.schemas.methods import BlockedCustomer, BlockedInvoices, GatewayAccountTest, gateway_account_test
from billsmith.core.collecting.plans import new_attempt, new_payment_figures
from billsmith.core.ids import (
    AttemptId,
    CreditNoteId,
    DisputeId,
    GatewayAccountId,
    GatewayEventId,
    InvoiceId,
    PaymentId,
    PaymentMethodId,
    RefundId,
    WriteOffId,
    show_id,
)
from billsmith.core.payments.corrections import CreditNote, CreditNoteLine, WriteOff
from billsmith.core.payments.disputes import Dispute
from billsmith.core.payments.events import StoredEvent
from billsmith.core.payments.methods import GatewayAccount, PaymentMethod
from billsmith.core.payments.payment import Allocation, Attempt, Payment
from billsmith.core.payments.refunds import Refund
from billsmith.core.payments.results import OperationKind

_ON = date(2026, 4, 1)
_INVOICE_ID = InvoiceId(id_of(5))
_ACCOUNT = GatewayAccount(
    tenant_id=CUSTOMER.tenant_id,
    id=GatewayAccountId(id_of(10)),
    gateway="external",
    name="Bank transfers",
    is_default=True,
    status="active",
    paused_because=None,
    settings={},
    sealed_credentials=b"",
    metadata={"ledger": "1200"},
    version=1,
    created_at=AT,
)
_METHOD = PaymentMethod(
    id=PaymentMethodId(id_of(11)),
    tenant_id=CUSTOMER.tenant_id,
    customer_id=CUSTOMER.id,
    gateway_account_id=_ACCOUNT.id,
    token="bank_transfer",  # noqa: S106  a word, no secret
    kind="external",
    status="active",
    brand=None,
    last4=None,
    expires_year=None,
    expires_month=None,
    setup_id=None,
    next_action=None,
    metadata={"source": "sign-up"},
    version=1,
    created_at=AT,
    validated_at=AT,
)
_PAYMENT = Payment(
    id=PaymentId(id_of(12)),
    tenant_id=CUSTOMER.tenant_id,
    customer_id=CUSTOMER.id,
    direction="charge",
    status="succeeded",
    currency="EUR",
    amount_minor=5950,
    method_kind="card",
    payment_method_id=_METHOD.id,
    gateway_account_id=_ACCOUNT.id,
    gateway_id="ch_1",
    reference=None,
    external_id=None,
    received_on=None,
    decline=None,
    metadata={},
    version=2,
    created_at=AT,
    settled_at=AT,
    **(new_payment_figures() | {"allocated_minor": 5950, "fee_minor": 147}),
)


def money_examples() -> dict[type, Any]:
    """For each type of answer about money an example, as it would be sent."""
    return {
        shown.GatewayAccountObject: shown.gateway_account_object(_ACCOUNT),
        GatewayAccountTest: gateway_account_test(Tested(_ACCOUNT.id, works=True)),
        shown.PaymentMethodObject: shown.payment_method_object(_METHOD),
        BlockedCustomer: _blocked(),
        shown.PaymentObject: shown.payment_object(_PAYMENT, (_allocation(),), (_attempt(),)),
        shown.AttemptObject: shown.attempt_object(_attempt()),
        shown.RefundObject: shown.refund_object(_refund()),
        shown.CreditNoteObject: shown.credit_note_object(_note(), "CN-000007"),
        shown.WriteOffObject: shown.write_off_object(_write_off()),
        shown.DisputeObject: shown.dispute_object(_dispute()),
        shown.GatewayEventObject: shown.gateway_event_object(_event()),
        WrittenOffObject: WrittenOffObject(month=_ON, currency="EUR", written_off=8925, reversed=2975, net=5950),
        RevisedObject: _revised(),
        BulkPreviewObject: BulkPreviewObject(counts=[_count()], first=[_item("waiting")]),
        ItemObject: _item("done"),
        OperationObject: _operation(),
    }


def _blocked() -> BlockedCustomer:
    waiting = BlockedInvoices(
        currency="EUR",
        collection_state="failed",
        collection_reason="needs_new_method",
        invoices=2,
        owed=14_900,
        oldest_due_on=date(2026, 4, 15),
    )
    return BlockedCustomer(customer=show_id("customer", CUSTOMER.id), blocked=(waiting,))


def _allocation() -> Allocation:
    return Allocation(id_of(18), CUSTOMER.tenant_id, CUSTOMER.id, _PAYMENT.id, _INVOICE_ID, "EUR", 5950, 0, 1, AT)


def _attempt() -> Attempt:
    sent = new_attempt(AttemptId(id_of(13)), OperationKind.CHARGE, _PAYMENT, 5950, b"", AT, AT, AT)
    return replace(
        sent,
        status="succeeded",
        gateway_id="ch_1",
        actual_amount_minor=5950,
        actual_currency="EUR",
        next_check_at=None,
        version=2,
        ended_at=AT,
    )


def _refund() -> Refund:
    return Refund(
        id=RefundId(id_of(14)),
        tenant_id=CUSTOMER.tenant_id,
        customer_id=CUSTOMER.id,
        status="succeeded",
        payment_id=_PAYMENT.id,
        invoice_id=_INVOICE_ID,
        credit_id=None,
        destination="gateway",
        reopen=False,
        currency="EUR",
        amount_minor=1190,
        lines=(),
        reason="Outage of 12 March",
        credit_note_id=CreditNoteId(id_of(15)),
        decline=None,
        needs_attention=False,
        tries=1,
        next_try_at=None,
        metadata={},
        version=3,
        created_at=AT,
        settled_at=AT,
    )


def _note() -> CreditNote:
    return CreditNote(
        id=CreditNoteId(id_of(15)),
        tenant_id=CUSTOMER.tenant_id,
        customer_id=CUSTOMER.id,
        invoice_id=_INVOICE_ID,
        refund_id=RefundId(id_of(14)),
        credit_id=None,
        currency="EUR",
        net_minor=1000,
        tax_minor=190,
        total_minor=1190,
        owed_minor=0,
        written_off_minor=0,
        paid_minor=1190,
        reason="Outage of 12 March",
        issued_on=_ON,
        lines=(CreditNoteLine(2, "Setup", 1000, 190, 1190),),
        metadata={},
        version=1,
        created_at=AT,
    )


def _write_off() -> WriteOff:
    return WriteOff(
        id=WriteOffId(id_of(16)),
        tenant_id=CUSTOMER.tenant_id,
        customer_id=CUSTOMER.id,
        invoice_id=_INVOICE_ID,
        currency="EUR",
        amount_minor=5950,
        reversed_minor=0,
        reason="The customer is insolvent",
        written_off_on=_ON,
        metadata={},
        version=1,
        created_at=AT,
    )


def _dispute() -> Dispute:
    return Dispute(
        id=DisputeId(id_of(17)),
        tenant_id=CUSTOMER.tenant_id,
        customer_id=CUSTOMER.id,
        payment_id=_PAYMENT.id,
        gateway_id="dp_1",
        status="open",
        outcome=None,
        currency="EUR",
        amount_minor=5950,
        reason="fraudulent",
        needs_attention=False,
        version=1,
        created_at=AT,
        closed_at=None,
    )


def _event() -> StoredEvent:
    return StoredEvent(
        tenant_id=CUSTOMER.tenant_id,
        id=GatewayEventId(id_of(19)),
        gateway_account_id=_ACCOUNT.id,
        gateway_event_id="evt_1",
        kind="operation",
        type="charge.succeeded",
        operation_kind=OperationKind.CHARGE,
        operation_id=None,
        gateway_id="ch_2",
        happened_at=AT,
        status="orphan",
        detail="a charge that is not ours and is succeeded",
        suspended_minor=4200,
        currency="EUR",
        tries=0,
        received_at=AT,
        next_try_at=None,
    )


def _revised() -> RevisedObject:
    invoice: InvoiceObject = shown_examples()[InvoiceObject]
    draft_id = show_id("invoice", id_of(20))
    voided = replace(invoice, status="void", collection_state=None, revised_by=draft_id)
    draft = replace(
        invoice, id=draft_id, status="draft", collection_state=None, number=None, revises=invoice.id, finalised_at=None
    )
    return RevisedObject(voided=voided, draft=draft)


def _count() -> CountObject:
    return CountObject(status="waiting", currency="EUR", items=2, amount=7140)


def _item(status: Any) -> ItemObject:
    result = {"refunds": [show_id("refund", id_of(14))]} if status == "done" else None
    return ItemObject(
        invoice=show_id("invoice", _INVOICE_ID),
        subscription=None,
        status=status,
        amount=1190,
        currency="EUR",
        result=result,
    )


def _operation() -> OperationObject:
    return OperationObject(
        id=show_id("operation", id_of(21)),
        kind="bulk_refund",
        status="running",
        input={"reason": "Outage of 12 March"},
        counts=[_count()],
        created_at=AT,
        finished_at=None,
    )
