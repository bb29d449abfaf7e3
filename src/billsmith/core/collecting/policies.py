"""Another collection policy for an invoice that is being collected. Rule: docs/rules/collection.md"""

from typing import Any

from msgspec.structs import replace

from billsmith.core.collecting.plans import policy_of
from billsmith.core.decisions import Decision, invoice_changed
from billsmith.core.invoices import Invoice
from billsmith.core.payments.payment import NotCollectable
from billsmith.core.payments.policy import CollectionPolicy, checked_policy


def policy_given(decision: Decision, invoice: Invoice, policy: CollectionPolicy | None) -> Decision:
    """A policy for this open invoice; None: its customer's or the tenant's. It decides from the next failure on.

    Where it never tries again by itself, a try that is planned after a failure is given up. Raises NotCollectable,
    CollectionPolicyInvalid.
    """
    if invoice.status != "open":
        raise NotCollectable(f"this invoice is {invoice.status}; only an open one is collected")
    checked = policy and checked_policy(policy)
    changed = replace(invoice, collection_policy=checked, version=invoice.version + 1)
    plan: dict[str, Any] = {}
    if invoice.collection_state == "retrying" and policy_of(decision.standing, changed).mode == "on_update":
        plan = {"collection_state": "failed", "collection_reason": "on_update", "next_collect_at": None}
    return invoice_changed(decision, replace(changed, **plan), "invoice.collection_changed")
