"""A customer whose runs are kept in memory, as the store keeps them: lines with what later ones gave back."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from billsmith.core.billing.differences import GivenBack
from billsmith.core.billing.documents import Bill
from billsmith.core.billing.due import Bought
from billsmith.core.billing.entries import Covered, Entry
from billsmith.core.billing.run import bill
from billsmith.core.catalog.plans import Charge, Plan
from billsmith.core.catalog.rules import Catalog
from billsmith.core.customers import Customer
from billsmith.core.ids import GroupId, InvoiceId, SubscriptionId
from billsmith.core.periods import Period
from billsmith.core.subscriptions.cancelling import cancelled_on
from billsmith.core.subscriptions.group import Group
from billsmith.core.subscriptions.starting import NewIds, NewSubscription, created
from billsmith.core.subscriptions.stretches import stretches
from billsmith.core.subscriptions.timeline import Timeline
from billsmith.core.tenants import TenantSettings
from tests.core.made import uuid
from tests.core.subscriptions.made import CATALOG, PAYER, day, fixed, noon, phase, recurring, version

IN_ARREARS = replace(recurring("30"), timing="in_arrears")
REFUNDABLE = replace(fixed("40", "deposit"), refundable=True)
TRIAL = phase("trial", "14d", Charge("trial", "fixed", "Trial", {"*": Decimal(0)}))
SOLD = (
    version(60, "hosting", "basic", phase("evergreen", None, recurring("20"))),
    version(61, "annual", "basic", phase("evergreen", None, recurring("365", "annual"))),
    version(62, "consulting", "basic", phase("evergreen", None, IN_ARREARS)),
    version(63, "rack", "pro", phase("evergreen", None, fixed("49"), REFUNDABLE, recurring("100"))),
    version(64, "tried", "pro", TRIAL, phase("evergreen", None, recurring("30"))),
    version(65, "free", "basic", phase("evergreen", None, recurring("0"))),
    version(66, "disk", "seats", phase("evergreen", None, recurring("3"))),
    version(67, "fortnight", "letter", phase("evergreen", None, replace(recurring("7", "biweekly"), code="letter"))),
)
SHOP: Catalog = replace(CATALOG, plans=CATALOG.plans | {one.plan: Plan(one.plan, (one,)) for one in SOLD})


@dataclass
class Account:
    """One customer with its groups, and the lines that runs came to."""

    customer: Customer = PAYER
    settings: TenantSettings = field(default_factory=TenantSettings)
    groups: list[Group] = field(default_factory=list)
    lines: list[Covered] = field(default_factory=list)
    runs: int = 0

    def subscribe(self, plan: str, on: str, base: int | None = None, **asked: Any) -> int:
        """Start a subscription at noon of a day, as an add-on of the group of that place; the place of its group."""
        number = sum(len(group.members) for group in self.groups)
        place = len(self.groups) if base is None else base
        ids = NewIds(SubscriptionId(uuid(501 + number)), GroupId(uuid(400 + place)))
        before = None if base is None else replace(self.groups[base], at=noon(on), customer=self.customer)
        details = {"starts_on": day(on), **asked}
        made = created(NewSubscription(plan, **details), self.customer, SHOP, ids, noon(on), base=before)
        self.groups[place : place + 1] = [made.group]
        return place

    def at(self, place: int, now: str | date) -> Group:
        """The group as a verb finds it at noon of a day."""
        when = noon(str(now))
        return replace(self.groups[place], at=when, customer=self.customer)

    def move_day(self, bill_cycle_day: int, on: date) -> None:
        """The customer's bill cycle day is another one: all is worked out again from that day on."""
        self.customer = replace(self.customer, bill_cycle_day=bill_cycle_day)
        self.groups = [
            replace(
                group,
                members=tuple(
                    replace(one, subscription=replace(one.subscription, rework_from_on=on)) for one in group.members
                ),
            )
            for group in self.groups
        ]

    def run(self, until_on: date) -> tuple[Bill, ...]:
        """Bill all that is due by a day."""
        bought = [bought_of(group, member, self.lines) for group in self.groups for member in group.members]
        made = bill(self.customer, bought, self.settings, until_on)
        self.customer = made.customer
        rows = {row.id: row for row in made.subscriptions}
        self.groups = [
            replace(
                group,
                members=tuple(replace(one, subscription=rows[one.subscription.id]) for one in group.members),
            )
            for group in self.groups
        ]
        for one in made.bills:
            self.runs += 1
            for line_no, entry in enumerate(one.entries, 1):
                keep(self.lines, entry, InvoiceId(uuid(10_000 + self.runs)), line_no, owed_minor=entry.amount_minor)
        return made.bills

    def left(self) -> int:
        """What all lines come to, less what was given back."""
        return sum(line.amount_minor - sum(one.amount_minor for one in line.given_back) for line in self.lines)


def bought_of(group: Group, member: Timeline, lines: list[Covered]) -> Bought:
    """One of a group as a run loads it, with those of these lines that it has to be compared with."""
    row = member.subscription
    return Bought(
        subscription=row,
        stretches=stretches(member, group.versions),
        base=() if member is group.lead else stretches(group.lead, group.versions),
        versions=group.versions,
        zone=group.zone,
        covered=() if row.rework_from_on is None else _beyond(row.rework_from_on, row.id, lines),
        cancelled_on=cancelled_on(member),
    )


def keep(lines: list[Covered], entry: Entry, invoice_id: InvoiceId, line_no: int, owed_minor: int) -> None:
    """Put a line that a run made among the others: it is new, or gives back of one that is there."""
    if entry.corrects is not None:
        corrected = (entry.corrects.invoice_id, entry.corrects.line_no)
        (nth,) = [n for n, line in enumerate(lines) if (line.invoice_id, line.line_no) == corrected]
        back = GivenBack(Period(entry.period_start_on, entry.period_end_on or date.max), -entry.amount_minor)
        lines[nth] = replace(lines[nth], given_back=(*lines[nth].given_back, back))
        return
    start = (entry.subscription.id, entry.charge.code, entry.period_start_on)
    revision = sum((line.subscription_id, line.charge, line.period_start_on) == start for line in lines)
    lines.append(
        Covered(
            *start, revision, invoice_id, line_no, entry.kind, entry.period_end_on, entry.plan.id, entry.phase_no,
            entry.quantity, entry.unit_price, entry.amount_minor, owed_minor=owed_minor,
        )
    )  # fmt: skip


def _beyond(from_on: date, id_: SubscriptionId, lines: list[Covered]) -> tuple[Covered, ...]:
    """Those that reach beyond a day, in the order in which they are loaded."""
    found = [
        line
        for line in lines
        if line.subscription_id == id_
        and (line.period_end_on is None or line.period_end_on > from_on or line.period_start_on >= from_on)
    ]
    return tuple(sorted(found, key=lambda line: (line.period_start_on, line.revision)))
