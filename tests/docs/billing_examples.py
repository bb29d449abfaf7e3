"""What computes the tables about runs: one customer's subscriptions, and what each day's run puts on invoices."""

import re
from datetime import date
from typing import Any

from msgspec.structs import replace

from billsmith.core.billing.documents import Bill
from billsmith.core.billing.entries import Entry
from billsmith.core.money import show_amount
from billsmith.core.subscriptions.bill_days import bill_day_of
from billsmith.core.subscriptions.stretches import Stretch
from billsmith.core.tenants import TenantSettings
from tests.core.billing.made import Account
from tests.core.subscriptions.made import PAYER, billed, started
from tests.docs.examples import NOTHING, minor
from tests.docs.pages import Example, Row
from tests.docs.subscription_examples import asked_of

_STARTS = re.compile(r"(?P<what>start|add) (?P<plan>\w+)")


def runs(rows: list[Row], options: Row) -> list[Row]:
    """What is asked for and a run on the same day, again and again → the invoices that it makes."""
    account = account_of(options)
    answers = []
    for row in rows:
        ask(account, row["on"], row["asked"])
        made = account.run(date.fromisoformat(row["on"]))
        day = account.customer.bill_cycle_day
        answers.append({"invoiced": " + ".join(map(_shown, made)) or "nothing", "customer's day": str(day or "–")})
    return answers


def account_of(options: Row) -> Account:
    """A customer with or without a bill cycle day, of a tenant with these settings."""
    per: Any = options.get("per", "customer")
    settings = TenantSettings(invoices_per=per, minimum_to_bill_minor=minor(options.get("minimum", "0")))
    day = None if options["day"] == "none" else int(options["day"])
    return Account(customer=replace(PAYER, bill_cycle_day=day), settings=settings)


def ask(account: Account, on: str, said: str) -> None:
    """Start a subscription, add one to the first group, or ask something of the first subscription."""
    if said in NOTHING:
        return
    if said.startswith("customer's day "):
        account.move_day(int(said.removeprefix("customer's day ")), date.fromisoformat(on))
    elif starts := _STARTS.fullmatch(said):
        account.subscribe(starts["plan"], on, base=0 if starts["what"] == "add" else None)
    else:
        account.groups[0] = asked_of(account.at(0, on), said)


def _shown(one: Bill) -> str:
    lines = ", ".join(map(_line, one.entries))
    return f"{show_amount(one.total_minor, one.currency)}: {lines}"


def _line(entry: Entry) -> str:
    end = "" if entry.period_end_on is None else f" – {entry.period_end_on:%m-%d}"
    what = entry.plan.plan if entry.charge.code == "fee" else entry.charge.code
    times = "" if entry.quantity == 1 else f" × {entry.quantity}"
    share = "" if entry.share is None else f" {entry.share.part}/{entry.share.whole}"
    amount = show_amount(entry.amount_minor, entry.subscription.currency)
    return f"{what}{times} {entry.period_start_on:%m-%d}{end}{share} {amount}"


def whose_day(rows: list[Row], _: Row) -> list[Row]:
    """An alignment, and the days that there are → the bill cycle day that counts."""
    answers = []
    for row in rows:
        own = _aligned(row["starts"], row["alignment"].strip("`"), row["its own"])
        base = () if row["base starts"] in NOTHING else _aligned(row["base starts"], "account", "–")
        customers_day = None if row["customer's"] in NOTHING else int(row["customer's"])
        answers.append({"counts": str(bill_day_of(own[-1], own, base, customers_day, "EUR"))})
    return answers


def _aligned(starts: str, alignment: Any, own_day: str) -> tuple[Stretch, ...]:
    """A subscription after its 30 days of trial."""
    own = None if own_day in NOTHING else int(own_day)
    found = billed(started("basic", on=starts))
    return tuple(replace(one, bill_alignment=alignment, own_bill_day=own) for one in found)


BILLING: dict[str, Example] = {"runs": runs, "whose_day": whose_day}
