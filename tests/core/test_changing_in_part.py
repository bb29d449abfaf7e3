"""A draft taken apart into what was given for it, and made again, is the same draft: so it can be changed in part."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from billsmith.core.invoices import Document, InvoiceDetails
from billsmith.core.invoicing import Standing, details_of, redrafted
from billsmith.core.tenants import TenantSettings
from billsmith.errors import Invalid
from tests.core.made import NOON, STANDING, TENANT, contents, draft


@given(contents(), st.sampled_from(["line", "invoice"]), st.booleans())
def test_a_draft_made_again_from_what_it_says_is_the_same(
    details: InvoiceDetails, tax_rounding: str, payout: bool
) -> None:
    settings = TenantSettings(tax_rounding=tax_rounding)  # type: ignore[arg-type]
    standing = Standing(replace(TENANT, settings=settings), STANDING.customer)
    if payout:
        details = replace(details, direction="payout")
    try:
        invoice, lines = draft(10, details, standing)
    except Invalid:
        return
    again, same_lines, _ = redrafted(standing, invoice, details_of(Document(invoice, lines, None, None, None)), NOON)
    assert same_lines == lines
    assert again == replace(invoice, version=1)


def test_an_amount_that_an_item_took_is_on_its_line() -> None:
    invoice, lines = draft(10, InvoiceDetails(items=(), amount_minor=1500, title="March"))
    kept = details_of(Document(invoice, lines, None, None, None))
    assert (kept.amount_minor, kept.title) == (None, "March")
    assert [(item.name, item.amount_minor) for item in kept.items] == [("March", 1500)]
