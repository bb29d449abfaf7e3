"""/v1/payments and /v1/refunds"""

from starlette.responses import Response

from billsmith.actions.customers import resolve_customer
from billsmith.actions.money import orphans, payments, refunds
from billsmith.actions.money.payments import PaymentInFull
from billsmith.actions.money_objects import PaymentObject, RefundObject, payment_object, refund_object
from billsmith.api.endpoints import Asked, Endpoint, answer
from billsmith.api.filters import Listed
from billsmith.api.paging import Cursor, Page, page_of
from billsmith.api.schemas.money import (
    PaymentToAllocate,
    PaymentToRecord,
    RefundToMake,
    SuspenseToRelease,
    wanted,
)
from billsmith.core.payments.payment import PaymentStatus
from billsmith.core.payments.refunds import Refund, RefundStatus
from billsmith.core.tenants import Scope

PAYMENTS = "/v1/payments"
PAYMENT = PAYMENTS + "/{id}"
REFUNDS = "/v1/refunds"
REFUND = REFUNDS + "/{id}"

PAYMENTS_LISTED = Listed(
    choices={"status": PaymentStatus.__args__, "direction": ("charge", "payout")},  # type: ignore[attr-defined]
    texts=("currency", "external_id"),
    instants=("created_at", "settled_at"),
    customer=True,
)
REFUNDS_LISTED = Listed(
    choices={"status": RefundStatus.__args__, "destination": ("gateway", "credit")},  # type: ignore[attr-defined]
    texts=("currency",),
    instants=("created_at", "settled_at"),
    customer=True,
)


async def record(asked: Asked) -> Response:
    """Note a payment that was made."""
    given: PaymentToRecord = asked.body
    customer_id = await resolve_customer(asked.context, asked.tenant, given.customer)
    payment = given.payment(customer_id)
    return await asked.carry_out(
        lambda call: payments.record_payment(asked.context, call, payment), _in_full, status=201
    )


async def list_payments(asked: Asked) -> Response:
    """A page of payments."""
    filters = PAYMENTS_LISTED.read(asked.query, asked.tenant, await asked.customer_in_query())
    found = await payments.list_payments(asked.context, asked.tenant, filters)
    return answer(page_of(found, filters.limit, payment_object, lambda payment: Cursor(payment.id)))


async def get_payment(asked: Asked) -> Response:
    """One payment, with what it pays and how it was tried."""
    return answer(_in_full(await payments.get_payment(asked.context, asked.tenant, asked.id("payment"))))


async def allocate(asked: Asked) -> Response:
    """Set what is left of a payment against invoices."""
    given: PaymentToAllocate = asked.body
    id_, invoices = asked.id("payment"), wanted(given.invoices)
    return await asked.carry_out(lambda call: payments.allocate_payment(asked.context, call, id_, invoices), _in_full)


async def release(asked: Asked) -> Response:
    """Decide about a payment's money in suspense."""
    given: SuspenseToRelease = asked.body
    id_, invoices = asked.id("payment"), wanted(given.invoices)
    return await asked.carry_out(
        lambda call: orphans.release_suspense(asked.context, call, id_, given.to, invoices), _in_full
    )


async def reverse(asked: Asked) -> Response:
    """Note that an external payment went back."""
    id_ = asked.id("payment")
    return await asked.carry_out(lambda call: payments.reverse_payment(asked.context, call, id_), _in_full)


async def refund(asked: Asked) -> Response:
    """Give money back."""
    given: RefundToMake = asked.body
    target, asked_for = given.target(), given.refund()
    return await asked.carry_out(
        lambda call: refunds.refund(asked.context, call, target, asked_for), _refunds, status=201
    )


async def list_refunds(asked: Asked) -> Response:
    """A page of refunds."""
    filters = REFUNDS_LISTED.read(asked.query, asked.tenant, await asked.customer_in_query())
    found = await refunds.list_refunds(asked.context, asked.tenant, filters)
    return answer(page_of(found, filters.limit, refund_object, lambda one: Cursor(one.id)))


async def get_refund(asked: Asked) -> Response:
    """One refund."""
    return answer(refund_object(await refunds.get_refund(asked.context, asked.tenant, asked.id("refund"))))


async def cancel_refund(asked: Asked) -> Response:
    """Give up a refund that was not sent yet."""
    id_ = asked.id("refund")
    return await asked.carry_out(lambda call: refunds.cancel_refund(asked.context, call, id_), refund_object)


def _in_full(found: PaymentInFull) -> PaymentObject:
    return payment_object(found.payment, found.allocations, found.attempts)


def _refunds(made: list[Refund]) -> Page:
    return Page(data=[refund_object(one) for one in made], has_more=False, next_cursor=None)


ENDPOINTS = (
    Endpoint(
        method="POST", path=PAYMENTS, name="recordPayment", summary="Record a payment", run=record, scope=Scope.WRITE,
        description="Money that came in by another way. What no invoice takes is customer credit.", moves_money=True,
        body=PaymentToRecord, example="payment", answers=PaymentObject, status=201, problems=(404, 409),
    ),
    Endpoint(
        method="GET", path=PAYMENTS, name="listPayments", summary="List payments", run=list_payments, scope=Scope.READ,
        parameters=PAYMENTS_LISTED.parameters(), answers=PaymentObject, lists=True, problems=(404,),
    ),
    Endpoint(
        method="GET", path=PAYMENT, name="getPayment", summary="Get a payment", run=get_payment, scope=Scope.READ,
        answers=PaymentObject, problems=(404,),
    ),
    Endpoint(
        method="POST", path=PAYMENT + "/allocations", name="allocatePayment", summary="Allocate a payment",
        description="Sets what is left of it, which was credit meanwhile, against invoices made later.", run=allocate,
        scope=Scope.WRITE, moves_money=True, body=PaymentToAllocate, example="allocation", answers=PaymentObject,
        problems=(404, 409),
    ),
    Endpoint(
        method="POST", path=PAYMENT + "/release", name="releaseSuspense", summary="Release money in suspense",
        description="Money of another amount or currency than asked is the customer's, or goes back to the payer.",
        run=release, scope=Scope.WRITE, moves_money=True, body=SuspenseToRelease, example="release",
        answers=PaymentObject, problems=(404, 409),
    ),
    Endpoint(
        method="POST", path=PAYMENT + "/reverse", name="reversePayment", summary="Reverse an external payment",
        description="A cheque bounced, a transfer was recalled: what it paid is owed again.", run=reverse,
        scope=Scope.WRITE, moves_money=True, answers=PaymentObject, problems=(404, 409),
    ),
    Endpoint(
        method="POST", path=REFUNDS, name="refund", summary="Refund", run=refund, scope=Scope.WRITE,
        description="Of a payment, an invoice (from the payments that paid it, the latest first) or unspent credit.",
        moves_money=True, body=RefundToMake, example="refund", answers=RefundObject, lists=True, status=201,
        problems=(404, 409),
    ),
    Endpoint(
        method="GET", path=REFUNDS, name="listRefunds", summary="List refunds", run=list_refunds, scope=Scope.READ,
        parameters=REFUNDS_LISTED.parameters(), answers=RefundObject, lists=True, problems=(404,),
    ),
    Endpoint(
        method="GET", path=REFUND, name="getRefund", summary="Get a refund", run=get_refund, scope=Scope.READ,
        answers=RefundObject, problems=(404,),
    ),
    Endpoint(
        method="POST", path=REFUND + "/cancel", name="cancelRefund", summary="Cancel a refund", run=cancel_refund,
        description="Only one that was not sent yet; what it reserved is free again.", scope=Scope.WRITE,
        answers=RefundObject, problems=(404, 409),
    ),
)  # fmt: skip
