"""Writing what decisions made and changed: new rows by COPY, changed ones by one UPDATE per table."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from msgspec.structs import astuple

from billsmith.core.decisions import Row
from billsmith.core.ids import AttemptId, TenantId, shard_of
from billsmith.core.payments.corrections import CreditNote, WriteOff
from billsmith.core.payments.disputes import Dispute
from billsmith.core.payments.payment import Allocation, Attempt, Payment, Share
from billsmith.core.payments.refunds import Refund
from billsmith.store.pool import Connection
from billsmith.store.queries import load

T = TypeVar("T")

_ATTEMPTS = load("attempts")
_UPDATES: dict[type, tuple[str, tuple[str, ...]]] = {
    Payment: (
        load("payments")["update_payments"],
        (
            "status", "currency", "amount_minor", "fee_minor", "allocated_minor", "credited_minor", "suspended_minor",
            "refunded_minor", "disputed_minor", "lost_minor", "reversed_minor", "gateway_id", "decline", "version",
            "settled_at",
        ),
    ),
    Attempt: (
        _ATTEMPTS["update_attempts"],
        (
            "status", "sent_at", "lease_until", "next_check_at", "checks", "gateway_id", "actual_amount_minor",
            "actual_currency", "fee_minor", "decline", "next_action", "settles_at", "raw", "evidence", "version",
            "ended_at",
        ),
    ),
    Allocation: (load("payments")["update_allocations"], ("amount_minor", "released_minor", "version")),
    Refund: (
        load("refunds")["update_refunds"],
        (
            "status", "credit_id", "credit_note_id", "decline", "needs_attention", "tries", "next_try_at", "version",
            "settled_at",
        ),
    ),
    WriteOff: (load("corrections")["update_write_offs"], ("reversed_minor", "version")),
    Dispute: (
        load("disputes")["update_disputes"],
        ("status", "outcome", "needs_attention", "version", "closed_at"),
    ),
}  # fmt: skip
_TABLES: dict[type, str] = {
    Payment: "payments",
    Attempt: "attempts",
    Allocation: "allocations",
    Refund: "refunds",
    CreditNote: "credit_notes",
    WriteOff: "write_offs",
    Dispute: "disputes",
}


async def save_rows(connection: Connection, tenant_id: TenantId, rows: Sequence[Row], shares: Sequence[Share]) -> None:
    """Write rows in the order of their making; of several versions of one row the last counts.

    An attempt that has ended frees its invoices for another.
    """
    latest: dict[Any, Row] = {row.id: row for row in rows}
    new = {row.id for row in rows if row.version == 1}
    for kind in _TABLES:
        of_kind = [row for row in latest.values() if isinstance(row, kind)]
        await _insert(connection, kind, [row for row in of_kind if row.id in new])
        await _update(connection, tenant_id, kind, [row for row in of_kind if row.id not in new])
    ended = [row.id for row in latest.values() if isinstance(row, Attempt) and not row.is_live and row.id not in new]
    if ended:
        await end_shares(connection, tenant_id, ended)
    if shares:
        records = [
            (shard_of(share.attempt_id), share.attempt_id, share.invoice_id, tenant_id, share.amount_minor, True)
            for share in shares
        ]
        await connection.copy_records_to_table("attempt_invoices", records=records)


async def end_shares(connection: Connection, tenant_id: TenantId, attempt_ids: Iterable[AttemptId]) -> None:
    """The invoices of these attempts are free for another."""
    ids = list(attempt_ids)
    await connection.execute(_ATTEMPTS["end_shares"], tenant_id, [shard_of(id_) for id_ in ids], ids)


async def _insert(connection: Connection, kind: type, rows: Sequence[Row]) -> None:
    if not rows:
        return
    records = [(shard_of(row.id), *astuple(row)) for row in rows]
    columns = ("shard", *kind.__struct_fields__)  # type: ignore[attr-defined]
    await connection.copy_records_to_table(_TABLES[kind], records=records, columns=columns)


async def _update(connection: Connection, tenant_id: TenantId, kind: type, rows: Sequence[Row]) -> None:
    if not rows:
        return
    statement, fields = _UPDATES[kind]
    columns = zip(
        *((shard_of(row.id), row.id, *(getattr(row, field) for field in fields)) for row in rows), strict=True
    )
    await connection.execute(statement, tenant_id, *map(list, columns))
