"""What the shop's customers return: credited or refunded line by line, the rest is credit."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from billsmith.actions import invoices
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.imports import Customers, ImportDocument, import_customers
from billsmith.actions.invoices import NewInvoice, Refusal
from billsmith.actions.money.corrections import NewCreditNote, issue_credit_note
from billsmith.actions.money.refunds import RefundTarget, refund
from billsmith.actions.money.rehearsing import all_documents
from billsmith.cli.shop.about import CURRENCY
from billsmith.cli.shop.documents import Returned, Year
from billsmith.cli.shop.matching import (
    Match,
    ReturnedDocument,
    ReturnedLine,
    SoldDocument,
    SoldLine,
    Taken,
    matched,
)
from billsmith.cli.shop.script import wants_money_back
from billsmith.core.collecting.refunding import NewRefund
from billsmith.core.ids import CustomerId, InvoiceId
from billsmith.core.invoices import Item, Line
from billsmith.core.lines.items import lines_of, total_of
from billsmith.core.payments.refunds import LineAmount, RefundInvalid, RefundRefused

CUSTOMERS_AT_ONCE = 10
CUSTOMERS_MADE_AT_ONCE = 1_000


class Returns(msgspec.Struct):
    """What was returned, in minor units: matched with what was sold, or not."""

    documents: int = 0
    matched_minor: int = 0
    unmatched_minor: int = 0
    anonymous_minor: int = 0
    """Of what was not matched: returned by nobody who is known, or bad debt that no sale belongs to."""
    credit_notes: int = 0
    refunds: int = 0
    refunded_minor: int = 0
    credits: int = 0
    """Documents of which something, or all, became credit."""


async def give_back(context: Context, call: Call, year: Year, on_documents: Callable[[int], None]) -> Returns:
    """Work off every returned document: customer by customer, each customer's in the order of their dates."""
    of_customers: dict[str, list[Returned]] = {}
    for returned in year.returned:
        of_customers.setdefault(returned.customer, []).append(returned)
    ids: Customers = {}
    for part in _parts(sorted(of_customers)):
        ids |= await import_customers(context, call, [year.details_of(name) for name in part])
    returns = Returns()
    room = asyncio.Semaphore(CUSTOMERS_AT_ONCE)

    async def of_one(name: str) -> None:
        id_ = ids[name]
        if isinstance(id_, Refusal):
            raise id_.error
        async with room:
            await _of_customer(context, call, year, (name, id_), of_customers[name], returns, on_documents)

    # Who returned most first, so that nobody is waited for in the end.
    async with asyncio.TaskGroup() as group:
        for name in sorted(of_customers, key=lambda one: (-len(of_customers[one]), one)):
            group.create_task(of_one(name))
    return returns


async def _of_customer(
    context: Context,
    call: Call,
    year: Year,
    customer: tuple[str, CustomerId],
    returned: Sequence[Returned],
    returns: Returns,
    on_documents: Callable[[int], None],
) -> None:
    name, id_ = customer
    built = {one.name: year.built(one, id_) for one in returned}
    naming = [_as_returned(call, one, built[one.name]) for one in returned if one.names_lines and not one.walk_in]
    sold = await _sold_to(context, call, id_, year.sold_at) if naming else []
    matches = {match.name: match for match in matched(sold, naming)}
    rests: list[NewInvoice] = []
    for one in returned:
        match = matches.get(one.name)
        if match is not None:
            await _take_back(context, call, name, match, returns)
        else:
            returns.anonymous_minor -= total_of(_lines(call, built[one.name]))[2]
        rest = _rest_of(call, built[one.name], match)
        if rest is not None:
            rests.append(rest)
        returns.documents += 1
        on_documents(returns.documents)
    if rests:
        made = (await invoices.create_invoices(context, call, rests)).fresh
        for document in made:
            if isinstance(document, Refusal):
                raise document.error
            returns.unmatched_minor -= document.invoice.total_minor
        returns.credits += len(made)


async def _take_back(context: Context, call: Call, customer: str, match: Match, returns: Returns) -> None:
    """Credit what a document takes back, invoice by invoice; or refund it, where the customer wants the money."""
    of_invoices: dict[InvoiceId, list[Taken]] = {}
    for part in match.taken:
        of_invoices.setdefault(part.invoice_id, []).append(part)
    for invoice_id, parts in of_invoices.items():
        lines = tuple(
            LineAmount(part.line_no, part.amount_minor) for part in sorted(parts, key=lambda one: one.line_no)
        )
        amount = sum(line.amount_minor for line in lines)
        returns.matched_minor += amount
        reason = f"Returned: {match.name}"
        if wants_money_back(customer) and await _refunded(context, call, invoice_id, amount, lines, reason):
            returns.refunds += 1
            returns.refunded_minor += amount
            continue
        await issue_credit_note(context, call, invoice_id, NewCreditNote(reason, lines=lines))
        returns.credit_notes += 1


async def _refunded(
    context: Context, call: Call, invoice_id: InvoiceId, amount: int, lines: tuple[LineAmount, ...], reason: str
) -> bool:
    """Give the money back; False where less than that was paid with money, so that it has to be credit."""
    try:
        await refund(context, call, RefundTarget(invoice_id=invoice_id), NewRefund(amount, lines=lines, reason=reason))
    except (RefundRefused, RefundInvalid):
        return False
    return True


async def _sold_to(
    context: Context, call: Call, customer_id: CustomerId, sold_at: Mapping[str, datetime]
) -> list[SoldDocument]:
    """The customer's invoices that have something left to be taken back."""
    found = [one async for one in all_documents(context, call.tenant, lines=True, customer_id=customer_id)]
    return [
        SoldDocument(
            document.invoice.id,
            sold_at[document.invoice.external_number or ""],
            document.invoice.total_minor,
            tuple(
                SoldLine(nth, line.category or "", line.unit_price or Decimal(0), line.total_minor)
                for nth, line in enumerate(document.lines, start=1)
            ),
        )
        for document in reversed(found)
        if document.invoice.total_minor > 0
    ]


def _parts(names: list[str]) -> list[list[str]]:
    return [names[start : start + CUSTOMERS_MADE_AT_ONCE] for start in range(0, len(names), CUSTOMERS_MADE_AT_ONCE)]


def _lines(call: Call, built: ImportDocument) -> tuple[Line, ...]:
    return lines_of(built.invoice.details, CURRENCY, call.tenant.time_zone, call.tenant.settings)


def _as_returned(call: Call, returned: Returned, built: ImportDocument) -> ReturnedDocument:
    lines = _lines(call, built)
    return ReturnedDocument(
        returned.name,
        returned.returned_at,
        tuple(ReturnedLine(line.category or "", line.unit_price or Decimal(0), -line.total_minor) for line in lines),
    )


def _rest_of(call: Call, built: ImportDocument, match: Match | None) -> NewInvoice | None:
    """What of a returned document found no line, as an invoice with a negative total; None: nothing."""
    if match is None:
        return built.invoice
    if not any(match.rest_minor):
        return None
    details, lines = built.invoice.details, _lines(call, built)
    items = tuple(
        item if rest == -line.total_minor else Item(item.name, amount_minor=-rest, category=item.category)
        for item, line, rest in zip(details.items, lines, match.rest_minor, strict=True)
        if rest
    )
    return replace(built.invoice, details=replace(details, items=items))
