"""Running imports as the command does, and reading what came of them from raw rows."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.cli.importing.mapping import parse_mapping
from billsmith.cli.importing.run import ImportOrder, ImportSummary, Watcher, run_import
from billsmith.config import settings_from
from billsmith.core.ids import show_id

HEADER = "document,customer,issued_on,name,quantity,unit_price"
SHOP_MAPPING = (
    "document=InvoiceNo", "customer=CustomerID", "walk_in=Country", "issued_on=InvoiceDate", "name=Description",
    "type=StockCode", "quantity=Quantity", "unit_price=UnitPrice", "metadata.country=Country",
)  # fmt: skip

QUIET = Watcher(lambda rows: None, lambda lines, of: None)


class Importer:
    """Imports files of one test into its tenant."""

    def __init__(self, context: Context, url: str, call: Call, folder: Path) -> None:
        self.context, self.url, self.call, self.folder = context, url, call, folder

    def write(self, name: str, *lines: str, header: str | None = HEADER) -> Path:
        """A file of these lines; CSV lines stand below the header."""
        path = self.folder / name
        text = "\n".join([*([] if header is None else [header]), *lines]) + "\n"
        path.write_text(text, encoding="utf-8")
        return path

    async def run(self, path: Path, *mapping: str, **order: Any) -> ImportSummary:
        """Import with one worker, making customers, unless `order` says otherwise."""
        given = {"name": path.name, "workers": 1, "create_customers": True, "rejects": self.rejects} | order
        return await run_import(
            self.context,
            msgspec.structs.replace(settings_from(), database_url=self.url),
            self.url,
            self.call,
            ImportOrder(path=path, mapping=parse_mapping(mapping), **given),
            QUIET,
        )

    async def lines(self, *lines: str, **order: Any) -> ImportSummary:
        """Import these CSV lines below the usual header."""
        return await self.run(self.write("invoices.csv", *lines), **order)

    @property
    def tenant_id(self) -> str:
        """The tenant as the command is told it."""
        return show_id("tenant", self.call.tenant.id)

    def environment(self) -> dict[str, str]:
        """In which the command finds this database."""
        return {**os.environ, "DATABASE_URL": self.url}

    @property
    def rejects(self) -> Path:
        return self.folder / "rejects.csv"

    def rejected(self) -> list[dict[str, str]]:
        """The rows of the rejects file."""
        with self.rejects.open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))

    def reasons(self) -> list[str]:
        """Why rows were rejected, in the order of the file."""
        return [row["rejected_because"] for row in self.rejected()]

    async def fetch(self, query: str, *values: Any) -> Sequence[Any]:
        """Rows of this tenant ($1)."""
        async with self.context.pool.acquire() as connection, connection.transaction():
            # Tables just filled have no statistics; a nested loop over them would not end.
            await connection.execute("SET LOCAL enable_nestloop = off")
            return await connection.fetch(query, self.call.tenant.id, *values)

    async def documents(self) -> dict[str, Any]:
        """The documents made, by their own number."""
        rows = await self.fetch("SELECT * FROM invoices WHERE tenant_id = $1")
        return {row["external_number"]: row for row in rows}


async def books(importer: Importer) -> dict[str, Any]:
    """Per customer, by its own name: every document with its figures and draws, the credits, the balances.

    Whatever depends on the run (ids, numbers, instants) is left out.
    """
    documents = await importer.fetch("""
        WITH contents AS (
            SELECT invoice_id, array_agg(
                concat_ws('|', description, category, quantity, unit_price, total_minor) ORDER BY line_no) AS content
            FROM invoice_lines WHERE tenant_id = $1 GROUP BY invoice_id
        ), draws AS (
            SELECT transfers.invoice_id, array_agg(transfers.amount_minor || ' of ' || source.external_number
                ORDER BY source.external_number) AS drawn
            FROM transfers JOIN credits ON credits.id = credit_id
            JOIN invoices AS source ON source.id = credits.invoice_id
            WHERE transfers.tenant_id = $1 AND transfers.kind = 'credit_drawn' GROUP BY transfers.invoice_id
        )
        SELECT customers.external_id, external_number, status, issued_on::text, due_on::text, total_minor,
            credit_applied_minor, moved_to_credit_minor, balance_minor, line_count, invoices.metadata::text,
            content, drawn
        FROM invoices JOIN customers ON customers.shard = invoices.shard AND customers.id = customer_id
        JOIN contents ON contents.invoice_id = invoices.id LEFT JOIN draws ON draws.invoice_id = invoices.id
        WHERE invoices.tenant_id = $1 ORDER BY customers.external_id, external_number""")
    credits_ = await importer.fetch("""
        SELECT customers.external_id, external_number, credits.amount_minor, remaining_minor, granted_on::text
        FROM credits JOIN customers ON customers.id = customer_id JOIN invoices ON invoices.id = invoice_id
        WHERE credits.tenant_id = $1 ORDER BY 1, 2""")
    balances = await importer.fetch("""
        SELECT external_id, customer_balances.currency, receivable_minor, credit_minor, payable_minor
        FROM customer_balances JOIN customers ON customers.id = customer_id
        WHERE customer_balances.tenant_id = $1 ORDER BY 1, 2""")
    return {"documents": _plain(documents), "credits": _plain(credits_), "balances": _plain(balances)}


def _plain(rows: Sequence[Any]) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in rows]
