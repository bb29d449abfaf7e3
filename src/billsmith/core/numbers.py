"""Invoice numbers: which series an invoice takes its number from, and how it is printed. Rule: docs/rules/numbers.md"""

import msgspec

from billsmith.core.customers import Customer
from billsmith.core.ids import show_id
from billsmith.core.tenants import Tenant

TENANT_SERIES = "tenant"
CREDIT_NOTE_DIGITS = 6
# 60 bits, 50 of them random: among a million customers two share them once in a million times. Eight characters would
# be shared in every second such tenant.
_PREFIX_LENGTH = 12


class NumberSeries(msgspec.Struct, frozen=True, gc=False):
    """A gap-free series: 1, 2, 3 … printed with a prefix and zeros in front up to `digits`."""

    series: str
    prefix: str
    digits: int


def series_for(tenant: Tenant, customer: Customer) -> NumberSeries:
    """The tenant's one series, or the customer's own where the tenant numbers per customer.

    A customer's prefix is its `number_prefix`, or the last twelve characters of its id.
    """
    digits = tenant.settings.number_digits
    if tenant.settings.numbers_per == "tenant":
        return NumberSeries(TENANT_SERIES, tenant.settings.number_prefix, digits)
    id_text = show_id("customer", customer.id)
    prefix = customer.number_prefix or id_text[-_PREFIX_LENGTH:].upper() + "-"
    return NumberSeries(id_text, prefix, digits)


def credit_note_series() -> NumberSeries:
    """The tenant's one series of credit notes."""
    return NumberSeries("credit_note", "CN-", CREDIT_NOTE_DIGITS)


def show_number(series: NumberSeries, sequence: int) -> str:
    """`INV-000042` for sequence 42."""
    return f"{series.prefix}{sequence:0{series.digits}d}"
