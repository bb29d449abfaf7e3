"""The software under test, played in memory: its verbs on values, its runs again and again, and what they came to."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from msgspec.structs import replace

from billsmith.core.billing.entries import Covered, Entry
from billsmith.core.billing.run import bill
from billsmith.core.catalog import plans
from billsmith.core.catalog.rules import Case, Catalog, Rules, Side
from billsmith.core.customers import Customer
from billsmith.core.cycles.lengths import Length
from billsmith.core.ids import GroupId, InvoiceId, PlanVersionId, SubscriptionId
from billsmith.core.subscriptions.group import Altered, Group
from billsmith.core.subscriptions.starting import NewIds, NewSubscription, created
from billsmith.core.tenants import TenantSettings
from tests.core.billing.made import bought_of, keep
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
        bought = [bought_of(self.there, member, self.lines) for member in self.there.members]
        made = bill(self.customer, bought, TenantSettings(), until_on)
        self.customer = made.customer
        rows = {row.id: row for row in made.subscriptions}
        members = tuple(replace(one, subscription=rows[one.subscription.id]) for one in self.there.members)
        self.group = replace(self.there, members=members)
        entries = [entry for one in made.bills for entry in one.entries]
        self.runs += 1
        for line_no, entry in enumerate(entries, 1):
            keep(self.lines, entry, InvoiceId(uuid(10_000 + self.runs)), line_no, owed_minor=0)
        return entries

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

    def charged_through(self, nth: int, stands: Callable[[Covered, date], bool]) -> date | None:
        """Up to which day lines reach once all that was given back is taken off.

        Of a line of nothing, which is never given back, only days count of which `stands` says that it still holds.
        """
        ends = [line.period_end_on or line.period_start_on for line in self.lines if self._of(line, nth, "fixed")]
        for line in self.lines:
            if self._of(line, nth, "recurring"):
                ends += [on for on in kept_days(line) if line.amount_minor or stands(line, on - timedelta(days=1))]
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
