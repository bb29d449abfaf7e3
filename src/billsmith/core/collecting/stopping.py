"""Invoices that nothing collects any more until a person looks at them. Rule: docs/rules/collection.md"""

from msgspec.structs import replace

from billsmith.core.decisions import Decision, invoice_changed
from billsmith.core.invoices import CollectionReason, Invoice


def stopped(decision: Decision, invoice: Invoice, reason: CollectionReason) -> Decision:
    """Never charged again by itself, for this reason. Its attempt, if one is live, goes on."""
    changed = replace(
        invoice,
        collection_state="stopped",
        collection_reason=reason,
        next_collect_at=None,
        version=invoice.version + 1,
    )
    return invoice_changed(decision, changed, "invoice.collection_changed")
