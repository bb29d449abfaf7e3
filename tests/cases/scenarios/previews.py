"""Runs and previews that a case asks for itself: what would be billed by a day, or by a verb and the run after it."""

from datetime import date, timedelta

from msgspec import UnsetType

from billsmith.actions.billing.runs import bill_customer, bill_customer_in
from billsmith.actions.calls import previewed_or_done
from billsmith.actions.subscriptions.asking import Asked
from billsmith.actions.subscriptions.changing import alter_in
from billsmith.actions.subscriptions.starting import Order, subscribe_in
from billsmith.core.invoices import Document
from billsmith.core.subscriptions.cancelling import Cancel
from billsmith.core.subscriptions.changing import PlanChange
from billsmith.core.subscriptions.days import When
from billsmith.core.subscriptions.starting import NewSubscription
from billsmith.store.events import Cause
from billsmith.store.pool import Connection
from tests.cases.report import NotYet, Unreadable
from tests.cases.scenarios import values
from tests.cases.scenarios.comparing import items_differ
from tests.cases.scenarios.money_steps import Driver
from tests.cases.scenarios.reading import Books, credit_item, item_of
from tests.cases.scenarios.subscription_steps import policy_named, subscription_named
from tests.cases.scenarios.values import Expectation, Step
from tests.cases.scenarios.world import Account, World

LOOKED_AHEAD = timedelta(days=800)
"""How far the next invoice of an account is looked for."""


async def trigger_invoice(world: World, step: values.TriggerInvoice) -> None:
    """A run by a day."""
    account = world.account(step.account)
    await bill_customer(world.context, world.call, account.id, step.target_date.day(account.zone))


async def dry_run(world: World, step: values.DryRun) -> None:
    """A preview; by a target date of the last invoice only, since the profile makes one for each day that bills."""
    account = world.account(step.account)
    target = None if step.target_date is None else step.target_date.day(account.zone)
    if step.kind == "UPCOMING_INVOICE":
        until_on = world.today(account) + LOOKED_AHEAD
        documents = await _by(world, account, until_on)
        world.previewed = documents[:1]
    elif step.kind == "TARGET_DATE":
        documents = await _by(world, account, target)
        world.previewed = documents[-1:]
    elif step.kind == "SUBSCRIPTION_ACTION":
        if step.action is None:
            raise Unreadable("a preview of an action needs one")
        world.previewed = (await _after(world, account, step.action, target))[-1:]
    else:
        raise NotYet(f"dry_run {step.kind}")


async def _by(world: World, account: Account, until_on: date | None) -> list[Document]:
    return (await bill_customer(world.context, world.call, account.id, until_on, preview=True)).fresh


async def _after(world: World, account: Account, action: values.Action, target: date | None) -> list[Document]:
    """What a verb bills at once, or, by a target date, what a run bills by then."""
    context, tenant = world.context, world.call.tenant

    async def work(connection: Connection, cause: Cause) -> list[Document]:
        if action.type == "START_BILLING":
            if action.plan is None:
                raise Unreadable("START_BILLING needs a plan")
            order = Order(NewSubscription(action.plan, currency=account.currency))
            done = await subscribe_in(connection, context, cause, tenant, account.id, order)
        else:
            id_ = subscription_named(world, action.subscription or "")
            done = await alter_in(connection, context, cause, tenant, id_, _asked(account, action))
        documents = list(done.documents)
        if target is None:
            return documents
        return [*documents, *await bill_customer_in(connection, context, cause, tenant, account.id, target)]

    return (await previewed_or_done(context, world.call, work, preview=True)).fresh


def _asked(account: Account, action: values.Action) -> Asked:
    billing: When | None = policy_named(action.billing_policy)
    if action.effective_date is not None:
        billing = action.effective_date.day(account.zone)
    if action.type == "CHANGE":
        if action.plan is None:
            raise Unreadable("CHANGE needs a plan")
        return PlanChange(plan=action.plan, billing=billing)
    if action.type == "STOP_BILLING":
        return Cancel(billing=billing)
    raise NotYet(f"dry_run of {action.type}")


def preview_differs(world: World, block: Expectation, books: Books) -> list[str]:
    """What differs about the items of the last preview; days on which credit is given or drawn are not compared."""
    assert not isinstance(block.dry_run, UnsetType), "asked only where a preview is expected"
    expected = [] if block.dry_run is None else block.dry_run.items
    partial = block.dry_run is not None and block.dry_run.items_partial
    items = [item_of(line) for document in world.previewed for line in document.lines]
    for document in world.previewed:
        invoice = document.invoice
        on = invoice.issued_on or world.today(books.account)
        for amount in (-invoice.moved_to_credit_minor, -invoice.credit_applied_minor):
            if amount:
                items.append(credit_item(on, amount))
    differ = items_differ(expected, items, books.account.currency, lambda wanted, got: True, partial=partial)
    return ["the preview:", *differ] if differ else []


DRIVERS: dict[type[Step], Driver] = {values.TriggerInvoice: trigger_invoice, values.DryRun: dry_run}
