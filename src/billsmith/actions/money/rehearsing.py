"""A sandbox on the fake gateway: what its gateway shall do, and whether its book says the same as ours."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from uuid import UUID

import msgspec

from billsmith.actions.context import Context
from billsmith.actions.money.accounts import get_account
from billsmith.actions.money.attempts import opened_account
from billsmith.core.ids import CustomerId, InvoiceId, show_id
from billsmith.core.invoices import Document
from billsmith.core.payments.payment import Attempt, Payment
from billsmith.core.payments.results import OperationKind
from billsmith.core.tenants import Tenant
from billsmith.gateways.fake import FakeGateway, Movement, Rule
from billsmith.store import invoices as invoice_rows
from billsmith.store.listing import Filters
from billsmith.store.money import payments as payment_rows

__all__ = ["Rule"]

PAGE = 500
_REVERSAL = "reversal"
_COMPARED = {OperationKind.CHARGE, OperationKind.REFUND, OperationKind.PAYOUT, _REVERSAL}


class Try(msgspec.Struct, frozen=True, gc=False):
    """An attempt, the payment it belongs to, and the invoices it is meant for."""

    attempt: Attempt
    payment: Payment
    invoice_ids: tuple[InvoiceId, ...]


class Moved(msgspec.Struct, frozen=True, order=True):
    """Money that moved by one operation: positive to us, negative away from us."""

    operation_id: str
    what: str
    amount_minor: int
    currency: str


class Comparison(msgspec.Struct, frozen=True):
    """The gateway's book beside ours, operation by operation."""

    operations: int
    charged_minor: int
    given_back_minor: int
    fees_minor: int
    disagreements: tuple[str, ...]


async def script_gateway(context: Context, tenant: Tenant, account_id: UUID, rules: Sequence[Rule]) -> None:
    """From now on these rules hold for charges on this account of the fake gateway."""
    account = await get_account(context, tenant, account_id)
    gateway = _fake(context, account.gateway)
    for rule in rules:
        await gateway.script(opened_account(context, tenant, account), rule)


async def all_documents(
    context: Context, tenant: Tenant, *, lines: bool, customer_id: CustomerId | None = None, **equal: str
) -> AsyncIterator[Document]:
    """Every invoice of the tenant, or of one customer, whose columns have these values; the newest first."""
    after_id = None
    while True:
        filters = Filters(PAGE, after_id=after_id, customer_id=customer_id, equal=equal)
        page = await invoice_rows.list_documents(context.pool, tenant.id, filters, lines=lines)
        for document in page[:PAGE]:
            yield document
        if len(page) <= PAGE:
            return
        after_id = page[PAGE - 1].invoice.id


async def all_tries(context: Context, tenant: Tenant) -> AsyncIterator[Try]:
    """Every attempt of the tenant, the newest first."""
    after_id = None
    while True:
        page = await payment_rows.list_attempts(context.pool, tenant.id, Filters(PAGE, after_id=after_id))
        payments = await payment_rows.get_payments(context.pool, tenant.id, {one.payment_id for one in page})
        shares = await payment_rows.get_shares(context.pool, tenant.id, [one.id for one in page])
        for attempt in page[:PAGE]:
            ids = tuple(share.invoice_id for share in shares.get(attempt.id, ()))
            yield Try(attempt, payments[attempt.payment_id], ids)
        if len(page) <= PAGE:
            return
        after_id = page[PAGE - 1].id


async def compare_with_book(context: Context, tenant: Tenant, account_id: UUID, tries: Sequence[Try]) -> Comparison:
    """Whether all that moved at the gateway is what our payments and refunds say, and nothing else."""
    account = await get_account(context, tenant, account_id)
    gateway = _fake(context, account.gateway)
    at = context.clock.of(tenant)
    book = [_moved(one) for one in await gateway.movements(opened_account(context, tenant, account), at)]
    book = [one for one in book if one.what in _COMPARED]
    ours = [moved for one in tries for moved in moved_by(one)]
    return Comparison(
        operations=len(book),
        charged_minor=sum(one.amount_minor for one in book if one.what == OperationKind.CHARGE),
        given_back_minor=-sum(one.amount_minor for one in book if one.what == OperationKind.REFUND),
        fees_minor=sum(one.payment.fee_minor for one in tries if one.attempt.kind is OperationKind.CHARGE),
        disagreements=tuple(disagreements(book, ours)),
    )


def moved_by(one: Try) -> list[Moved]:
    """What our books say moved by an attempt. A charge counts with what its payment says."""
    attempt, id_ = one.attempt, show_id("attempt", one.attempt.id)
    if attempt.status not in ("succeeded", "reversed"):
        return []
    moved = Moved(id_, attempt.kind.value, attempt.amount_minor, attempt.currency)
    if attempt.kind is OperationKind.CHARGE:
        paid = one.payment.status in ("succeeded", "reversed")
        amount = one.payment.amount_minor if paid else 0
        moved = Moved(id_, attempt.kind.value, amount, one.payment.currency)
    else:
        moved = msgspec.structs.replace(moved, amount_minor=-moved.amount_minor)
    if attempt.status != "reversed":
        return [moved]
    return [moved, msgspec.structs.replace(moved, what=_REVERSAL, amount_minor=-moved.amount_minor)]


def disagreements(book: Iterable[Moved], ours: Iterable[Moved]) -> list[str]:
    """Each operation that one side has and the other has not, or has otherwise."""
    theirs, own = _by_operation(book), _by_operation(ours)
    return [
        f"{what} {id_}: the gateway's book says {_said(theirs, id_, what)}, ours {_said(own, id_, what)}"
        for id_, what in sorted({*theirs, *own})
        if theirs.get((id_, what)) != own.get((id_, what))
    ]


def _by_operation(moved: Iterable[Moved]) -> dict[tuple[str, str], list[tuple[int, str]]]:
    found: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for one in moved:
        found.setdefault((one.operation_id, one.what), []).append((one.amount_minor, one.currency))
    return found


def _said(found: Mapping[tuple[str, str], list[tuple[int, str]]], id_: str, what: str) -> str:
    return " and ".join(f"{amount} {currency}" for amount, currency in found.get((id_, what), [])) or "nothing"


def _moved(movement: Movement) -> Moved:
    return Moved(movement.operation_id, str(movement.what), movement.amount_minor, movement.currency)


def _fake(context: Context, name: str) -> FakeGateway:
    gateway = context.gateways.gateway(name)
    assert isinstance(gateway, FakeGateway), "only the fake gateway can be told what to do"
    return gateway
