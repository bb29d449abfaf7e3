"""Examples for the reference: bodies as one would send them, and answers computed from them by core itself."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import msgspec

from billsmith.actions import objects
from billsmith.api.schemas import customers as customer_bodies
from billsmith.api.schemas import invoices as invoice_bodies
from billsmith.core.credits import Credit, granted, new_credit
from billsmith.core.customers import as_party, new_customer
from billsmith.core.decisions import Standing
from billsmith.core.ids import (
    CauseId,
    CreditId,
    CustomerId,
    EventId,
    InvoiceId,
    KeyId,
    SnapshotId,
    TenantId,
    TransferId,
    show_id,
)
from billsmith.core.invoices import Document
from billsmith.core.invoicing import finalise, new_draft
from billsmith.core.ledger import Posting
from billsmith.core.tenants import ApiKey, NewTenant, Scope, new_tenant
from billsmith.store.transfers import CausedTransfer

AT = datetime(2026, 3, 31, 22, 15, tzinfo=UTC)
_TODAY = date(2026, 4, 1)
_FIRST = 0x019D4662_1C20_7000_8000_000000000000
REQUEST_ID = show_id("request", UUID(int=_FIRST + 900))


def id_of(number: int) -> UUID:
    """Ids that look like real ones, all of one shard."""
    return UUID(int=_FIRST | number << 10 | 7)


CUSTOMER_ID = show_id("customer", id_of(3))

INVOICE: dict[str, Any] = {
    "customer": "tim",
    "title": "Hosting in March 2026",
    "external_id": "2026-03-tim",
    "currency": "EUR",
    "period": {"start": "2026-03-01", "end": "2026-04-01"},
    "terms_days": 14,
    "items": [
        "Thank you for hosting with us.",
        {"name": "Setup", "amount": 5000, "tax": {"percent": "19"}},
        {
            "name": "Traffic",
            "type": "bandwidth",
            "quantity": "117.5",
            "unit": "GB",
            "unit_price": "0.085",
            "volume": "117 488 302 911 bytes",
            "period": {"start": "2026-03-01", "end": "2026-04-01"},
            "tax": {"percent": "19"},
            "discount": {"percent": "10"},
        },
        {"name": "Support calls", "quantity": "0", "unit_price": "25.00", "tax": {"percent": "19"}},
    ],
    "adjustments": [{"amount": -1000, "reason": "Outage of 12 March"}],
    "metadata": {"order": "A-1007"},
    "tags": ["hosting"],
}
"""The sample of a pushed invoice: every kind of line, an adjustment, and a line of zero."""

BODIES: dict[str, Any] = {
    "invoice": INVOICE,
    "invoice_change": {"title": "Hosting in March", "tags": ["hosting", "checked"]},
    "batch": {"invoices": [{"customer": "tim", "amount": 1500, "title": "April"}, {"customer": "ada", "amount": 900}]},
    "customer": {
        "name": "Tim's Workshop",
        "external_id": "tim",
        "emails": ["tim@example.com"],
        "time_zone": "Europe/Berlin",
        "address": {"line1": "Werkstr. 1", "postal_code": "10115", "city": "Berlin", "country": "DE"},
        "tax_ids": [{"type": "eu_vat", "value": "DE123456789"}],
    },
    "customer_change": {"emails": ["billing@example.com"], "terms_days": 14},
    "gateway_account": {
        "gateway": "external",
        "name": "Bank transfers",
        "settings": {},
        "credentials": {},
        "metadata": {"ledger": "1200"},
    },
    "gateway_account_change": {"name": "Transfers and cheques", "is_default": True},
    "payment_method": {"customer": "tim", "payment_method": "bank_transfer", "metadata": {"source": "sign-up"}},
    "payment_method_change": {"metadata": {"source": "support"}},
    "invoice_method": {"payment_method": show_id("payment_method", id_of(11)), "make_default": True},
    "payment": {"customer": "tim", "amount": 15000, "currency": "EUR", "reference": "Transfer of 2 April"},
    "release": {"to": "credit", "invoices": [{"invoice": show_id("invoice", id_of(5))}]},
    "allocation": {"invoices": [{"invoice": show_id("invoice", id_of(5)), "amount": 5000}]},
    "resolution": {
        "outcome": "succeeded",
        "gateway_id": "ch_81f2",
        "evidence": "The gateway's dashboard shows it as captured on 2 April.",
    },
    "refund": {"invoice": show_id("invoice", id_of(5)), "amount": 2500, "reason": "Outage of 12 March"},
    "bulk_refund": {"issued_from": "2026-03-01", "issued_before": "2026-04-01", "reason": "Outage of 12 March"},
    "credit_note": {"reason": "Setup was free", "lines": [{"line_no": 2, "amount": 5950}]},
    "adjustments": {"adjustments": [{"amount": -500, "reason": "Outage"}, {"amount": 900, "reason": "Express setup"}]},
    "void": {"rebill": False},
    "write_off": {"reason": "The customer is insolvent"},
    "credit": {"customer": "tim", "amount": 2500, "currency": "EUR", "reason": "Goodwill"},
    "tenant_change": {
        "collection": {"retry_after_days": [2, 4, 8], "after_last": "write_off"},
        "dispute_lost": "reopen",
    },
    "orphan": {"customer": "tim"},
    "catalog": {
        "products": {
            "hosting": {"name": "Hosting", "kind": "base", "add_ons": ["backup"]},
            "backup": {"name": "Daily backup", "kind": "add_on"},
        },
        "plans": {
            "hosting": {
                "product": "hosting",
                "name": "Hosting, monthly",
                "effective_on": "2026-04-01",
                "phases": [
                    {"kind": "trial", "duration": "14 days"},
                    {
                        "kind": "evergreen",
                        "charges": [
                            {
                                "code": "hosting",
                                "kind": "recurring",
                                "name": "Hosting",
                                "length": "monthly",
                                "prices": {"EUR": "19.90", "JPY": "3200"},
                                "tax": {"percent": "19"},
                            }
                        ],
                    },
                ],
            }
        },
        "rules": {"change_policy": [{"then": "immediate", "phase": "trial"}, {"then": "end_of_term"}]},
    },
    "plan_retirement": {"cancel": "end_of_term"},
    "subscription": {
        "customer": "tim",
        "plan": "hosting",
        "quantity": "2",
        "starts_on": "2026-04-01",
        "external_id": "tim-hosting",
        "metadata": {"rack": "7"},
    },
    "subscription_labels": {"metadata": {"rack": "8"}, "tags": ["checked"]},
    "plan_change": {"plan": "hosting", "when": "end_of_term", "prices": {"hosting": "14.90"}},
    "quantity_change": {"quantity": "5"},
    "bill_day_change": {"day": 15},
    "cancel": {"when": "end_of_term"},
    "undo": {"what": "cancel"},
    "bill": {"until_on": "2026-05-01"},
    "subscription_preview": {"subscription": {"customer": "tim", "plan": "hosting"}, "until_on": "2026-05-01"},
    "verb_preview": {"cancel": {"when": "immediate"}},
    "pause": {"on": "2026-07-01"},
    "resume": {"on": "2026-09-01"},
    "transfer": {"customer": "ada"},
    "clock": {"to": "2026-04-30T00:00:00Z"},
    "key": {"name": "month-end script", "scopes": ["write"]},
}

_TENANT = new_tenant(
    NewTenant(name="Steve's Cloud", currency="EUR", time_zone="Europe/Berlin"),
    TenantId(id_of(1)),
    SnapshotId(id_of(2)),
    AT,
)
CUSTOMER = new_customer(
    _TENANT,
    customer_bodies.details_of(msgspec.convert(BODIES["customer"], customer_bodies.CustomerToCreate), None),
    CustomerId(id_of(3)),
    SnapshotId(id_of(4)),
    AT,
)


def shown_examples() -> dict[type, Any]:
    """For each type of answer an example, as it would be sent."""
    document, postings = _invoice()
    invoice = objects.invoice_object(document)
    transfer = CausedTransfer(
        TransferId(id_of(9)),
        CUSTOMER.id,
        **msgspec.structs.asdict(postings[0]),
        actor=show_id("key", id_of(8)),
        reason="month-end run",
        request_id=REQUEST_ID,
        caused_at=AT,
    )
    key = ApiKey(KeyId(id_of(8)), "month-end script", "sk_live_…w3kQ", (Scope.WRITE,), AT, None, None)
    return {
        objects.InvoiceObject: invoice,
        objects.CustomerObject: objects.customer_object(CUSTOMER),
        objects.CreditObject: objects.credit_object(_credit()),
        objects.TenantObject: objects.tenant_object(_TENANT),
        objects.KeyObject: objects.key_object(key),
        objects.TransferObject: objects.transfer_object(transfer),
        objects.EventObject: _event(invoice),
    }


def _invoice() -> tuple[Document, tuple[Posting, ...]]:
    details = invoice_bodies.details_of(msgspec.convert(INVOICE, invoice_bodies.InvoiceToCreate))
    standing = Standing(_TENANT, CUSTOMER)
    draft, lines = new_draft(standing, details, InvoiceId(id_of(5)), AT)
    decision = finalise(standing, draft, lines, AT, CreditId(id_of(6)))
    document = Document(decision.invoices[-1], lines, "INV-000042", _TENANT.seller, as_party(CUSTOMER))
    return document, decision.postings


def _credit() -> Credit:
    blank = new_credit(CreditId(id_of(6)), _TENANT.id, CUSTOMER.id, "granted", "EUR", 0, _TODAY, AT)
    return granted(msgspec.convert(BODIES["credit"], customer_bodies.CreditToGrant).credit(), blank, AT)


def _event(invoice: objects.InvoiceObject) -> objects.EventObject:
    return objects.EventObject(
        id=show_id("event", EventId(id_of(7))),
        sequence=311,
        type="invoice.finalised",
        customer=CUSTOMER_ID,
        object_id=invoice.id,
        object_version=1,
        occurred_at=AT,
        actor=show_id("key", CauseId(id_of(8))),
        reason="month-end run",
        request_id=REQUEST_ID,
        data=invoice,
    )
