"""Invoices, their lines and their numbers."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import astuple

from billsmith.core.ids import CustomerId, InvoiceId, TenantId, shard_of
from billsmith.core.invoices import Document, Invoice, Line
from billsmith.core.numbers import NumberSeries, show_number
from billsmith.core.parties import Party
from billsmith.core.payments.policy import CollectionPolicy
from billsmith.core.payments.results import Decline
from billsmith.store.customers import split_ids
from billsmith.store.labels import labels_of
from billsmith.store.listing import Filters, list_ids
from billsmith.store.packing import packed_id
from billsmith.store.pool import Connection, Pool
from billsmith.store.queries import load
from billsmith.store.together import Writer, insert_rows

_SQL = load("invoices")
INVOICE_COLUMNS = ("shard", "labels", *Invoice.__struct_fields__)
LINE_COLUMNS = ("shard", "invoice_id", "line_no", "tenant_id", *Line.__struct_fields__)
_WIDTH = len(Invoice.__struct_fields__)
_TAGS = Invoice.__struct_fields__.index("tags")
_POLICY = Invoice.__struct_fields__.index("collection_policy")
_DECLINE = Invoice.__struct_fields__.index("last_decline")


async def insert_invoices(
    writer: Writer, invoices: Sequence[Invoice], lines: dict[InvoiceId, tuple[Line, ...]]
) -> None:
    """New invoices with their lines; under the customers' locks no conflict is possible."""
    records = [invoice_record(invoice) for invoice in invoices]
    line_records = [record for invoice in invoices for record in line_records_of(invoice, lines[invoice.id])]
    if len(records) == 1:
        await writer.execute(_SQL["insert_invoice"], *records[0])
    else:
        await writer.copy_records_to_table("invoices", records=records, columns=INVOICE_COLUMNS)
    await insert_rows(writer, "invoice_lines", LINE_COLUMNS, line_records, _SQL["insert_lines"])


def invoice_record(invoice: Invoice) -> tuple[Any, ...]:
    """The row of a new invoice."""
    labels = labels_of(invoice.tenant_id, invoice.tags, invoice.metadata)
    return (shard_of(invoice.id), labels, *astuple(invoice))


def line_records_of(invoice: Invoice, lines: Sequence[Line]) -> list[tuple[Any, ...]]:
    """The rows of a new invoice's lines."""
    shard, id_, tenant_id = shard_of(invoice.id), packed_id(invoice.id), packed_id(invoice.tenant_id)
    return [(shard, id_, line_no, tenant_id, *astuple(line)) for line_no, line in enumerate(lines, 1)]


async def settle_invoices(writer: Writer, tenant_id: TenantId, invoices: Sequence[Invoice]) -> None:
    """Store what changed about finalised invoices: states and figures."""
    columns = zip(
        *((shard_of(invoice.id), invoice.id, *(getattr(invoice, field) for field in _SETTLED)) for invoice in invoices),
        strict=True,
    )
    await writer.execute(_SQL["settle_invoices"], tenant_id, *map(list, columns))


_SETTLED = (
    "status", "collection_state", "paid_minor", "credit_applied_minor", "credit_noted_minor", "written_off_minor",
    "voided_minor", "moved_to_credit_minor", "absorbed_minor", "refunded_minor", "payment_method_id",
    "collection_policy", "next_collect_at", "attempt_count", "collection_reason", "last_decline", "revised_by_id",
    "rebill", "version", "settled_at", "unrecoverable_minor",
)  # fmt: skip


async def relabel_invoice(connection: Connection, invoice: Invoice) -> None:
    """Store metadata and tags."""
    labels = labels_of(invoice.tenant_id, invoice.tags, invoice.metadata)
    await connection.execute(
        _SQL["relabel_invoice"],
        invoice.tenant_id,
        shard_of(invoice.id),
        invoice.id,
        invoice.metadata,
        invoice.tags,
        labels,
        invoice.version,
    )


async def delete_draft(connection: Connection, invoice: Invoice) -> None:
    """Take a draft and its lines away."""
    key = (invoice.tenant_id, shard_of(invoice.id), invoice.id)
    await connection.execute(_SQL["delete_draft_lines"], *key)
    await connection.execute(_SQL["delete_draft"], *key)


class DraftDue(msgspec.Struct, frozen=True, gc=False):
    """A draft whose window has closed."""

    tenant_id: TenantId
    id: InvoiceId


async def drafts_due(
    connection: Connection | Pool, now: datetime, limit: int, tenant_id: TenantId | None = None
) -> list[DraftDue]:
    """Drafts that finalise themselves by now: of one tenant, or of all who live in the real time."""
    if tenant_id is None:
        rows = await connection.fetch(_SQL["drafts_due"], now, limit)
    else:
        rows = await connection.fetch(_SQL["drafts_due_of_tenant"], tenant_id, now, limit)
    return [DraftDue(*row) for row in rows]


async def hold_draft(connection: Connection, invoice: Invoice) -> None:
    """A draft no longer finalises itself."""
    await connection.execute(_SQL["hold_draft"], invoice.tenant_id, shard_of(invoice.id), invoice.id, invoice.version)


async def get_document(connection: Connection | Pool, tenant_id: TenantId, id_: UUID) -> Document | None:
    """The invoice with its lines, number and parties, or None."""
    row = await connection.fetchrow(_SQL["get_invoice"], tenant_id, shard_of(id_), id_)
    return None if row is None else _document(row, tuple([Line(*line) for line in row["lines"]]))


async def get_documents(
    connection: Connection | Pool, tenant_id: TenantId, ids: Iterable[UUID], *, lines: bool = True
) -> dict[UUID, Document]:
    """Those of the invoices that exist, with numbers and parties, and lines unless they are not wanted."""
    shards, wanted = split_ids(ids)
    if not wanted:
        return {}
    rows = await connection.fetch(_SQL["get_invoices"], tenant_id, shards, wanted)
    found: dict[UUID, list[Line]] = {}
    if lines:
        for invoice_id, *values in await connection.fetch(_SQL["get_lines_of_many"], tenant_id, shards, wanted):
            found.setdefault(invoice_id, []).append(Line(*values))
    return {row["id"]: _document(row, tuple(found.get(row["id"], ()))) for row in rows}


async def lock_invoices(connection: Connection, tenant_id: TenantId, ids: Iterable[UUID]) -> dict[UUID, Invoice]:
    """Those that exist, locked in the order of their ids; their customers were locked before."""
    shards, wanted = split_ids(ids)
    rows = await connection.fetch(_SQL["lock_invoices"], tenant_id, shards, wanted)
    return {row["id"]: _invoice(row) for row in rows}


async def owed_invoices(
    connection: Connection, tenant_id: TenantId, customer_ids: Iterable[CustomerId]
) -> dict[CustomerId, list[Invoice]]:
    """The open charge invoices of customers, oldest due first."""
    owed: dict[CustomerId, list[Invoice]] = {}
    for row in await connection.fetch(_SQL["owed_invoices"], tenant_id, *split_ids(customer_ids)):
        owed.setdefault(row["customer_id"], []).append(_invoice(row))
    return owed


async def find_by_external_id(
    connection: Connection | Pool, tenant_id: TenantId, wanted: Sequence[tuple[CustomerId, str]]
) -> dict[tuple[CustomerId, str], InvoiceId]:
    """Which invoices have these external ids, which are unique per customer."""
    shards = [shard_of(customer_id) for customer_id, _ in wanted]
    ids = [customer_id for customer_id, _ in wanted]
    names = [name for _, name in wanted]
    rows = await connection.fetch(_SQL["find_invoices_by_external_id"], tenant_id, shards, ids, names)
    return {(row["customer_id"], row["external_id"]): row["id"] for row in rows}


async def list_documents(
    connection: Connection | Pool, tenant_id: TenantId, filters: Filters, *, lines: bool
) -> list[Document]:
    """A page of invoices; one more than asked for if there are more. Raises FilterTooBroad."""
    rows = await list_ids(connection, _SQL["list_invoices"], "invoices", tenant_id, filters)
    found = await get_documents(connection, tenant_id, [row["id"] for row in rows], lines=lines)
    return [found[row["id"]] for row in rows if row["id"] in found]


async def take_numbers(
    connection: Connection, tenant_id: TenantId, wanted: Sequence[tuple[InvoiceId, NumberSeries]]
) -> dict[InvoiceId, str]:
    """Number these invoices, each series in the order given; the last thing before commit. Their printed numbers.

    The rows of the series are locked in the order of their names, so that two transactions can't wait for each other.
    """
    if len(wanted) == 1:
        return {wanted[0][0]: await _take_number(connection, tenant_id, *wanted[0])}
    blocks: dict[NumberSeries, list[InvoiceId]] = {}
    for invoice_id, series in wanted:
        blocks.setdefault(series, []).append(invoice_id)
    records: list[tuple[Any, ...]] = []
    for series in sorted(blocks, key=lambda block: block.series):
        invoice_ids = blocks[series]
        first = await take_block(connection, tenant_id, series.series, len(invoice_ids))
        records += [
            (tenant_id, invoice_id, series.series, sequence, show_number(series, sequence))
            for sequence, invoice_id in enumerate(invoice_ids, first)
        ]
    await connection.copy_records_to_table("invoice_numbers", records=records)
    return {record[1]: record[4] for record in records}


async def _take_number(connection: Connection, tenant_id: TenantId, invoice_id: InvoiceId, series: NumberSeries) -> str:
    key = (tenant_id, series.series, invoice_id, series.prefix, series.digits)
    number = await connection.fetchval(_SQL["take_number"], *key)
    if number is None:
        await connection.execute(_SQL["begin_series"], tenant_id, series.series)
        number = await connection.fetchval(_SQL["take_number"], *key)
    return str(number)


async def take_block(connection: Connection, tenant_id: TenantId, series: str, count: int) -> int:
    """The first of `count` numbers of a series that are the caller's; a series begins with 1."""
    following = await connection.fetchval(_SQL["take_numbers"], tenant_id, series, count)
    if following is None:
        await connection.execute(_SQL["begin_series"], tenant_id, series)
        following = await connection.fetchval(_SQL["take_numbers"], tenant_id, series, count)
    return int(following) - count


class DueInvoice(msgspec.Struct, frozen=True, gc=False):
    """An invoice whose time to be collected has come."""

    tenant_id: TenantId
    customer_id: CustomerId
    id: InvoiceId
    due_at: datetime


async def collect_due(
    connection: Connection | Pool, at: datetime, limit: int, tenant_id: TenantId | None = None
) -> list[DueInvoice]:
    """Invoices to be collected, longest due first: of one tenant, or of all who live in the real time."""
    if tenant_id is None:
        rows = await connection.fetch(_SQL["collect_due"], at, limit)
    else:
        rows = await connection.fetch(_SQL["collect_due_of_tenant"], tenant_id, at, limit)
    return [DueInvoice(*row) for row in rows]


async def adjusting_invoices(
    connection: Connection | Pool, tenant_id: TenantId, ids: Iterable[UUID]
) -> list[tuple[InvoiceId, InvoiceId, str]]:
    """(corrected invoice, supplementary invoice, its status)."""
    return [tuple(row) for row in await connection.fetch(_SQL["adjusting_invoices"], tenant_id, *split_ids(ids))]


class Uncollectable(msgspec.Struct, frozen=True, gc=False):
    """What one customer owes that nothing collects by itself, of one currency and one reason."""

    customer_id: CustomerId
    currency: str
    collection_state: str
    collection_reason: str | None
    invoices: int
    owed_minor: int
    oldest_due_on: date


async def uncollectable_customers(
    connection: Connection | Pool, tenant_id: TenantId, after: CustomerId | None, limit: int
) -> list[Uncollectable]:
    """Up to `limit` customers that can't be charged, by their ids, one row per currency and reason of each."""
    rows = await connection.fetch(_SQL["uncollectable_customers"], tenant_id, after, limit)
    return [Uncollectable(*row) for row in rows]


def _invoice(row: Iterable[Any]) -> Invoice:
    values = list(row)[:_WIDTH]
    values[_TAGS] = tuple(values[_TAGS])
    if values[_POLICY] is not None:
        values[_POLICY] = msgspec.convert(values[_POLICY], CollectionPolicy)
    if values[_DECLINE] is not None:
        values[_DECLINE] = msgspec.convert(values[_DECLINE], Decline)
    return Invoice(*values)


def _document(row: Any, lines: tuple[Line, ...]) -> Document:
    return Document(_invoice(row), lines, row["number"], _party(row["seller"]), _party(row["buyer"]))


def _party(stored: Any) -> Party | None:
    return None if stored is None else msgspec.convert(stored, Party)
