"""An import of subscriptions from beginning to end: rows in batches, what is refused goes to a file."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.customers import resolve_customers
from billsmith.actions.subscriptions.importing import ImportedResult, ImportedSubscription, import_subscriptions
from billsmith.cli.importing.reading import BadRow, Row, columns_of, rows
from billsmith.cli.importing.rejects import ADDED_COLUMNS, rejects_path, write_rejects
from billsmith.cli.importing.spool import whole
from billsmith.cli.subscriptions.rows import OPTIONAL, SubscriptionRow, check_columns, row_of
from billsmith.core.subscriptions.group import SubscriptionNotThere
from billsmith.errors import BillsmithError

AT_ONCE = 1_000
"""Rows of one transaction; a customer's rows in a row stay together, up to as many again."""


class ImportSummary(msgspec.Struct):
    """What came of an import: subscriptions made by this run, found as they were made before, and refused rows."""

    rows: int = 0
    made: int = 0
    made_before: int = 0
    rows_rejected: int = 0
    rejects: str | None = None
    dry_run: bool = False


Read = tuple[int, SubscriptionRow]
"""A row's number and what it says."""


async def run_import(
    context: Context,
    call: Call,
    path: Path,
    *,
    rejects: Path | None,
    dry_run: bool,
    on_rows: Callable[[int], None],
) -> ImportSummary:
    """Import the file's subscriptions, in its order. Started again, it makes what is missing and nothing else.

    Raises FileMissing, FileUnreadable, ColumnsInvalid, RejectsNotWritable.
    """
    columns = columns_of(path, OPTIONAL)
    check_columns(path, columns, ADDED_COLUMNS)
    to = rejects_path(path, rejects)
    summary, refused = ImportSummary(dry_run=dry_run), dict[int, str]()
    would_be: set[tuple[str, str]] = set()
    for batch in _batches(rows(path, columns), columns, refused):
        results = await _import(context, call, [row for _, row in batch], dry_run)
        for (number, row), result in zip(batch, results, strict=True):
            _count(summary, refused, would_be, number, row, result)
        on_rows(summary.made + summary.made_before + len(refused))
    summary.rows_rejected = len(refused)
    summary.rows = summary.made + summary.made_before + summary.rows_rejected
    if refused:
        write_rejects(path, columns, columns.index("external_id"), {}, refused, to)
        summary.rejects = str(to)
    return summary


async def _import(
    context: Context, call: Call, given: Sequence[SubscriptionRow], dry_run: bool
) -> list[ImportedResult]:
    meant = await resolve_customers(context, call.tenant, {row.customer for row in given})
    wanted = [ImportedSubscription(meant[row.customer], row.subscription, row.base) for row in given]
    return await import_subscriptions(context, call, wanted, dry_run=dry_run)


def _batches(found: Iterator[Row | BadRow], columns: Sequence[str], refused: dict[int, str]) -> Iterator[list[Read]]:
    batch: list[Read] = []
    for row in found:
        if isinstance(row, BadRow):
            refused[row.number] = row.reason
            continue
        number, values = row
        if not any(value.strip() for value in values):
            continue
        try:
            read = _with_whole_customer(row_of(columns, values))
        except BillsmithError as error:
            refused[number] = error.detail
            continue
        same = bool(batch) and batch[-1][1].customer == read.customer
        if len(batch) >= AT_ONCE and not (same and len(batch) < 2 * AT_ONCE):
            yield batch
            batch = []
        batch.append((number, read))
    if batch:
        yield batch


def _with_whole_customer(row: SubscriptionRow) -> SubscriptionRow:
    """Spreadsheets write whole numbers as 17850.0; the customer is 17850."""
    return msgspec.structs.replace(row, customer=whole(row.customer))


def _count(
    summary: ImportSummary,
    refused: dict[int, str],
    would_be: set[tuple[str, str]],
    number: int,
    row: SubscriptionRow,
    result: ImportedResult,
) -> None:
    """A dry run takes every batch back: an add-on whose base an earlier one would have made is as good as made."""
    error = None if result.refusal is None else result.refusal.error
    if summary.dry_run and isinstance(error, SubscriptionNotThere) and (row.customer, row.base) in would_be:
        summary.made += 1
    elif error is not None:
        refused[number] = error.detail
    elif result.status == "made":
        summary.made += 1
        if summary.dry_run:
            would_be.add((row.customer, row.subscription.external_id or ""))
    else:
        summary.made_before += 1
