"""How a line came to its figures, step by step, for a person. Rule: docs/rules/totals.md"""

from decimal import Decimal
from typing import Literal

import msgspec

from billsmith.core.invoices import Line
from billsmith.core.money import show_amount
from billsmith.core.taxes import Tax, tax_per_line


class Step(msgspec.Struct, frozen=True, gc=False):
    """One figure of a line, the arithmetic behind it in words, and its value in minor units."""

    figure: Literal["amount", "discount", "net", "tax", "total"]
    arithmetic: str
    amount_minor: int


def explained(line: Line, currency: str) -> tuple[Step, ...]:
    """The steps from quantity and price to the line's total, in the order they were computed."""
    steps = [Step("amount", _amount(line), line.amount_minor)]
    if line.discount_minor or line.discount_percent is not None:
        steps.append(Step("discount", _discount(line, currency), line.discount_minor))
    if line.tax_percent is not None:
        steps += _net_and_tax(line, currency)
    elif len(steps) > 1:
        steps.append(Step("net", _minus(line.amount_minor, line.discount_minor, currency), line.net_minor))
    steps.append(Step("total", _total(line, currency), line.total_minor))
    return tuple(steps)


def _amount(line: Line) -> str:
    if line.kind == "adjustment":
        return "given as an adjustment"
    if line.corrects_invoice_id is not None:
        part = f"{line.share}, by days, of" if line.share else "all of"
        return f"{part} the line that it corrects, rounded half away from zero, never more than is left of it"
    if line.unit_price is None:
        return "given as an amount, or left over from the total"
    quantity = Decimal(1) if line.quantity is None else line.quantity
    unit = f" {line.unit}" if line.unit else ""
    share = f" × {line.share}" if line.share else ""
    return f"{quantity:f}{unit} × {line.unit_price:f}{share}, rounded half away from zero"


def _discount(line: Line, currency: str) -> str:
    if line.discount_percent is None:
        return "given as an amount"
    return f"{line.discount_percent:f} % of {show_amount(line.amount_minor, currency)}, rounded half away from zero"


def _net_and_tax(line: Line, currency: str) -> list[Step]:
    assert line.tax_percent is not None
    base = line.amount_minor - line.discount_minor
    percent = f"{line.tax_percent:f} %"
    alone = line.tax_minor == tax_per_line(base, Tax(line.tax_percent, line.tax_inclusive))
    rounding = "rounded half away from zero" if alone else "rounded once over the invoice's lines with this rate"
    if line.tax_inclusive:
        tax = Step("tax", f"{percent} contained in {show_amount(base, currency)}, {rounding}", line.tax_minor)
        return [tax, Step("net", _minus(base, line.tax_minor, currency), line.net_minor)]
    net = Step("net", _minus(line.amount_minor, line.discount_minor, currency), line.net_minor)
    return [net, Step("tax", f"{percent} of {show_amount(base, currency)}, {rounding}", line.tax_minor)]


def _total(line: Line, currency: str) -> str:
    return f"{show_amount(line.net_minor, currency)} net + {show_amount(line.tax_minor, currency)} tax"


def _minus(whole: int, part: int, currency: str) -> str:
    return f"{show_amount(whole, currency)} − {show_amount(part, currency)}"
