"""What corrects a finalised invoice: /v1/credit-notes, /v1/write-offs, and the verbs below /v1/invoices/{id}"""

from datetime import date
from typing import Any

import msgspec
from starlette.responses import Response

from billsmith.actions.money import corrections, payments
from billsmith.actions.money.corrections import Revised
from billsmith.actions.money_objects import CreditNoteObject, WriteOffObject, credit_note_object, write_off_object
from billsmith.actions.objects import CreditObject, InvoiceObject, credit_object, invoice_object
from billsmith.api.endpoints import Asked, Endpoint, answer
from billsmith.api.filters import Listed
from billsmith.api.paging import Cursor, Page, page_of
from billsmith.api.parameters import PREVIEW, Parameter, parameter_invalid
from billsmith.api.schemas.money import CreditNoteToIssue, InvoiceToAdjust, InvoiceToVoid, WriteOffToMake
from billsmith.core.tenants import Scope
from billsmith.store.money.corrections import NumberedNote

INVOICE = "/v1/invoices/{id}"
NOTES = "/v1/credit-notes"
WRITE_OFFS = "/v1/write-offs"
REPORT = "/v1/reports/write-offs"

LISTED = Listed(texts=("currency",), instants=("created_at",), customer=True)
_DAY = {"type": "string", "format": "date"}


class RevisedObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The void invoice, and its new draft: `revises` and `revised_by` link them."""

    voided: InvoiceObject
    draft: InvoiceObject


class WrittenOffObject(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What was written off in a month, and what of it, whenever, was taken back in it."""

    month: date
    currency: str
    written_off: int
    reversed: int
    net: int


async def issue_note(asked: Asked) -> Response:
    """Correct an invoice downwards."""
    given: CreditNoteToIssue = asked.body
    id_, note, preview = asked.id("invoice"), given.note(), asked.preview
    return await asked.carry_out(
        lambda call: corrections.issue_credit_note(asked.context, call, id_, note, preview=preview), _note, status=201
    )


async def list_notes(asked: Asked) -> Response:
    """A page of credit notes."""
    filters = LISTED.read(asked.query, asked.tenant, await asked.customer_in_query())
    found = await corrections.list_credit_notes(asked.context, asked.tenant, filters)
    return answer(page_of(found, filters.limit, _note, lambda one: Cursor(one.note.id)))


async def get_note(asked: Asked) -> Response:
    """One credit note."""
    return answer(_note(await corrections.get_credit_note(asked.context, asked.tenant, asked.id("credit_note"))))


async def adjust(asked: Asked) -> Response:
    """Adjust an invoice."""
    given: InvoiceToAdjust = asked.body
    id_, adjustments = asked.id("invoice"), given.given()
    return await asked.carry_out(
        lambda call: corrections.adjust_invoice(asked.context, call, id_, adjustments), invoice_object
    )


async def void(asked: Asked) -> Response:
    """Void an invoice."""
    given: InvoiceToVoid = asked.body
    id_, preview = asked.id("invoice"), asked.preview
    return await asked.carry_out(
        lambda call: corrections.void_invoice(asked.context, call, id_, rebill=given.rebill, preview=preview),
        invoice_object,
    )


async def revise(asked: Asked) -> Response:
    """Void an invoice and make a new draft of it."""
    id_ = asked.id("invoice")
    return await asked.carry_out(
        lambda call: corrections.revise_invoice(asked.context, call, id_), _revised, status=201
    )


async def write_off(asked: Asked) -> Response:
    """Write an invoice off."""
    given: WriteOffToMake = asked.body
    id_, new, preview = asked.id("invoice"), given.write_off(), asked.preview
    return await asked.carry_out(
        lambda call: corrections.write_off(asked.context, call, id_, new, preview=preview), write_off_object, status=201
    )


async def list_write_offs(asked: Asked) -> Response:
    """A page of write-offs."""
    filters = LISTED.read(asked.query, asked.tenant, await asked.customer_in_query())
    found = await corrections.list_write_offs(asked.context, asked.tenant, filters)
    return answer(page_of(found, filters.limit, write_off_object, lambda one: Cursor(one.id)))


async def get_write_off(asked: Asked) -> Response:
    """One write-off."""
    return answer(write_off_object(await corrections.get_write_off(asked.context, asked.tenant, asked.id("write_off"))))


async def undo_write_off(asked: Asked) -> Response:
    """Owe again what was written off."""
    id_ = asked.id("write_off")
    return await asked.carry_out(lambda call: corrections.undo_write_off(asked.context, call, id_), write_off_object)


async def report(asked: Asked) -> Response:
    """Write-offs by month."""
    since, until = _day(asked, "since", date(1970, 1, 1)), _day(asked, "until", date(9000, 1, 1))
    rows = await corrections.report_write_offs(asked.context, asked.tenant, since, until)
    shown = [
        WrittenOffObject(
            month=row.month,
            currency=row.currency,
            written_off=row.written_off_minor,
            reversed=row.reversed_minor,
            net=row.written_off_minor - row.reversed_minor,
        )
        for row in rows
    ]
    return answer(Page(data=shown, has_more=False, next_cursor=None))


async def move_credit(asked: Asked) -> Response:
    """Move credit to the parent who pays."""
    id_ = asked.id("credit")
    return await asked.carry_out(lambda call: payments.move_credit(asked.context, call, id_), credit_object, status=201)


def _note(found: NumberedNote) -> CreditNoteObject:
    return credit_note_object(found.note, found.number)


def _revised(revised: Revised) -> RevisedObject:
    return RevisedObject(voided=invoice_object(revised.voided), draft=invoice_object(revised.draft))


def _day(asked: Asked, name: str, default: date) -> date:
    text = asked.query.get(name)
    try:
        return default if text is None else msgspec.convert(text, date)
    except msgspec.ValidationError:
        raise parameter_invalid(name, f"{name} is {text!r}; a date, such as 2026-03-31, is needed") from None


def _verb(word: str, **fields: Any) -> Endpoint:
    """A verb about one finalised invoice."""
    return Endpoint(
        method="POST", path=f"{INVOICE}/{word}", scope=Scope.WRITE, moves_money=True, problems=(404, 409), **fields
    )


ENDPOINTS = (
    _verb(
        "credit-notes", name="issueCreditNote", summary="Issue a credit note", run=issue_note, status=201,
        description="Takes back what is still owed first, then what was written off; the paid part becomes credit.",
        parameters=(PREVIEW,), body=CreditNoteToIssue, example="credit_note", answers=CreditNoteObject,
    ),
    _verb(
        "adjust", name="adjustInvoice", summary="Adjust an invoice", run=adjust,
        description="Down by credit notes, up by a supplementary invoice that is collected with it.",
        body=InvoiceToAdjust, example="adjustments", answers=InvoiceObject,
    ),
    _verb(
        "void", name="voidInvoice", summary="Void an invoice", run=void,
        description="Only one for which nothing is paid. With a charge under way it is `void_pending` until that ends; "
        "money that still comes is given back.",
        parameters=(PREVIEW,), body=InvoiceToVoid, example="void", answers=InvoiceObject,
    ),
    _verb(
        "revise", name="reviseInvoice", summary="Revise an invoice", run=revise, status=201,
        description="Voids it and makes a draft of the same content.", answers=RevisedObject,
    ),
    _verb(
        "write-off", name="writeOffInvoice", summary="Write an invoice off", run=write_off, status=201,
        description="All that is owed, or an amount. Money that comes after all is a recovery.",
        parameters=(PREVIEW,), body=WriteOffToMake, example="write_off", answers=WriteOffObject,
    ),
    Endpoint(
        method="GET", path=NOTES, name="listCreditNotes", summary="List credit notes", run=list_notes, scope=Scope.READ,
        parameters=LISTED.parameters(), answers=CreditNoteObject, lists=True, problems=(404,),
    ),
    Endpoint(
        method="GET", path=NOTES + "/{id}", name="getCreditNote", summary="Get a credit note", run=get_note,
        scope=Scope.READ, answers=CreditNoteObject, problems=(404,),
    ),
    Endpoint(
        method="GET", path=WRITE_OFFS, name="listWriteOffs", summary="List write-offs", run=list_write_offs,
        scope=Scope.READ, parameters=LISTED.parameters(), answers=WriteOffObject, lists=True, problems=(404,),
    ),
    Endpoint(
        method="GET", path=WRITE_OFFS + "/{id}", name="getWriteOff", summary="Get a write-off", run=get_write_off,
        scope=Scope.READ, answers=WriteOffObject, problems=(404,),
    ),
    Endpoint(
        method="POST", path=WRITE_OFFS + "/{id}/undo", name="undoWriteOff", summary="Undo a write-off",
        description="What still stands of it is owed again; nothing collects it by itself.", run=undo_write_off,
        scope=Scope.WRITE, moves_money=True, answers=WriteOffObject, problems=(404, 409),
    ),
    Endpoint(
        method="GET", path=REPORT, name="reportWriteOffs", summary="Report write-offs", run=report, scope=Scope.READ,
        description="Per month and currency, by the ledger.",
        parameters=(
            Parameter("since", _DAY, "The first day."),
            Parameter("until", _DAY, "The first day that no longer belongs to it."),
        ),
        answers=WrittenOffObject, lists=True,
    ),
    Endpoint(
        method="POST", path="/v1/credits/{id}/move", name="moveCredit", summary="Move credit to the parent",
        description="All that is left of a child's credit; the parent's new credit is answered.", run=move_credit,
        scope=Scope.WRITE, moves_money=True, answers=CreditObject, status=201, problems=(404, 409),
    ),
)  # fmt: skip
