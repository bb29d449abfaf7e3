"""A payment method is gone: what was to be collected with it waits for another. Rule: docs/rules/collection.md"""

from collections.abc import Sequence

from msgspec.structs import replace

from billsmith.core.collecting.plans import method_of
from billsmith.core.decisions import Decision, invoice_changed
from billsmith.core.ids import PaymentMethodId
from billsmith.core.invoices import Invoice

_PLANNED = ("scheduled", "retrying", "action_required")


def method_gone(decision: Decision, invoices: Sequence[Invoice], gone: PaymentMethodId) -> Decision:
    """What is planned with a method that was detached waits for a new one; a charge under way is left alone.

    The standing is as it is without it: an invoice that named no method of its own may have another by now.
    """
    for invoice in invoices:
        planned = invoice.status == "open" and invoice.collection_state in _PLANNED and not invoice.has_live_attempt
        if not planned or method_of(decision.standing, invoice) not in (None, gone):
            continue
        waiting = replace(
            invoice,
            collection_state="no_method",
            collection_reason=None,
            next_collect_at=None,
            version=invoice.version + 1,
        )
        decision = invoice_changed(decision, waiting, "invoice.collection_changed")
    return decision
