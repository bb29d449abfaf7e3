"""Errors, one per figure of each check: who is hurt, the SQL that does it, and who must see it.

A new check or figure needs a block in verify/checks/*.sql and a line here; a new stored figure a line that covers it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Planted:
    """One error in the unguarded world. `victim` selects a text that the object named by verify contains."""

    check: str
    figure: str
    victim: str
    sql: str  # {v} is the victim
    covers: str = ""  # table.column that is made wrong
    invariant: str = ""  # which of tests/invariants.py names it, too

    def __str__(self) -> str:
        return f"{self.check}.{self.figure} {self.covers}".strip()


NOBODY = "00000000-0000-7000-8000-000000000000"

OPEN = "SELECT id FROM invoices WHERE status = 'open' AND direction = 'charge' ORDER BY id LIMIT 1"
PAYOUT = "SELECT id FROM invoices WHERE direction = 'payout' ORDER BY id LIMIT 1"
PAID = "SELECT id FROM invoices WHERE status = 'paid' AND total_minor > 0 ORDER BY id LIMIT 1"
DRAFT = "SELECT id FROM invoices WHERE status = 'draft' ORDER BY id LIMIT 1"
CREDIT = "SELECT id FROM credits WHERE source = 'granted' ORDER BY id LIMIT 1"
BACK = "SELECT id FROM credits WHERE source = 'negative_total' ORDER BY id LIMIT 1"
CUSTOMER = "SELECT id FROM customers WHERE external_id = 'ada' ORDER BY id LIMIT 1"
CHILD = "SELECT id FROM customers WHERE parent_id IS NOT NULL ORDER BY id LIMIT 1"
OWING = "SELECT customer_id FROM customer_balances WHERE receivable_minor > 0 ORDER BY customer_id LIMIT 1"
CREDITED = "SELECT customer_id FROM customer_balances WHERE credit_minor > 0 ORDER BY customer_id LIMIT 1"
PAYEE = "SELECT customer_id FROM customer_balances WHERE payable_minor > 0 ORDER BY customer_id LIMIT 1"
TRANSFER = "SELECT id FROM transfers WHERE kind = '{kind}' ORDER BY id LIMIT 1"
NET = TRANSFER.format(kind="net_billed")
DRAWN = TRANSFER.format(kind="credit_drawn")
TENANT = "SELECT id FROM tenants WHERE name = 'First'"
SECOND = "(SELECT id FROM tenants WHERE name = 'Second')"
EVENT = "SELECT id FROM events WHERE type = 'invoice.finalised' ORDER BY id LIMIT 1"
TOLD = (
    "SELECT events.id FROM events JOIN event_numbers ON event_id = events.id WHERE type = 'invoice.finalised' LIMIT 1"
)
WAITING = "SELECT event_ids[1] FROM outbox ORDER BY position LIMIT 1"
DOCUMENT = "SELECT document FROM import_documents ORDER BY document LIMIT 1"

_LINE = "SELECT 'line ' || line_no || ' of invoice ' || invoice_id FROM invoice_lines"
_THIS = "'line ' || line_no || ' of invoice ' || invoice_id = '{v}'"
_OF_LINE = f"{_THIS} AND kind"


def line(where: str) -> str:
    """The first line of a finalised invoice that is so."""
    finalised = "invoice_id IN (SELECT id FROM invoices WHERE finalised_at IS NOT NULL)"
    return f"{_LINE} WHERE {finalised} AND {where} ORDER BY invoice_id, line_no LIMIT 1"


TAXED = line("tax_minor > 0 AND NOT tax_inclusive")
CONTAINING = line("tax_minor > 0 AND tax_inclusive")
PRICED = line("unit_price IS NOT NULL")
DISCOUNTED = line("discount_minor > 0 AND discount_percent IS NULL")
PERCENT_OFF = line("discount_percent = 15")

_BALANCES = "balances are the sums of transfers"
_DOCUMENTS = "balances are what documents leave"
_POSTED = "invoices are what was posted"
_LINES = "totals are lines"
_STATES = "states follow from balances"
_CREDITS = "credits are what was posted"
_CROSSES = "nothing crosses tenants"
_SHARD = "rows live in their shard"
_NUMBERS = "numbers have no gaps"
_VERSIONS = "events tell every version"


def _moved(column: str, by: str = "1") -> str:
    return f"UPDATE invoices SET {column} = {column} + {by} WHERE id = '{{v}}'"


def _line(change: str) -> str:
    return f"UPDATE invoice_lines SET {change} WHERE {_THIS}"


def _set(table: str, change: str) -> str:
    return f"UPDATE {table} SET {change} WHERE id = '{{v}}'"


LEDGER = [
    Planted("customer_balances", "receivable_minor", OWING,
            "UPDATE customer_balances SET receivable_minor = receivable_minor + 1 WHERE customer_id = '{v}'",
            "customer_balances.receivable_minor", _BALANCES),
    Planted("customer_balances", "credit_minor", CREDITED,
            "UPDATE customer_balances SET credit_minor = credit_minor - 1 WHERE customer_id = '{v}'",
            "customer_balances.credit_minor", _BALANCES),
    Planted("customer_balances", "payable_minor", PAYEE,
            "UPDATE customer_balances SET payable_minor = payable_minor + 1 WHERE customer_id = '{v}'",
            "customer_balances.payable_minor", _BALANCES),
    Planted("customer_balances", "receivable_minor", OWING,
            "DELETE FROM customer_balances WHERE customer_id = '{v}'", "", _BALANCES),
    Planted("customer_balances", "receivable_minor", OWING,
            "UPDATE transfers SET amount_minor = amount_minor + 1"
            " WHERE id = (SELECT id FROM transfers WHERE debit = 'receivable' AND customer_id = '{v}' LIMIT 1)",
            "transfers.amount_minor", _BALANCES),
    Planted("customer_totals", "receivable_minor", OWING,
            "UPDATE customer_balances SET receivable_minor = receivable_minor + 1 WHERE customer_id = '{v}'", "",
            _DOCUMENTS),
    Planted("customer_totals", "credit_minor", CREDITED,
            "UPDATE customer_balances SET credit_minor = credit_minor - 1 WHERE customer_id = '{v}'", "", _DOCUMENTS),
    Planted("customer_totals", "payable_minor", PAYEE,
            "UPDATE customer_balances SET payable_minor = payable_minor + 1 WHERE customer_id = '{v}'", "", _DOCUMENTS),
    Planted("transfer_postings", "accounts", NET, _set("transfers", "credit = 'tax_payable'"), "",
            "debits are credits"),
    Planted("transfer_postings", "accounts", NET, _set("transfers", "kind = 'misposted'"), "", "debits are credits"),
    Planted("transfer_postings", "accounts", DRAWN, _set("transfers", "debit = credit, credit = debit"), "",
            "debits are credits"),
    Planted("transfer_postings", "about", DRAWN, _set("transfers", "credit_id = NULL"), "", _CREDITS),
    Planted("transfer_postings", "amount_minor", NET, _set("transfers", "amount_minor = 0"), "transfers.amount_minor",
            "debits are credits"),
    Planted("transfer_parents", "customer_id", NET, _set("transfers", f"customer_id = '{NOBODY}'"), "", _CROSSES),
    Planted("transfer_parents", "customer_id", NET, _set("transfers", f"tenant_id = {SECOND}"), "", _CROSSES),
    Planted("transfer_parents", "invoice_id", NET,
            _set("transfers",
            "invoice_id = (SELECT id FROM invoices AS i WHERE i.customer_id <> transfers.customer_id LIMIT 1)"),
            "", _CROSSES),
    Planted("transfer_parents", "credit_id", DRAWN, _set("transfers", f"credit_id = '{NOBODY}'"), "", _CROSSES),
    Planted("transfer_parents", "cause_id", NET, _set("transfers", f"cause_id = '{NOBODY}'"), "", _CROSSES),
    Planted("transfer_parents", "accounting_on", NET, _set("transfers", "accounting_on = accounting_on + 1")),
    Planted("transfer_parents", "shard", NET, _set("transfers", "shard = (shard + 1) % 1024"), "", _SHARD),
    Planted("line_transfers", "net_minor", TAXED,
            f"UPDATE transfers SET amount_minor = amount_minor + 1 WHERE {_OF_LINE} = 'net_billed'", "",
            "lines are posted once"),
    Planted("line_transfers", "tax_minor", TAXED,
            f"UPDATE transfers SET amount_minor = amount_minor + 1 WHERE {_OF_LINE} = 'tax_billed'", "",
            "lines are posted once"),
    Planted("line_transfers", "total_minor", line(f"invoice_id = ({PAYOUT})"),
            f"UPDATE transfers SET amount_minor = amount_minor + 1 WHERE {_OF_LINE} = 'payout_billed'", "",
            "lines are posted once"),
    Planted("line_transfers", "transfers", TAXED,
            f"UPDATE transfers SET amount_minor = amount_minor - 1 WHERE {_OF_LINE} = 'net_billed';"
            " INSERT INTO transfers SELECT shard, overlay(id::text PLACING 'ffffffff' FROM 1)::uuid, tenant_id,"
            " customer_id, kind, debit, credit, 1, currency, accounting_on, period_start_on, period_end_on, invoice_id,"
            f" line_no, credit_id, cause_id FROM transfers WHERE {_OF_LINE} = 'net_billed'", "",
            "lines are posted once"),
    Planted("line_transfers", "transfers", TAXED, f"DELETE FROM transfers WHERE {_OF_LINE} = 'tax_billed'", "",
            "lines are posted once"),
    Planted("line_transfers", "net_minor", line("net_minor > 0"),
            _line("line_no = 77"), "invoice_lines.line_no", _LINES),
    Planted("line_transfers", "transfers", line("net_minor > 0"),
            f"UPDATE transfers SET line_no = 99 WHERE {_THIS}", "transfers.line_no", "lines are posted once"),
]  # fmt: skip

LINES = [
    Planted("line_amounts", "amount_minor", PRICED, _line("quantity = COALESCE(quantity, 1) + 1")),
    Planted("line_amounts", "amount_minor", line("invoice_id IN (SELECT id FROM invoices WHERE currency = 'JPY')"),
            _line("amount_minor = amount_minor * 100"), "", "lines add up"),
    Planted("line_amounts", "amount_minor", line("invoice_id IN (SELECT id FROM invoices WHERE currency = 'KWD')"),
            _line("amount_minor = 1"), "invoice_lines.amount_minor", "lines add up"),
    Planted("line_amounts", "discount_minor", DISCOUNTED,
            _line("discount_minor = -discount_minor"), "", "lines add up"),
    Planted("line_amounts", "discount_minor", PERCENT_OFF,
            _line("discount_minor = discount_minor + 1"), "invoice_lines.discount_minor", "lines add up"),
    Planted("line_amounts", "net_minor", TAXED, _line("net_minor = net_minor + 1"),
            "invoice_lines.net_minor", "lines add up"),
    Planted("line_amounts", "net_minor", CONTAINING, _line("net_minor = net_minor + 1"), "",
            "lines add up"),
    Planted("line_amounts", "tax_minor", TAXED,
            _line("tax_minor = tax_minor + 1, total_minor = total_minor + 1"), "invoice_lines.tax_minor"),
    Planted("line_amounts", "tax_minor", CONTAINING,
            _line("tax_minor = tax_minor + 2, net_minor = net_minor - 2")),
    Planted("line_amounts", "tax_minor", line("tax_percent IS NULL AND amount_minor > 0"),
            _line("tax_minor = 1, total_minor = total_minor + 1"), "", "lines add up"),
    Planted("line_amounts", "total_minor", TAXED, _line("total_minor = total_minor + 1"),
            "invoice_lines.total_minor", "lines add up"),
    Planted("tax_rounding", "tax_minor",
            "SELECT invoice_id FROM invoice_lines WHERE description = 'part 4' ORDER BY 1 LIMIT 1",
            # Each of five lines is within a unit of 6.27; but neither are they rounded (30) nor is their sum (31).
            "UPDATE invoice_lines SET tax_minor = 7 WHERE invoice_id = '{v}' AND description IN ('part 0', 'part 1')"),
    Planted("invoice_lines", "line_count", PAID, _moved("line_count"), "invoices.line_count", _LINES),
    Planted("invoice_lines", "line_count", PAID, "DELETE FROM invoice_lines WHERE invoice_id = '{v}'", "", _LINES),
    Planted("invoice_lines", "line_count", PAID, "DELETE FROM invoices WHERE id = '{v}'", "", _LINES),
    Planted("invoice_lines", "line_count", PAID,
            f"UPDATE invoice_lines SET tenant_id = {SECOND} WHERE invoice_id = '{{v}}'", "",
            _CROSSES),
    Planted("invoice_lines", "net_minor", DRAFT, _moved("net_minor"), "invoices.net_minor", _LINES),
    Planted("invoice_lines", "tax_minor", DRAFT, _moved("tax_minor"), "invoices.tax_minor", _LINES),
    Planted("invoice_lines", "total_minor", DRAFT, _moved("total_minor"), "invoices.total_minor", _LINES),
    Planted("invoice_lines", "line_no", DRAFT, "UPDATE invoice_lines SET line_no = 0 WHERE invoice_id = '{v}'",
            "invoice_lines.line_no", _LINES),
]  # fmt: skip

INVOICES = [
    Planted("invoice_transfers", "total_minor", OPEN, _moved("total_minor"), "", _POSTED),
    *(Planted("invoice_transfers", figure, OPEN, _moved(figure), f"invoices.{figure}", _POSTED)
      for figure in ("paid_minor", "credit_applied_minor", "credit_noted_minor", "written_off_minor", "voided_minor")),
    *(Planted("invoice_transfers", figure, OPEN, _moved(figure, "-1"), f"invoices.{figure}", _POSTED)
      for figure in ("moved_to_credit_minor", "absorbed_minor")),
    Planted("invoice_transfers", "balance_minor", OPEN, _moved("balance_minor"), "", _POSTED),
    Planted("invoice_transfers", "balance_minor", PAYOUT, _moved("balance_minor"), "", _POSTED),
    Planted("invoice_transfers", "transfers", DRAFT, f"UPDATE transfers SET invoice_id = '{{v}}' WHERE id = ({NET})",
            "", _POSTED),
    Planted("invoice_balance", "balance_minor", OPEN, _moved("balance_minor"), "invoices.balance_minor", _STATES),
    Planted("invoice_balance", "balance_minor", OPEN, _set("invoices",
            "paid_minor = total_minor + 1, balance_minor = -1"), "", _STATES),
    Planted("invoice_balance", "total_minor", DRAFT, _moved("total_minor"), "", _LINES),
    Planted("invoice_states", "status", OPEN, _set("invoices", "status = 'paid'"), "", _STATES),
    Planted("invoice_states", "status", PAID, _set("invoices", "status = 'void'"), "", _STATES),
    Planted("invoice_states", "status", PAID, _set("invoices", "status = 'draft'"), "", _STATES),
    Planted("invoice_states", "settled_at", PAID, _set("invoices", "settled_at = NULL"), "", _STATES),
    Planted("invoice_states", "collection_state", OPEN, _set("invoices", "collection_state = NULL")),
    Planted("invoice_states", "due_on", OPEN, _set("invoices", "due_on = issued_on - 1")),
    Planted("invoice_parents", "customer_id", DRAFT, _set("invoices", f"customer_id = '{NOBODY}'"), "", _CROSSES),
    Planted("invoice_parents", "customer_id", DRAFT, _set("invoices", f"tenant_id = {SECOND}"), "", _CROSSES),
    Planted("invoice_parents", "seller_snapshot_id", PAID, _set("invoices", f"seller_snapshot_id = '{NOBODY}'")),
    Planted("invoice_parents", "buyer_snapshot_id", PAID, _set("invoices", "buyer_snapshot_id = NULL")),
    Planted("invoice_parents", "shard", DRAFT, _set("invoices", "shard = (shard + 1) % 1024"), "", _SHARD),
]  # fmt: skip

CREDITS = [
    *(Planted("credit_transfers", figure, CREDIT, _set("credits", f"{figure} = {figure} + 1"), f"credits.{figure}",
            _CREDITS)
      for figure in ("amount_minor", "drawn_minor", "expired_minor", "deleted_minor", "remaining_minor")),
    Planted("credit_remaining", "remaining_minor", CREDIT, _set("credits", "remaining_minor = remaining_minor + 1"),
            "", _CREDITS),
    Planted("credit_remaining", "remaining_minor", CREDIT,
            _set("credits", "deleted_minor = deleted_minor + remaining_minor + 1, remaining_minor = -1"), "", _CREDITS),
    Planted("credit_parents", "customer_id", CREDIT, _set("credits", f"customer_id = '{NOBODY}'"), "", _CROSSES),
    Planted("credit_parents", "invoice_id", BACK, _set("credits", f"invoice_id = '{NOBODY}'"), "", _CROSSES),
    Planted("credit_parents", "amount_minor", BACK, _set("credits", "amount_minor = amount_minor + 1")),
    Planted("credit_parents", "shard", CREDIT, _set("credits", "shard = (shard + 1) % 1024"), "", _SHARD),
]  # fmt: skip

_NUMBERED = "SELECT invoice_id FROM invoice_numbers WHERE series = 'tenant' ORDER BY sequence LIMIT 1"

NUMBERS = [
    Planted("number_sequence", "sequence", "SELECT 'series tenant'",
            "UPDATE invoice_numbers SET sequence = sequence + 1000 WHERE series = 'tenant' AND sequence = 3",
            "invoice_numbers.sequence", _NUMBERS),
    Planted("number_sequence", "sequence", "SELECT 'series tenant'",
            "UPDATE invoice_numbers SET sequence = 2 WHERE series = 'tenant' AND sequence = 3", "", _NUMBERS),
    Planted("number_series", "next_sequence", "SELECT 'series tenant'",
            "UPDATE number_series SET next_sequence = next_sequence + 1 WHERE series = 'tenant'",
            "number_series.next_sequence", _NUMBERS),
    Planted("number_series", "next_sequence",
            "SELECT series FROM number_series WHERE series <> 'tenant' ORDER BY 1 LIMIT 1",
            "DELETE FROM number_series WHERE series = '{v}'", "", _NUMBERS),
    Planted("invoice_numbers", "numbers", PAID, "DELETE FROM invoice_numbers WHERE invoice_id = '{v}'", "", _NUMBERS),
    Planted("invoice_numbers", "numbers", PAID,
            "INSERT INTO invoice_numbers SELECT tenant_id, invoice_id, series, 900, '900' FROM invoice_numbers"
            " WHERE invoice_id = '{v}'",
            "", _NUMBERS),
    Planted("invoice_numbers", "numbers", DRAFT,
            "INSERT INTO invoice_numbers SELECT tenant_id, id, 'tenant', 900, '900' FROM invoices WHERE id = '{v}'",
            "", _NUMBERS),
    Planted("invoice_numbers", "numbers", PAID, "DELETE FROM invoices WHERE id = '{v}'", "", _NUMBERS),
    Planted("number_texts", "number", _NUMBERED,
            "UPDATE invoice_numbers SET number = number || 'x' WHERE invoice_id = '{v}'"),
    Planted("number_texts", "number", "SELECT 'invoice '",
            "UPDATE invoice_numbers SET number = 'INV-000011' WHERE series = 'tenant' AND sequence IN (1, 11)", "",
            _NUMBERS),
    Planted("number_customers", "customers", "SELECT min(series) FROM invoice_numbers WHERE series <> 'tenant'",
            "UPDATE invoice_numbers SET series = '{v}' WHERE series <> 'tenant'", "", _NUMBERS),
]  # fmt: skip

_RETOLD = (
    "SELECT object_id FROM events JOIN event_numbers ON event_id = events.id GROUP BY 1 HAVING count(*) > 1 LIMIT 1"
)
_WAITING_TWICE = (
    "SELECT object_id FROM events JOIN outbox ON events.id = ANY (event_ids)"
    " GROUP BY 1 HAVING count(DISTINCT position) > 1 LIMIT 1"
)

EVENTS = [
    Planted("event_sequence", "sequence", TENANT,
            "UPDATE event_numbers SET sequence = sequence + 1000 WHERE tenant_id = '{v}' AND sequence = 3",
            "event_numbers.sequence", "events have no gaps"),
    Planted("event_sequence", "sequence", TENANT,
            "UPDATE event_numbers SET sequence = 2 WHERE tenant_id = '{v}' AND sequence = 3", "",
            "events have no gaps"),
    Planted("event_series", "next_sequence", TENANT,
            "UPDATE event_series SET next_sequence = next_sequence + 1 WHERE tenant_id = '{v}'",
            "event_series.next_sequence",
            "events have no gaps"),
    Planted("event_series", "next_sequence", TENANT, "DELETE FROM event_series WHERE tenant_id = '{v}'", "",
            "events have no gaps"),
    Planted("event_entries", "entries", TOLD, "DELETE FROM event_numbers WHERE event_id = '{v}'", "",
            "one event per fact"),
    Planted("event_entries", "entries", TOLD, "DELETE FROM events WHERE id = '{v}'", "", "one event per fact"),
    Planted("event_entries", "entries", WAITING,
            "UPDATE outbox SET event_ids = event_ids || '{v}'::uuid WHERE event_ids[1] = '{v}'", "",
            "one event per fact"),
    Planted("event_entries", "entries", WAITING, "DELETE FROM outbox WHERE event_ids[1] = '{v}'", "",
            "one event per fact"),
    Planted("event_versions", "object_version", "SELECT object_id FROM events WHERE type = 'invoice.finalised' LIMIT 1",
            "UPDATE events SET object_version = object_version + 1"
            " WHERE object_id = '{v}' AND type = 'invoice.finalised'",
            "events.object_version", _VERSIONS),
    Planted("event_versions", "object_version", _RETOLD,
            "UPDATE event_numbers SET sequence = -sequence"
            " WHERE event_id IN (SELECT id FROM events WHERE object_id = '{v}')", "",
            _VERSIONS),
    Planted("event_versions", "object_version", _WAITING_TWICE, "UPDATE outbox SET position = -position",
            "outbox.position", _VERSIONS),
    *(Planted("object_versions", "version", victim, _set(table, "version = version + 1"), f"{table}.version", _VERSIONS)
      for table, victim in (("invoices", PAID), ("credits", CREDIT), ("customers", CUSTOMER), ("tenants", TENANT))),
    Planted("object_versions", "version", "SELECT id FROM api_keys WHERE revoked_at IS NOT NULL LIMIT 1",
            _set("api_keys", "revoked_at = NULL"), "", _VERSIONS),
    Planted("object_versions", "version", DRAFT, "DELETE FROM invoices WHERE id = '{v}'", "", _VERSIONS),
    Planted("object_versions", "version", DRAFT,
            "UPDATE events SET type = 'invoice.deleted' WHERE object_id = '{v}'", "", _VERSIONS),
    Planted("event_parents", "cause_id", EVENT, _set("events", f"cause_id = '{NOBODY}'"), "", _CROSSES),
    Planted("event_parents", "customer_id", EVENT, _set("events", f"customer_id = '{NOBODY}'"), "", _CROSSES),
    Planted("event_parents", "cause_id", EVENT, _set("events", f"tenant_id = {SECOND}"), "", _CROSSES),
    Planted("event_parents", "shard", EVENT, _set("events", "shard = (shard + 1) % 1024"), "", _SHARD),
]  # fmt: skip

_CAUSE = "SELECT id FROM causes WHERE tenant_id = (SELECT id FROM tenants WHERE name = 'First') ORDER BY id LIMIT 1"

PARENTS = [
    Planted("customer_parents", "tenant_id", CUSTOMER, _set("customers", f"tenant_id = '{NOBODY}'"), "", _CROSSES),
    Planted("customer_parents", "parent_id", CHILD, _set("customers", f"parent_id = '{NOBODY}'"), "", _CROSSES),
    Planted("customer_parents", "snapshot_id", CUSTOMER, _set("customers", f"snapshot_id = '{NOBODY}'")),
    Planted("customer_parents", "snapshot_id", CUSTOMER, _set("customers", "name = 'Eve'")),
    Planted("customer_parents", "shard", CUSTOMER, _set("customers", "shard = (shard + 1) % 1024"), "", _SHARD),
    Planted("customer_names", "customer_id", "SELECT 'external id child'",
            "UPDATE customer_external_ids SET customer_id ="
            " (SELECT customer_id FROM customer_external_ids WHERE external_id = 'ada' LIMIT 1)"
            " WHERE external_id = 'child'"),
    Planted("balance_parents", "customer_id", f"SELECT '{NOBODY}'",
            f"INSERT INTO customer_balances SELECT shard, '{{v}}', 'EUR', tenant_id, 0, 0, 0 FROM customers"
            f" WHERE id = ({CUSTOMER})", "",
            _CROSSES),
    Planted("import_documents", "operation_id", DOCUMENT,
            f"UPDATE import_documents SET operation_id = '{NOBODY}' WHERE document = '{{v}}'"),
    Planted("import_documents", "invoice_id", DOCUMENT,
            f"UPDATE import_documents SET invoice_id = '{NOBODY}' WHERE document = '{{v}}'"),
    Planted("tenant_parties", "snapshot_id", TENANT, f"UPDATE tenants SET snapshot_id = '{NOBODY}' WHERE id = '{{v}}'"),
    Planted("tenant_parents", "tenant_id", _CAUSE, _set("causes", f"tenant_id = '{NOBODY}'"), "", _CROSSES),
    Planted("tenant_parents", "tenant_id", "SELECT snapshot_id FROM tenants WHERE name = 'First'",
            _set("party_snapshots", f"tenant_id = '{NOBODY}'")),
    Planted("tenant_parents", "tenant_id", "SELECT 'answer once'",
            f"INSERT INTO idempotency_keys (tenant_id, key, fingerprint, status, expires_at)"
            f" VALUES ('{NOBODY}', 'once', '', 'running', '2026-01-01')"),
    Planted("tenant_parents", "tenant_id", "SELECT 'series tenant'",
            f"UPDATE number_series SET tenant_id = '{NOBODY}' WHERE series = 'tenant'", "", _NUMBERS),
]  # fmt: skip

HOUSE = [*LEDGER, *LINES, *INVOICES, *CREDITS, *NUMBERS, *EVENTS, *PARENTS]
