"""Credit notes with their numbers, and write-offs, read back."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import msgspec

from billsmith.core.ids import CreditNoteId, TenantId
from billsmith.core.numbers import NumberSeries, show_number
from billsmith.core.payments.corrections import CreditNote, WriteOff
from billsmith.store.customers import split_ids
from billsmith.store.invoices import take_block
from billsmith.store.listing import Filters, list_ids
from billsmith.store.pool import Connection, Pool
from billsmith.store.queries import load

_SQL = load("corrections")


class NumberedNote(msgspec.Struct, frozen=True, gc=False):
    """A credit note as it is printed."""

    note: CreditNote
    number: str


class WrittenOff(msgspec.Struct, frozen=True, gc=False):
    """What was written off in a month, and what of it (whenever) was taken back in it."""

    month: date
    currency: str
    written_off_minor: int
    reversed_minor: int


async def get_credit_notes(
    connection: Connection | Pool, tenant_id: TenantId, ids: Iterable[UUID]
) -> dict[UUID, NumberedNote]:
    """Those of the credit notes that exist."""
    rows = await connection.fetch(_SQL["get_credit_notes"], tenant_id, *split_ids(ids))
    return {row["id"]: NumberedNote(_note(row), row["number"]) for row in rows}


async def list_credit_notes(connection: Connection | Pool, tenant_id: TenantId, filters: Filters) -> list[NumberedNote]:
    """A page of credit notes, newest first; one more than asked for if there are more."""
    rows = await list_ids(connection, _SQL["list_credit_notes"], "credit_notes", tenant_id, filters)
    found = await get_credit_notes(connection, tenant_id, [row["id"] for row in rows])
    return [found[row["id"]] for row in rows if row["id"] in found]


async def credit_notes_of_invoices(
    connection: Connection | Pool, tenant_id: TenantId, invoice_ids: Iterable[UUID]
) -> list[CreditNote]:
    """Every credit note of these invoices, oldest first."""
    rows = await connection.fetch(_SQL["credit_notes_of_invoices"], tenant_id, *split_ids(invoice_ids))
    return [_note(row) for row in rows]


async def number_credit_notes(
    connection: Connection, tenant_id: TenantId, ids: Sequence[CreditNoteId], series: NumberSeries
) -> None:
    """Number new credit notes in the order given; like invoices, the last thing before commit."""
    first = await take_block(connection, tenant_id, series.series, len(ids))
    records = [
        (tenant_id, id_, series.series, sequence, show_number(series, sequence))
        for sequence, id_ in enumerate(ids, first)
    ]
    await connection.copy_records_to_table("credit_note_numbers", records=records)


async def get_write_offs(
    connection: Connection | Pool, tenant_id: TenantId, ids: Iterable[UUID]
) -> dict[UUID, WriteOff]:
    """Those of the write-offs that exist."""
    rows = await connection.fetch(_SQL["get_write_offs"], tenant_id, *split_ids(ids))
    return {row["id"]: WriteOff(*row) for row in rows}


async def list_write_offs(connection: Connection | Pool, tenant_id: TenantId, filters: Filters) -> list[WriteOff]:
    """A page of write-offs, newest first; one more than asked for if there are more."""
    rows = await list_ids(connection, _SQL["list_write_offs"], "write_offs", tenant_id, filters)
    found = await get_write_offs(connection, tenant_id, [row["id"] for row in rows])
    return [found[row["id"]] for row in rows if row["id"] in found]


async def write_offs_of_invoices(
    connection: Connection | Pool, tenant_id: TenantId, invoice_ids: Iterable[UUID]
) -> list[WriteOff]:
    """Every write-off of these invoices, oldest first."""
    rows = await connection.fetch(_SQL["write_offs_of_invoices"], tenant_id, *split_ids(invoice_ids))
    return [WriteOff(*row) for row in rows]


async def write_off_report(
    connection: Connection | Pool, tenant_id: TenantId, since: date, until: date
) -> list[WrittenOff]:
    """Per month and currency, half-open [since, until), by the ledger."""
    return [WrittenOff(*row) for row in await connection.fetch(_SQL["write_off_report"], tenant_id, since, until)]


def _note(row: Any) -> CreditNote:
    fields = CreditNote.__struct_fields__
    return msgspec.convert(dict(zip(fields, tuple(row)[: len(fields)], strict=True)), CreditNote)
