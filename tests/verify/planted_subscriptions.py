"""Errors planted in subscriptions and what their lines cover, each with the check that has to name it."""

from tests.verify.planted import NOBODY, SECOND, Planted

_BASE = "SELECT id FROM subscriptions WHERE product_kind = 'base' AND status = 'active' ORDER BY id LIMIT 1"
_ADD_ON = "SELECT id FROM subscriptions WHERE product_kind = 'add_on' ORDER BY id LIMIT 1"
_GONE = "SELECT id FROM subscriptions WHERE status = 'cancelled' ORDER BY id LIMIT 1"
_COVERED = (
    "SELECT 'line ' || corrects_line_no || ' of invoice ' || corrects_invoice_id FROM give_backs"
    " ORDER BY corrects_invoice_id, corrects_line_no LIMIT 1"
)
_GIVING = "SELECT 'line ' || line_no || ' of invoice ' || invoice_id FROM give_backs ORDER BY invoice_id LIMIT 1"
_THIS = "'line ' || line_no || ' of invoice ' || invoice_id = '{v}'"
_TIMELINES, _GROUPS = "timelines begin with their creation", "groups have one base of one customer"
_OVER, _SHARD, _CROSSES = "what is over waits for nothing", "rows live in their shard", "nothing crosses tenants"


def _row(what: str) -> str:
    return f"UPDATE subscriptions SET {what} WHERE id = '{{v}}'"


def _billing(what: str) -> str:
    return f"UPDATE subscription_billing SET {what} WHERE subscription_id = '{{v}}'"


def _entry(what: str) -> str:
    return f"UPDATE subscription_changes SET {what} WHERE subscription_id = '{{v}}' AND position = 1"


def _line(table: str, what: str) -> str:
    return f"UPDATE {table} SET {what} WHERE {_THIS}"


SUBSCRIPTIONS = [
    Planted("object_versions", "version", _BASE, _row("version = version + 1"), "subscriptions.version",
            "events tell every version"),
    Planted("subscription_parents", "customer_id", _BASE, _row(f"customer_id = '{NOBODY}'"), "", _CROSSES),
    Planted("subscription_parents", "customer_id", _BASE, _row(f"tenant_id = {SECOND}"), "", _CROSSES),
    Planted("subscription_parents", "plan_version_id", _BASE, _row(f"plan_version_id = '{NOBODY}'")),
    Planted("subscription_parents", "group_id", _BASE,
            _row("customer_id = (SELECT customer_id FROM subscriptions WHERE status = 'cancelled' LIMIT 1)"), "",
            _GROUPS),
    Planted("subscription_parents", "shard", _BASE, _row("shard = (shard + 1) % 1024"), "", _SHARD),
    Planted("subscription_timelines", "position", _BASE, _entry("position = 7"), "subscription_changes.position",
            _TIMELINES),
    Planted("subscription_timelines", "kind", _BASE, _entry("kind = 'plan_changed'"), "", _TIMELINES),
    Planted("subscription_timelines", "starts_on", _BASE, _row("starts_on = starts_on + 1"), "", _TIMELINES),
    Planted("change_parents", "subscription_id", _ADD_ON, "DELETE FROM subscriptions WHERE id = '{v}'", "", _CROSSES),
    Planted("over_subscriptions", "next_change_at", _GONE, _row("next_change_at = '2026-04-01'"), "", _OVER),
    Planted("over_subscriptions", "next_bill_on", _GONE, _billing("next_bill_on = '2026-04-01'"), "", _OVER),
    Planted("subscription_billing", "subscription_id", _BASE,
            "DELETE FROM subscription_billing WHERE subscription_id = '{v}'", "", "how far runs have come is known"),
    Planted("subscription_billing", "subscription_id", _BASE, _billing(f"tenant_id = {SECOND}"), "", _CROSSES),
    Planted("subscription_billing", "customer_id", _BASE, _billing(f"customer_id = '{NOBODY}'"), "", _CROSSES),
    Planted("coverage_lines", "line_no", _COVERED, _line("invoice_lines", "subscription_id = NULL")),
    Planted("coverage_lines", "line_no", "SELECT 'line 77 of invoice ' || corrects_invoice_id FROM give_backs LIMIT 1",
            "UPDATE coverage SET line_no = 77 WHERE 'line 77 of invoice ' || invoice_id = '{v}'", "coverage.line_no"),
    Planted("coverage_lines", "amount_minor", _COVERED, _line("coverage", "amount_minor = amount_minor + 1"),
            "coverage.amount_minor"),
    Planted("give_back_lines", "line_no", "SELECT 'line 77 of invoice ' || invoice_id FROM give_backs LIMIT 1",
            "UPDATE give_backs SET line_no = 77 WHERE 'line 77 of invoice ' || invoice_id = '{v}'",
            "give_backs.line_no"),
    Planted("give_back_lines", "amount_minor", _GIVING, _line("give_backs", "amount_minor = amount_minor - 1"),
            "give_backs.amount_minor"),
    Planted("give_back_lines", "corrects_line_no", _GIVING, _line("give_backs", "corrects_line_no = 77"),
            "give_backs.corrects_line_no"),
    Planted("give_back_lines", "corrects_line_no", _GIVING, _line("invoice_lines", "corrects_line_no = 77"),
            "invoice_lines.corrects_line_no"),
    Planted("unrecoverable", "unrecoverable_minor",
            "SELECT customer_id FROM invoices WHERE status = 'open' ORDER BY id LIMIT 1",
            "UPDATE invoices SET unrecoverable_minor = unrecoverable_minor + 1 WHERE customer_id = '{v}'",
            "invoices.unrecoverable_minor"),
    Planted("given_back", "given_back", _COVERED,
            "UPDATE give_backs SET amount_minor = -1000000"
            " WHERE 'line ' || corrects_line_no || ' of invoice ' || corrects_invoice_id = '{v}'"),
]  # fmt: skip
