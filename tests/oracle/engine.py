"""The software under test, played in memory: its verbs on values, its runs again and again, and what they came to."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from fractions import Fraction
from typing import Any

from msgspec.structs import replace

from billsmith.core.billing.differences import GivenBack
from billsmith.core.billing.due import Bought
from billsmith.core.billing.entries import Covered, Entry
from billsmith.core.billing.run import bill
from billsmith.core.catalog import plans
from billsmith.core.catalog.rules import Case, Catalog, Rules, Side
from billsmith.core.customers import Customer
from billsmith.core.cycles.lengths import Length
from billsmith.core.ids import GroupId, InvoiceId, PlanVersionId, SubscriptionId
from billsmith.core.periods import Period
from billsmith.core.subscriptions.group import Altered, Group
from billsmith.core.subscriptions.starting import NewIds, NewSubscription, created
from billsmith.core.subscriptions.stretches import stretches
from billsmith.core.subscriptions.timeline import Timeline, live
from billsmith.core.tenants import TenantSettings
from tests.core.made import CUSTOMER, TENANT, uuid
from tests.oracle.asked import ADD_ONS, PLANS, Charge, Phase

UNITS: dict[str, Any] = {"d": "day", "m": "month"}
LONG_AGO = date(2000, 1, 1)


def _length(every: tuple[int, str]) -> Length:
    return Length(UNITS[every[1]], every[0])


def _charge(charge: Charge) -> plans.Charge:
    return plans.Charge(
        charge.code,
        "fixed" if charge.every is None else "recurring",
        charge.code,
        {"EUR": Decimal(charge.price)},
        None if charge.every is None else _length(charge.every),
        "in_arrears" if charge.in_arrears else "in_advance",
        per_unit=charge.per_unit,
    )


def _phase(phase: Phase) -> plans.Phase:
    kind: Any = phase.kind
    return plans.Phase(kind, phase.lasts and _length(phase.lasts), tuple(map(_charge, phase.charges)))


def _catalog() -> Catalog:
    sold = {}
    for number, plan in enumerate(PLANS.values()):
        version = plans.PlanVersion(
            PlanVersionId(uuid(1000 + number)), TENANT.id, plan.code, 1, plan.product, plan.code, "default", "charge",
            tuple(map(_phase, plan.phases)), LONG_AGO,
        )  # fmt: skip
        sold[plan.code] = plans.Plan(plan.code, (version,))
    kinds: dict[str, Any] = {plan.product: plan.kind for plan in PLANS.values()}
    products = {code: plans.Product(code, code, kind, ADD_ONS.get(code, ())) for code, kind in kinds.items()}
    aligned = tuple(Case(plan.alignment, of=Side(plan=plan.code)) for plan in PLANS.values())
    return Catalog(products, sold, Rules(bill_alignment=aligned))


CATALOG = _catalog()


class Engine:
    """One customer's group, with the lines that runs came to."""

    def __init__(self, customers_day: int | None, number: int = 0) -> None:
        self.customer: Customer = replace(CUSTOMER, id=uuid(30 + number), time_zone="UTC", bill_cycle_day=customers_day)
        self.number = number
        self.group: Group | None = None
        self.lines: list[Covered] = []
        self.runs = 0

    @property
    def there(self) -> Group:
        assert self.group is not None
        return self.group

    def id_of(self, nth: int) -> SubscriptionId:
        return SubscriptionId(uuid(500 + 10 * self.number + nth))

    def subscribe(self, today: date, asked: NewSubscription) -> None:
        base = None if self.group is None else replace(self.group, at=noon(today), customer=self.customer)
        nth = 0 if base is None else len(base.members)
        ids = NewIds(self.id_of(nth), GroupId(uuid(490 + self.number)))
        self.group = created(asked, self.customer, CATALOG, ids, noon(today), base).group

    def at(self, today: date) -> Group:
        """The group as a verb finds it."""
        return replace(self.there, at=noon(today), customer=self.customer)

    def keep(self, altered: Altered) -> None:
        self.group = altered.group

    def run(self, until_on: date) -> list[Entry]:
        """A run by a day; what became lines."""
        bought = tuple(self._bought(member) for member in self.there.members)
        made = bill(self.customer, bought, TenantSettings(), until_on)
        self.customer = made.customer
        rows = {row.id: row for row in made.subscriptions}
        members = tuple(replace(one, subscription=rows[one.subscription.id]) for one in self.there.members)
        self.group = replace(self.there, members=members)
        entries = [entry for one in made.bills for entry in one.entries]
        self.runs += 1
        for line_no, entry in enumerate(entries, 1):
            self._keep_line(entry, line_no)
        return entries

    def _bought(self, timeline: Timeline) -> Bought:
        group, row = self.there, timeline.subscription
        base = stretches(group.lead, group.versions) if timeline is not group.lead else ()
        ends = [change.billing_on for change in live(timeline) if change.kind == "cancelled"]
        return Bought(
            subscription=row,
            stretches=stretches(timeline, group.versions),
            base=base,
            versions=group.versions,
            zone=self.customer.time_zone,
            covered=() if row.rework_from_on is None else tuple(self._covering(row.id, row.rework_from_on)),
            cancelled_on=min((on for on in ends if on is not None), default=None),
        )

    def _covering(self, id_: SubscriptionId, from_on: date) -> list[Covered]:
        return sorted(
            (
                line
                for line in self.lines
                if line.subscription_id == id_
                and (line.period_end_on is None or line.period_end_on > from_on or line.period_start_on >= from_on)
            ),
            key=lambda line: (line.period_start_on, line.revision),
        )

    def _keep_line(self, entry: Entry, line_no: int) -> None:
        invoice_id = InvoiceId(uuid(10_000 + self.runs))
        if entry.corrects is not None:
            nth = next(
                nth
                for nth, line in enumerate(self.lines)
                if (line.invoice_id, line.line_no) == (entry.corrects.invoice_id, entry.corrects.line_no)
            )
            days = Period(entry.period_start_on, entry.period_end_on or date.max)
            before = self.lines[nth]
            given = (*before.given_back, GivenBack(days, -entry.amount_minor))
            self.lines[nth] = replace(before, given_back=given)
            return
        same = (entry.subscription.id, entry.charge.code, entry.period_start_on)
        revision = sum((line.subscription_id, line.charge, line.period_start_on) == same for line in self.lines)
        self.lines.append(
            Covered(
                *same, revision, invoice_id, line_no, entry.kind, entry.period_end_on, entry.plan.id, entry.phase_no,
                entry.quantity, entry.unit_price, entry.amount_minor, owed_minor=0,
            )
        )  # fmt: skip

    def net_minor(self) -> int:
        """All recurring lines less all that was given back."""
        return sum(
            line.amount_minor - sum(one.amount_minor for one in line.given_back)
            for line in self.lines
            if line.kind == "recurring"
        )

    def line_count(self) -> int:
        """Lines that were rounded: recurring ones and what gives back of them."""
        return sum(1 + len(line.given_back) for line in self.lines if line.kind == "recurring")

    def charged_through(self, nth: int) -> date | None:
        """Up to which day lines reach once all that was given back is taken off."""
        ends = [line.period_end_on or line.period_start_on for line in self.lines if self._of(line, nth, "fixed")]
        ends += [max(days) for line in self.lines if self._of(line, nth, "recurring") and (days := kept_days(line))]
        return max(ends, default=None)

    def _of(self, line: Covered, nth: int, kind: str) -> bool:
        return line.subscription_id == self.id_of(nth) and line.kind == kind


def kept_days(line: Covered) -> list[date]:
    """The ends of the days of a line that were not given back."""
    assert line.period_end_on is not None
    given = {
        on for one in line.given_back for on in range(one.period.start_on.toordinal(), one.period.end_on.toordinal())
    }
    days = range(line.period_start_on.toordinal(), line.period_end_on.toordinal())
    return [date.fromordinal(on + 1) for on in days if on not in given]


def key_of(line: Covered) -> tuple[str, int, Fraction, Fraction]:
    """What the oracle calls its terms."""
    code = next(plan.code for plan in CATALOG.plans.values() if plan.versions[0].id == line.plan_version_id)
    return code, line.phase, Fraction(line.unit_price), Fraction(line.quantity)


def noon(on: date) -> datetime:
    """Noon of a day, UTC."""
    return datetime.combine(on, time(12), UTC)
