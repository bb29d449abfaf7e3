"""What computes the tables of the rule pages, by the name in their marker."""

import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from msgspec.structs import replace

from billsmith.core.currencies import minor_digits
from billsmith.core.decisions import Standing
from billsmith.core.discounts import Discount
from billsmith.core.ids import CreditId, InvoiceId
from billsmith.core.invoices import Adjustment, InvoiceDetails, Item, Line
from billsmith.core.invoicing import finalise, new_draft
from billsmith.core.lines.explain import explained
from billsmith.core.lines.items import lines_of, total_of
from billsmith.core.money import price_times, round_half_away, show_amount, split
from billsmith.core.numbers import series_for, show_number
from billsmith.core.periods import period
from billsmith.core.taxes import Tax
from billsmith.core.tenants import TenantSettings
from billsmith.core.time_zones import local_day
from billsmith.errors import BillsmithError
from tests.core.made import CUSTOMER, TENANT, uuid
from tests.docs.pages import Example, Row

NOTHING = {"", "–"}
_PRICED = re.compile(r"(\S+)(?: (\S+))? × (\S+)")


def minor(text: str, currency: str = "EUR") -> int:
    """Minor units of an amount as a page shows it."""
    return int(Decimal(text).scaleb(minor_digits(currency)))


def or_refused(answer: Callable[[], str]) -> str:
    """The answer, or the code of the error that it ends in."""
    try:
        return answer()
    except BillsmithError as error:
        return f"refused: `{error.code}`"


def given_item(row: Row, currency: str) -> Item:
    """An item from `2.5 h × 0.335`, `100.00` or nothing, with its discount and tax."""
    item = Item(row["item"], discount=_discount(row.get("discount given", ""), currency), tax=_tax(row.get("rate", "")))
    if priced := _PRICED.fullmatch(row["given"]):
        return replace(item, quantity=Decimal(priced[1]), unit=priced[2], unit_price=Decimal(priced[3]))
    return item if row["given"] in NOTHING else replace(item, amount_minor=minor(row["given"], currency))


def _discount(text: str, currency: str) -> Discount | None:
    if text in NOTHING:
        return None
    if text.endswith(" %"):
        return Discount(percent=Decimal(text.removesuffix(" %")))
    return Discount(amount_minor=minor(text, currency))


def _tax(text: str) -> Tax | None:
    if text in NOTHING:
        return None
    return Tax(Decimal(text.removesuffix(" contained").removesuffix(" %")), inclusive=text.endswith("contained"))


def rounding(rows: list[Row], _: Row) -> list[Row]:
    """An exact number of minor units → the amount."""
    return [{"amount": str(round_half_away(Fraction(row["exact"])))} for row in rows]


def prices(rows: list[Row], _: Row) -> list[Row]:
    """Quantity × unit price → the amount, in minor units and as shown."""
    answers = []
    for row in rows:
        amount = price_times(Decimal(row["quantity"]), Decimal(row["unit price"]), row["currency"])
        answers.append({"minor units": str(amount), "shown": show_amount(amount, row["currency"])})
    return answers


def currencies(rows: list[Row], _: Row) -> list[Row]:
    """A currency → its digits, and what 12345 minor units of it are."""
    return [
        {"digits": str(minor_digits(row["currency"])), "12345 minor units": show_amount(12345, row["currency"])}
        for row in rows
    ]


def splits(rows: list[Row], _: Row) -> list[Row]:
    """A total and weights → shares."""
    return [
        {"shares": " + ".join(map(str, split(int(row["total"]), [int(part) for part in row["weights"].split(" : ")])))}
        for row in rows
    ]


def periods(rows: list[Row], _: Row) -> list[Row]:
    """Start and end → whether there is such a period."""
    return [
        {
            "outcome": or_refused(
                lambda row=row: "accepted" if period(*map(date.fromisoformat, (row["start"], row["end"]))) else ""
            )
        }
        for row in rows
    ]


def days(rows: list[Row], _: Row) -> list[Row]:
    """An instant and a time zone → the day that it is there."""
    return [{"day": str(local_day(datetime.fromisoformat(row["instant"]), row["time zone"]))} for row in rows]


def lines(rows: list[Row], options: Row) -> list[Row]:
    """Items, adjustments and a last row `total` → the figures of each."""
    currency = options.get("currency", "EUR")
    made = _lines(rows[:-1], options)
    assert rows[-1]["item"] == "total"
    net, tax, total = total_of(made)
    figures = [_figures(line, currency) for line in made]
    sums = {"net": net, "tax": tax, "total": total}
    return [*figures, dict.fromkeys(figures[0], "") | {k: show_amount(v, currency) for k, v in sums.items()}]


def _lines(rows: list[Row], options: Row) -> tuple[Line, ...]:
    currency = options.get("currency", "EUR")
    adjusting = [row for row in rows if row["given"].startswith("adjust ")]
    details = InvoiceDetails(
        items=tuple(given_item(row, currency) for row in rows if row not in adjusting),
        adjustments=tuple(
            Adjustment(minor(row["given"].removeprefix("adjust "), currency), row["item"]) for row in adjusting
        ),
    )
    settings: Any = TenantSettings(tax_rounding=options.get("rounding", "line"))  # type: ignore[arg-type]
    return lines_of(details, currency, "UTC", settings)


def _figures(line: Line, currency: str) -> Row:
    figures = {
        "amount": line.amount_minor,
        "discount": line.discount_minor,
        "net": line.net_minor,
        "tax": line.tax_minor,
        "total": line.total_minor,
    }
    return {name: show_amount(figure, currency) for name, figure in figures.items()}


def steps(rows: list[Row], options: Row) -> list[Row]:
    """One item, in the options → how each of its figures came about."""
    item = {
        "item": "Support",
        "given": options["given"],
        "discount given": options["discount"],
        "rate": options["rate"],
    }
    (line,) = _lines([item], options)
    told = explained(line, "EUR")
    assert [row["figure"] for row in rows] == [step.figure for step in told]
    return [{"arithmetic": step.arithmetic, "value": show_amount(step.amount_minor, "EUR")} for step in told]


def adding_up(rows: list[Row], _: Row) -> list[Row]:
    """Items such as `Bandwidth, Setup 50.00` and a total → the total of every line, or why not."""
    return [{"lines": or_refused(lambda row=row: _totals(row))} for row in rows]


def _totals(row: Row) -> str:
    words = [] if row["items"] in NOTHING else row["items"].split(", ")
    parted = [re.fullmatch(r"(.*?)(?: (-?[0-9.]+))?", word) for word in words]
    items = tuple(Item(found[1], None if found[2] is None else minor(found[2])) for found in parted if found)
    total = None if row["total given"] in NOTHING else minor(row["total given"])
    made = lines_of(InvoiceDetails(items=items, amount_minor=total), "EUR", "UTC", TenantSettings())
    return ", ".join(f"{line.description} {show_amount(line.total_minor, 'EUR')}" for line in made)


def dates(rows: list[Row], _: Row) -> list[Row]:
    """When a document is finalised and what is said of its dates → when it is issued and due."""
    return [_dates(row) for row in rows]


def _dates(row: Row) -> Row:
    customer = replace(CUSTOMER, time_zone=row["time zone"], terms_days=_number(row["customer's terms"]))
    at = datetime.fromisoformat(row["finalised at"])
    details = InvoiceDetails(
        amount_minor=100,
        issued_on=_day(row["day given"]),
        due_on=_day(row["due date given"]),
        terms_days=_number(row["terms given"]),
    )
    try:
        standing = Standing(TENANT, customer)
        invoice, made = new_draft(standing, details, InvoiceId(uuid(1)), at)
        document = finalise(standing, invoice, made, at, CreditId(uuid(2))).invoices[-1]
    except BillsmithError as error:
        return {"issued on": "–", "due on": f"refused: `{error.code}`"}
    return {"issued on": str(document.issued_on), "due on": str(document.due_on)}


def _number(text: str) -> int | None:
    return None if text in NOTHING else int(text)


def _day(text: str) -> date | None:
    return None if text in NOTHING else date.fromisoformat(text)


def numbers(rows: list[Row], _: Row) -> list[Row]:
    """The settings of tenant and customer, and a place in the series → the number as printed."""
    return [{"number": _printed(row)} for row in rows]


def _printed(row: Row) -> str:
    per: Any = row["numbers per"]
    settings = TenantSettings(numbers_per=per, number_digits=int(row["digits"]))
    own = None if row["customer's prefix"] in NOTHING else row["customer's prefix"]
    customer = replace(CUSTOMER, number_prefix=own)
    return show_number(series_for(replace(TENANT, settings=settings), customer), int(row["sequence"]))


EXAMPLES: dict[str, Example] = {
    example.__name__: example
    for example in (rounding, prices, currencies, splits, periods, days, lines, steps, adding_up, dates, numbers)
}
