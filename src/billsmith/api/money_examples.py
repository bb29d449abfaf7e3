"""Examples of what moves money, for the reference: one story of a card that pays an invoice."""

from datetime import date, datetime
from typing import Any

from billsmith.actions import money_objects
from billsmith.actions.money.accounts import Tested
from billsmith.api.schemas.methods import BlockedCustomer, BlockedInvoices, GatewayAccountTest, gateway_account_test
from billsmith.core.customers import Customer
from billsmith.core.ids import DisputeId, GatewayAccountId, GatewayEventId, PaymentId, PaymentMethodId, show_id
from billsmith.core.payments.disputes import Dispute
from billsmith.core.payments.events import StoredEvent
from billsmith.core.payments.methods import GatewayAccount, PaymentMethod
from billsmith.core.payments.results import OperationKind


def money_examples(customer: Customer, ids: Any, at: datetime) -> dict[type, Any]:
    """For each type of answer about money an example; `ids` makes an id of a number."""
    account = GatewayAccount(
        tenant_id=customer.tenant_id,
        id=GatewayAccountId(ids(10)),
        gateway="external",
        name="Bank transfers",
        is_default=True,
        status="active",
        paused_because=None,
        settings={},
        sealed_credentials=b"",
        metadata={"ledger": "1200"},
        version=1,
        created_at=at,
    )
    method = PaymentMethod(
        id=PaymentMethodId(ids(11)),
        tenant_id=customer.tenant_id,
        customer_id=customer.id,
        gateway_account_id=account.id,
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
        created_at=at,
        validated_at=at,
    )
    return {
        money_objects.GatewayAccountObject: money_objects.gateway_account_object(account),
        money_objects.PaymentMethodObject: money_objects.payment_method_object(method),
        GatewayAccountTest: gateway_account_test(Tested(account.id, works=True)),
        BlockedCustomer: _blocked(customer),
        money_objects.DisputeObject: money_objects.dispute_object(_dispute(customer, ids, at)),
        money_objects.GatewayEventObject: money_objects.gateway_event_object(_event(customer, ids, at)),
    }


def _dispute(customer: Customer, ids: Any, at: datetime) -> Dispute:
    return Dispute(
        id=DisputeId(ids(40)),
        tenant_id=customer.tenant_id,
        customer_id=customer.id,
        payment_id=PaymentId(ids(12)),
        gateway_id="dp_1",
        status="open",
        outcome=None,
        currency=customer.currency,
        amount_minor=5950,
        reason="fraudulent",
        needs_attention=False,
        version=1,
        created_at=at,
        closed_at=None,
    )


def _event(customer: Customer, ids: Any, at: datetime) -> StoredEvent:
    return StoredEvent(
        tenant_id=customer.tenant_id,
        id=GatewayEventId(ids(41)),
        gateway_account_id=GatewayAccountId(ids(10)),
        gateway_event_id="evt_1",
        kind="operation",
        type="charge.succeeded",
        operation_kind=OperationKind.CHARGE,
        operation_id=None,
        gateway_id="ch_1",
        happened_at=at,
        status="orphan",
        detail="a charge that is not ours and is succeeded",
        suspended_minor=5950,
        currency=customer.currency,
        tries=0,
        received_at=at,
        next_try_at=None,
    )


def _blocked(customer: Customer) -> BlockedCustomer:
    waiting = BlockedInvoices(
        currency=customer.currency,
        collection_state="failed",
        collection_reason="needs_new_method",
        invoices=2,
        owed=14_900,
        oldest_due_on=date(2026, 4, 15),
    )
    return BlockedCustomer(customer=show_id("customer", customer.id), blocked=(waiting,))
