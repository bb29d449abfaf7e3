"""Renewals printed in a run and the rules, customer by customer, come to the same rows, whatever was sold to whom.

POPULATIONS=500 draws more of them.
"""

import os
import re
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, event, given, note, settings

from billsmith.actions import customers, deliver, tenants
from billsmith.actions.billing import runs
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.money import accounts
from billsmith.actions.subscriptions.asking import Asked
from billsmith.actions.subscriptions.changing import alter
from billsmith.actions.subscriptions.starting import subscribe
from billsmith.clock import FixedClock
from billsmith.core.customers import Customer, CustomerDetails
from billsmith.core.ids import SubscriptionId, show_id
from billsmith.core.payments.accounts import AccountDetails
from billsmith.core.tenants import NewTenant
from billsmith.errors import BillsmithError
from tests.actions.billing.populations import Owner, Population, Step, day_of, populations
from tests.actions.made import credit
from tests.actions.money.conftest import CREDENTIALS
from tests.actions.money.looks import make_default
from tests.actions.money.stage import Stage
from tests.actions.subscriptions.made import sell
from tests.conftest import NOON
from tests.invariants import assert_holds

POPULATIONS = int(os.environ.get("POPULATIONS", "15"))
PRINTED_AT_LEAST = POPULATIONS
"""Documents, so that what is compared is not the rules with themselves."""

OF_CUSTOMERS = (
    "customers", "customer_balances", "invoices", "transfers", "events", "subscriptions", "subscription_billing",
    "credits",
)  # fmt: skip
OF_INVOICES = ("invoice_lines", "coverage", "give_backs")
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[a-z]{2,3}_[0-9a-z]{26}")
_NEVER_THE_SAME = ("shard", "external_id", "labels")


class Side:
    """One of two tenants to whom the same happens."""

    def __init__(self, context: Context, call: Call, stage: Stage) -> None:
        self.context = context
        self.call = call
        self.stage = stage
        self.customers: list[Customer] = []
        self.subscriptions: list[list[SubscriptionId]] = []

    @classmethod
    async def of(cls, context: Context, population: Population) -> "Side":
        given = NewTenant("Steve's Cloud", "EUR", "Europe/Berlin", "sandbox", settings=population.settings)
        tenant = await tenants.create_tenant(context, given, "test", "req_test")
        call = Call(tenant, "test", "req_test")
        details = AccountDetails("Fake", settings={"book": f"book-{uuid.uuid4().hex[:12]}"})
        account = (await accounts.create_account(context, call, "fake", details, CREDENTIALS)).fresh
        side = cls(context, call, Stage(context, call, account))
        await sell(context, call, population.catalog)
        for nth, owner in enumerate(population.owners):
            await side._comes(nth, owner)
        return side

    async def _comes(self, nth: int, owner: Owner) -> None:
        parent = None if owner.parent is None else await self._person(f"Parent {nth}", owner.parent == "with")
        more = owner.details | ({} if parent is None else {"parent_id": parent.id})
        person = await self._person(f"Customer {nth}", owner.has_method, **more)
        if owner.credit_minor:
            await credit(self.context, self.call, person, owner.credit_minor)
        self.customers.append(person)
        self.subscriptions.append([])
        for order in owner.orders:
            done = (await subscribe(self.context, self.call, person.id, order, owner.billed)).fresh
            self.subscriptions[-1] += done.ids

    async def _person(self, name: str, has_method: bool, **more: Any) -> Customer:
        details = CustomerDetails(name, **more)
        person = (await customers.create_customer(self.context, self.call, details)).fresh
        if has_method:
            await make_default(self.stage, person, await self.stage.method(person))
        return person

    async def ask(self, whose: int, of: int, asked: Asked, bill: Any) -> str:
        """What it was refused with, if it was."""
        theirs = self.subscriptions[whose % len(self.subscriptions)]
        try:
            await alter(self.context, self.call, theirs[of % len(theirs)], asked, bill)
        except BillsmithError as error:
            return error.code
        return ""

    async def rows(self) -> Counter[str]:
        """Everything that is stored of customers and their documents; for ids stands what they name."""
        named = await self._names()

        def show(row: Any) -> str:
            plain = {key: value for key, value in row.items() if key not in _NEVER_THE_SAME}
            return _ID.sub(lambda found: named.get(found[0], "an id"), str(sorted(plain.items())))

        found: Counter[str] = Counter()
        for table in (*OF_CUSTOMERS, *OF_INVOICES):
            rows = await self.context.pool.fetch(
                f"SELECT to_jsonb(t) AS row FROM {table} AS t WHERE tenant_id = $1",
                self.call.tenant.id,
            )
            found.update(
                f"{table}: {show(row['row'])}" for row in rows if row["row"].get("customer_id", "") is not None
            )
        return found

    async def _names(self) -> dict[str, str]:
        """By ids: customers by name, what they have in its order, plan versions by their code."""
        found = {str(id_): f"subscription {nth}" for theirs in self.subscriptions for nth, id_ in enumerate(theirs)}
        fetch, tenant_id = self.context.pool.fetch, self.call.tenant.id
        for row in await fetch("SELECT id, name FROM customers WHERE tenant_id = $1", tenant_id):
            found[str(row["id"])] = found[show_id("customer", row["id"])] = row["name"]
        for row in await fetch("SELECT id, plan FROM plan_versions WHERE tenant_id = $1", tenant_id):
            found[str(row["id"])] = row["plan"]
        numbered: Counter[UUID] = Counter()
        for row in await fetch("SELECT id, customer_id FROM invoices WHERE tenant_id = $1 ORDER BY id", tenant_id):
            numbered[row["customer_id"]] += 1
            found[str(row["id"])] = f"invoice {numbered[row['customer_id']]} of {found[str(row['customer_id'])]}"
        return found

    async def told(self) -> dict[str, list[str]]:
        """What readers find about each customer, in order."""
        await deliver.number_events_of(self.context, self.call.tenant)
        named, found = await self._names(), dict[str, list[str]]()
        for told in await deliver.events_after(self.context, self.call.tenant, 0, 10_000):
            found.setdefault(named.get(told.customer or "", ""), []).append(told.type)
        return found


class Watched:
    """How many customers were in batches, and how many documents those printed."""

    def __init__(self) -> None:
        self.customers = self.printed = 0

    def note(self, turn: runs.Turn) -> None:
        self.customers += turn.customers
        self.printed += turn.printed


class Twins:
    """The side that is billed in runs, and the one where the rules bill each customer alone, at the same instants."""

    def __init__(self, clock: FixedClock, watched: Watched, in_run: Side, alone: Side) -> None:
        self.clock = clock
        self.watched = watched
        self.in_run = in_run
        self.alone = alone

    async def live(self, step: Step) -> None:
        self.clock.at += step.later
        note(f"at {self.clock.at}")
        for asked in step.asked:
            assert await self.in_run.ask(*asked) == await self.alone.ask(*asked)
        until_on = day_of(step, self.clock.at.date())
        await self._run(until_on, step.batch)
        # What the run left alone has nothing that is missing.
        alone = self.alone
        for there in alone.customers:
            left = await runs.bill_customer(alone.context, alone.call, there.id, until_on, preview=True)
            assert left.fresh == [], f"{there.name} has more due"
        assert_same(await self.in_run.rows(), await self.alone.rows())

    async def _run(self, until_on: date | None, batch: int) -> None:
        """Batch by batch, each at an instant of its own; the twins of those in it are billed at the same."""
        pairs = dict(zip([one.id for one in self.in_run.customers], self.alone.customers, strict=True))
        after = runs.START
        while True:
            turn = await runs.bill_batch(self.in_run.context, self.in_run.call, until_on, after, batch)
            assert turn.parked == 0
            self.watched.note(turn)
            for id_ in turn.claimed:
                await runs.bill_customer(self.alone.context, self.alone.call, pairs[id_].id, until_on)
            if turn.after is None:
                return
            after = turn.after
            self.clock.at += timedelta(milliseconds=1)


def assert_same(one: Counter[str], other: Counter[str]) -> None:
    """Fails with the rows that differ."""
    only_one, only_other = sorted((one - other).elements()), sorted((other - one).elements())
    if only_one or only_other:
        pytest.fail("\n".join(["in the run:", *only_one, "by the rules:", *only_other]), pytrace=False)


@pytest.fixture
def watched() -> Iterator[Watched]:
    """Over all examples a good share of documents has to come from plates."""
    watching = Watched()
    yield watching
    print(f"{watching.printed} documents were printed, of {watching.customers} customers in batches")
    assert watching.printed >= PRINTED_AT_LEAST


@settings(
    max_examples=POPULATIONS,
    deadline=None,
    derandomize="POPULATIONS" not in os.environ,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate,),  # the rows that differ say enough; to shrink a population takes minutes
)
@given(populations())
async def test_printed_and_worked_out_one_by_one_are_the_same_rows(
    context: Context, clock: FixedClock, watched: Watched, population: Population
) -> None:
    note(str(population))
    clock.at = NOON
    in_run, alone = await Side.of(context, population), await Side.of(context, population)
    twins = Twins(clock, watched, in_run, alone)
    assert_same(await in_run.rows(), await alone.rows())
    before = watched.printed
    for step in population.steps:
        await twins.live(step)
    event("some printed" if watched.printed > before else "none printed")
    assert await in_run.told() == await alone.told()
    for side in (in_run, alone):
        await assert_holds(context.pool, side.call.tenant.id)
