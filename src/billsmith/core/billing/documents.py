"""From entries to documents: which go on which, and what each line says. Rule: docs/rules/what-is-billed-when.md"""

from collections.abc import Iterable, Sequence

import msgspec

from billsmith.core.billing.entries import Entry
from billsmith.core.customers import Customer
from billsmith.core.ids import GroupId, InvoiceId
from billsmith.core.invoices import Direction, Invoice, Line
from billsmith.core.invoicing import GiveBack
from billsmith.core.money import within_limits
from billsmith.core.taxes import Tax, tax_per_invoice, tax_per_line
from billsmith.core.tenants import TenantSettings


class Bill(msgspec.Struct, frozen=True, gc=False):
    """A document to be: entries in the order of its lines."""

    direction: Direction
    currency: str
    entries: tuple[Entry, ...]
    lines: tuple[Line, ...]

    @property
    def total_minor(self) -> int:
        """What it comes to, tax included."""
        return sum(line.total_minor for line in self.lines)


def bills(customer: Customer, settings: TenantSettings, entries: Iterable[Entry]) -> tuple[Bill, ...]:
    """One document per currency and direction, or per group if the tenant wants that; in the order of their entries."""
    found: dict[tuple[Direction, str, GroupId | None], list[Entry]] = {}
    for entry in entries:
        group_id = entry.subscription.group_id if settings.invoices_per == "group" else None
        found.setdefault((entry.plan.direction, entry.subscription.currency, group_id), []).append(entry)
    return tuple(
        Bill(direction, currency, tuple(together), lines_of_entries(together, customer, settings))
        for (direction, currency, _), together in found.items()
    )


def lines_of_entries(entries: Sequence[Entry], customer: Customer, settings: TenantSettings) -> tuple[Line, ...]:
    """The lines, taxed at the rate of each charge; a credit at that of the line it corrects, which is the same one."""
    taxed = [(nth, entry.charge.tax) for nth, entry in enumerate(entries) if entry.charge.tax is not None]
    pairs = [(entries[nth].amount_minor, tax) for nth, tax in taxed]
    found = tax_per_invoice(pairs) if settings.tax_rounding == "invoice" else [tax_per_line(*pair) for pair in pairs]
    taxes = dict(zip((nth for nth, _ in taxed), found, strict=True))
    return tuple(_line(entry, taxes.get(nth, 0), customer.time_zone) for nth, entry in enumerate(entries))


def give_backs(lines: Iterable[Line], corrected: Iterable[Invoice]) -> tuple[GiveBack, ...]:
    """What a document with these lines gives back of each of the invoices that it corrects."""
    given: dict[InvoiceId, int] = {}
    for line in lines:
        if line.corrects_invoice_id is not None:
            given[line.corrects_invoice_id] = given.get(line.corrects_invoice_id, 0) - line.total_minor
    return tuple(GiveBack(one, given[one.id]) for one in corrected if given.get(one.id))


def corrected_ids(lines: Iterable[Line]) -> list[InvoiceId]:
    """The invoices of which a document with these lines gives something back."""
    return list(dict.fromkeys(line.corrects_invoice_id for line in lines if line.corrects_invoice_id is not None))


def _line(entry: Entry, tax_minor: int, zone: str) -> Line:
    tax: Tax | None = entry.charge.tax
    inclusive = tax is not None and tax.inclusive
    net = entry.amount_minor - tax_minor if inclusive else entry.amount_minor
    corrects = entry.corrects
    return Line(
        kind=entry.kind,
        description=_description(entry),
        category=None,
        quantity=entry.quantity,
        unit=None,
        unit_price=entry.unit_price,
        volume=None,
        amount_minor=within_limits(entry.amount_minor),
        discount_minor=0,
        discount_percent=None,
        tax_percent=None if tax is None else tax.percent,
        tax_inclusive=inclusive,
        net_minor=net,
        tax_minor=tax_minor,
        total_minor=within_limits(net + tax_minor),
        period_start_on=entry.period_start_on,
        period_end_on=entry.period_end_on,
        time_zone=zone,
        share=None if entry.share is None else f"{entry.share.part}/{entry.share.whole}",
        subscription_id=entry.subscription.id,
        corrects_invoice_id=None if corrects is None else corrects.invoice_id,
        corrects_line_no=None if corrects is None else corrects.line_no,
    )


def _description(entry: Entry) -> str:
    name, plan = entry.charge.name, entry.plan.name
    what = name if name == plan else f"{plan}: {name}"
    return f"Unused: {what}" if entry.kind == "proration_credit" else what
