"""Errors in what became of money: one per figure of the checks of payments, corrections and credit."""

from tests.verify.planted import CREDIT, DRAWN, NOBODY, OPEN, PAID, TENANT, Planted, line

PAYMENT = "SELECT id FROM payments WHERE status = 'succeeded' AND allocated_minor > 0 ORDER BY id LIMIT 1"
FAILED = "SELECT id FROM payments WHERE status = 'failed' ORDER BY id LIMIT 1"
CHARGE = "SELECT id FROM attempts WHERE kind = 'charge' AND status = 'succeeded' ORDER BY id LIMIT 1"
PENDING = "SELECT id FROM attempts WHERE status = 'pending' ORDER BY id LIMIT 1"
SHARE = "SELECT attempt_id FROM attempt_invoices WHERE live ORDER BY attempt_id LIMIT 1"
REFUND = "SELECT id FROM refunds WHERE status = 'succeeded' AND destination = 'gateway' ORDER BY id LIMIT 1"
DISPUTE = "SELECT id FROM disputes WHERE status = 'lost' AND outcome = 'reopened' ORDER BY id LIMIT 1"
NOTE = "SELECT id FROM credit_notes WHERE refund_id IS NULL AND tax_minor > 0 ORDER BY id LIMIT 1"
BY_REFUND = "SELECT id FROM credit_notes WHERE refund_id IS NOT NULL ORDER BY id LIMIT 1"
BY_CREDIT = "SELECT id FROM credit_notes WHERE credit_id IS NOT NULL AND refund_id IS NULL ORDER BY id LIMIT 1"
WRITE_OFF = "SELECT id FROM write_offs WHERE reversed_minor < amount_minor ORDER BY id LIMIT 1"
METHOD = "SELECT id FROM payment_methods ORDER BY id LIMIT 1"
ACCOUNT = "SELECT id FROM gateway_accounts ORDER BY id LIMIT 1"
PAID_CREDIT = "SELECT id FROM credits WHERE source = 'payment' ORDER BY id LIMIT 1"
DRAW = "SELECT credit_id FROM credit_draws WHERE amount_minor > 0 ORDER BY credit_id LIMIT 1"
VOID = "SELECT id FROM invoices WHERE status = 'void' AND direction = 'charge' ORDER BY id LIMIT 1"
GIVEN = "SELECT id FROM invoices WHERE refunded_minor > 0 ORDER BY id LIMIT 1"
SCHEDULED = "SELECT id FROM invoices WHERE collection_state = 'no_method' ORDER BY id LIMIT 1"
LIVE = "SELECT invoice_id FROM attempt_invoices WHERE live ORDER BY invoice_id LIMIT 1"
ALLOCATION = "SELECT payment_id FROM allocations WHERE released_minor = 0 ORDER BY payment_id LIMIT 1"

_PAYMENTS = "payments are what was posted"
_REFUNDS = "refunds are what was posted"
_NOTES = "credit notes are what was posted"
_WRITE_OFFS = "write-offs are what was posted"
_DISPUTES = "disputes are what was posted"
_ONE = "at most one live charge per invoice"
_WITHIN = "refunded is within captured"
_CREDITS = "credits are what was posted"
_CROSSES = "nothing crosses tenants"
_SHARD = "rows live in their shard"
_VERSIONS = "events tell every version"
_NUMBERS = "numbers have no gaps"
_STATES = "states follow from balances"
_POSTED = "invoices are what was posted"


def _set(table: str, change: str, key: str = "id") -> str:
    return f"UPDATE {table} SET {change} WHERE {key} = '{{v}}'"


def _more(table: str, column: str, key: str = "id") -> str:
    return _set(table, f"{column} = {column} + 1", key)


def _transfer(kind: str, where: str = "true") -> str:
    return f"SELECT id FROM transfers WHERE kind = '{kind}' AND {where} ORDER BY id LIMIT 1"


PAYMENTS = [
    *(Planted("payment_transfers", figure, PAYMENT, _more("payments", figure), f"payments.{figure}", _PAYMENTS)
      for figure in ("amount_minor", "fee_minor", "allocated_minor", "credited_minor", "suspended_minor",
                     "refunded_minor", "disputed_minor", "lost_minor", "reversed_minor")),
    Planted("payment_transfers", "transfers", FAILED,
            f"UPDATE transfers SET payment_id = '{{v}}' WHERE id = ({_transfer('payment_fee')})", "", _PAYMENTS),
    Planted("payment_limits", "refunds", PAYMENT,
            "UPDATE refunds SET payment_id = '{v}', amount_minor = 1000000, status = 'pending', settled_at = NULL"
            f" WHERE id = ({REFUND})", "", _WITHIN),
    Planted("payment_limits", "settled_at", PAYMENT, _set("payments", "settled_at = NULL")),
    Planted("payment_limits", "customer_id", PAYMENT, _set("payments", f"customer_id = '{NOBODY}'"), "", _CROSSES),
    Planted("payment_limits", "shard", PAYMENT, _set("payments", "shard = (shard + 1) % 1024"), "", _SHARD),
    Planted("allocations", "amount_minor", ALLOCATION, _more("allocations", "amount_minor", "payment_id"),
            "allocations.amount_minor", _PAYMENTS),
    Planted("allocations", "amount_minor", ALLOCATION, "DELETE FROM allocations WHERE payment_id = '{v}'", "",
            _PAYMENTS),
    Planted("allocations", "released_minor", ALLOCATION, _more("allocations", "released_minor", "payment_id"),
            "allocations.released_minor", _PAYMENTS),
    Planted("attempts", "amount_minor", CHARGE, _more("attempts", "amount_minor"), "attempts.amount_minor", _ONE),
    Planted("attempts", "amount_minor", PENDING, _more("attempt_invoices", "amount_minor", "attempt_id"),
            "attempt_invoices.amount_minor", _ONE),
    Planted("attempts", "actual_amount_minor", CHARGE, _set("attempts", "actual_amount_minor = 1"),
            "attempts.actual_amount_minor"),
    Planted("attempts", "fee_minor", CHARGE, _more("attempts", "fee_minor"), "attempts.fee_minor"),
    Planted("attempts", "checks", CHARGE, _set("attempts", "checks = -1"), "attempts.checks"),
    Planted("attempts", "version", CHARGE, _set("attempts", "version = 0"), "attempts.version"),
    Planted("attempts", "ended_at", PENDING, _set("attempts", "ended_at = sent_at"), "", _ONE),
    Planted("attempts", "payment_id", CHARGE, _set("attempts", f"payment_id = '{NOBODY}'")),
    Planted("attempts", "refund_id", CHARGE, _set("attempts", "kind = 'refund'")),
    Planted("attempt_invoices", "live", SHARE, _set("attempt_invoices", "live = false", "attempt_id"), "", _ONE),
    Planted("attempt_invoices", "at_once", LIVE,
            "INSERT INTO attempt_invoices SELECT shard, attempt_id, '{v}', tenant_id, amount_minor, true"
            " FROM attempt_invoices WHERE live AND invoice_id <> '{v}'"
            " AND tenant_id = (SELECT tenant_id FROM invoices WHERE id = '{v}')", "", _ONE),
    Planted("attempt_invoices", "invoice_id", SHARE,
            _set("attempt_invoices", f"invoice_id = '{NOBODY}'", "attempt_id"), "", _CROSSES),
    Planted("refunds", "amount_minor", REFUND, _more("refunds", "amount_minor"), "refunds.amount_minor", _REFUNDS),
    Planted("refunds", "amount_minor", REFUND, _set("refunds", "status = 'failed'"), "", _REFUNDS),
    Planted("refunds", "settled_at", REFUND, _set("refunds", "settled_at = NULL"), "", _REFUNDS),
    Planted("refunds", "tries", REFUND, _set("refunds", "tries = -1"), "refunds.tries"),
    Planted("refunds", "payment_id", REFUND, _set("refunds", f"payment_id = '{NOBODY}'"), "", _WITHIN),
    Planted("disputes", "amount_minor", DISPUTE, _more("disputes", "amount_minor"), "disputes.amount_minor", _DISPUTES),
    Planted("disputes", "status", DISPUTE, _set("disputes", "outcome = 'expensed'"), "", _DISPUTES),
    Planted("disputes", "closed_at", DISPUTE, _set("disputes", "closed_at = NULL")),
    Planted("disputes", "payment_id", DISPUTE, _set("disputes", f"payment_id = '{NOBODY}'"), "", _CROSSES),
    Planted("payment_methods", "customer_id", METHOD, _set("payment_methods", f"customer_id = '{NOBODY}'"), "",
            _CROSSES),
    Planted("payment_methods", "gateway_account_id", METHOD,
            _set("payment_methods", f"gateway_account_id = '{NOBODY}'")),
    Planted("orphans", "suspended_minor", TENANT,
            "INSERT INTO gateway_events (tenant_id, id, gateway_account_id, gateway_event_id, kind, type, happened_at,"
            " headers, body, status, tries, received_at, suspended_minor, currency) VALUES"
            f" ('{{v}}', '{NOBODY}', '{NOBODY}', 'evt', 'operation', 'charge', '2026-01-01', '{{}}', '', 'orphan',"
            " 1, '2026-01-01', 5, 'EUR')", "gateway_events.suspended_minor"),
]  # fmt: skip

CORRECTIONS = [
    *(Planted("credit_notes", figure, NOTE, _more("credit_notes", figure), f"credit_notes.{figure}", _NOTES)
      for figure in ("net_minor", "tax_minor", "total_minor", "owed_minor", "written_off_minor", "paid_minor")),
    Planted("credit_notes", "lines", NOTE, _set("credit_notes", "lines = '[]'"), "", _NOTES),
    Planted("credit_note_parents", "invoice_id", NOTE, _set("credit_notes", f"invoice_id = '{NOBODY}'"), "", _CROSSES),
    Planted("credit_note_parents", "refund_id", BY_REFUND, _set("credit_notes", f"refund_id = '{NOBODY}'")),
    Planted("credit_note_parents", "credit_id", BY_CREDIT, _set("credit_notes", f"credit_id = '{NOBODY}'")),
    Planted("credit_note_numbers", "numbers", NOTE, "DELETE FROM credit_note_numbers WHERE credit_note_id = '{v}'", "",
            _NUMBERS),
    Planted("number_sequence", "sequence", "SELECT min(series) FROM credit_note_numbers",
            "UPDATE credit_note_numbers SET sequence = 900 WHERE sequence = 2", "credit_note_numbers.sequence",
            _NUMBERS),
    Planted("write_offs", "amount_minor", WRITE_OFF, _more("write_offs", "amount_minor"), "write_offs.amount_minor",
            _WRITE_OFFS),
    Planted("write_offs", "reversed_minor", WRITE_OFF, _more("write_offs", "reversed_minor"),
            "write_offs.reversed_minor", _WRITE_OFFS),
    Planted("write_offs", "invoice_id", WRITE_OFF, _set("write_offs", f"invoice_id = '{NOBODY}'"), "", _CROSSES),
    Planted("correction_lines", "taken_back", line(f"invoice_id = ({VOID})"),
            "UPDATE transfers SET amount_minor = amount_minor + 1 WHERE kind = 'net_voided'"
            " AND 'line ' || line_no || ' of invoice ' || invoice_id = '{v}'", "", _POSTED),
]  # fmt: skip

FIGURES = [
    Planted("invoice_transfers", "refunded_minor", GIVEN, _more("invoices", "refunded_minor"),
            "invoices.refunded_minor", _REFUNDS),
    Planted("invoice_balance", "refunded_minor", OPEN, _set("invoices", "refunded_minor = paid_minor + 1"), "",
            _WITHIN),
    Planted("invoice_states", "live", LIVE, _set("invoices", "collection_state = 'stopped'"), "", _ONE),
    Planted("invoice_states", "attempt_count", OPEN, _set("invoices", "attempt_count = -1"), "invoices.attempt_count"),
    Planted("invoice_states", "voided_minor", VOID, _more("invoices", "voided_minor"), "", _STATES),
    Planted("invoice_states", "next_collect_at", SCHEDULED, _set("invoices", "next_collect_at = created_at")),
    *(Planted("credit_transfers", figure, CREDIT, _more("credits", figure), f"credits.{figure}", _CREDITS)
      for figure in ("paid_out_minor", "moved_minor", "reserved_minor")),
    Planted("credit_parents", "payment_id", PAID_CREDIT, _set("credits", f"payment_id = '{NOBODY}'")),
    Planted("credit_draws", "amount_minor", DRAW, _more("credit_draws", "amount_minor", "credit_id"),
            "credit_draws.amount_minor", "draws are what was posted"),
    Planted("credit_draws", "amount_minor", DRAW, "DELETE FROM credit_draws WHERE credit_id = '{v}'", "",
            "draws are what was posted"),
    *(Planted("object_versions", "version", victim, _set(table, "version = version + 1"), f"{table}.version", _VERSIONS)
      for table, victim in (("payments", PAYMENT), ("disputes", DISPUTE), ("credit_notes", NOTE),
                            ("write_offs", WRITE_OFF), ("payment_methods", METHOD), ("gateway_accounts", ACCOUNT))),
    Planted("object_versions", "version", REFUND, _set("refunds", "version = 0"), "refunds.version", _VERSIONS),
    Planted("transfer_parents", "to_customer_id", _transfer("credit_moved"),
            _set("transfers", f"to_customer_id = '{NOBODY}'"), "", "balances are the sums of transfers"),
    Planted("transfer_parents", "payment_id", _transfer("payment_fee"), _set("transfers", f"payment_id = '{NOBODY}'"),
            "", _PAYMENTS),
    Planted("transfer_parents", "refund_id", _transfer("credit_refunded"), _set("transfers", f"refund_id = '{NOBODY}'"),
            "", _REFUNDS),
    Planted("transfer_parents", "dispute_id", _transfer("dispute_won"), _set("transfers", f"dispute_id = '{NOBODY}'"),
            "", _DISPUTES),
    Planted("transfer_parents", "credit_note_id", _transfer("credit_noted_net"),
            _set("transfers", f"credit_note_id = '{NOBODY}'"), "", _NOTES),
    Planted("transfer_parents", "write_off_id", _transfer("written_off"),
            _set("transfers", f"write_off_id = '{NOBODY}'"), "", _WRITE_OFFS),
    Planted("transfer_postings", "accounts", _transfer("payment_allocated"),
            _set("transfers", "credit = 'customer_credit'"), "", "debits are credits"),
    Planted("transfer_postings", "about", _transfer("written_off"), _set("transfers", "write_off_id = NULL"), "",
            _WRITE_OFFS),
    Planted("transfer_postings", "accounts", DRAWN, _set("transfers", "kind = 'credit_returned'"), "",
            "debits are credits"),
    Planted("invoice_states", "status", PAID, _set("invoices", "status = 'uncollectible'"), "", _STATES),
]  # fmt: skip

MONEY = [*PAYMENTS, *CORRECTIONS, *FIGURES]
