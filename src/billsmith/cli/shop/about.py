"""What the shop is: its name, its currency, and which column of its file is what."""

from decimal import Decimal

from babel.numbers import format_currency

from billsmith.core.money import show_amount

NAME = "The Retail Shop"
CURRENCY = "GBP"
LOCALE = "en_GB"
TIME_ZONE = "Europe/London"
MAPPING = (
    "document=InvoiceNo", "customer=CustomerID", "walk_in=Country", "issued_on=InvoiceDate", "name=Description",
    "type=StockCode", "quantity=Quantity", "unit_price=UnitPrice", "metadata.country=Country",
)  # fmt: skip
SHOPS = {"real": "a real shop's year (UCI Online Retail, CC BY 4.0)", "generated": "a generated shop's year"}


def shown(amount_minor: int) -> str:
    """An amount of the shop's, for a person: £12.50."""
    return format_currency(Decimal(show_amount(amount_minor, CURRENCY)), CURRENCY, locale=LOCALE)
