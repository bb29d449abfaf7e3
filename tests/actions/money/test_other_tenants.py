"""Another tenant's ids lead nowhere in the verbs of money, either: not found, and nothing changes on either side."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any
from uuid import UUID

import msgspec
import pytest

from billsmith.actions import credits
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.money import (
    accounts,
    bulk,
    collect,
    corrections,
    disputes,
    hearsay,
    methods,
    orphans,
    payments,
    policies,
    refunds,
    unknown,
    webhooks,
)
from billsmith.actions.money.bulk import RefundFilter
from billsmith.actions.money.corrections import NewCreditNote, NewWriteOff
from billsmith.actions.money.methods import NewMethod, NewSetup
from billsmith.actions.money.payments import NewPayment, Wanted
from billsmith.actions.money.refunds import RefundTarget
from billsmith.actions.money.unknown import Resolution
from billsmith.core.collecting.refunding import NewRefund
from billsmith.core.credits import NewCredit
from billsmith.core.invoices import Adjustment
from billsmith.core.payments.results import GatewayDispute, OperationKind
from billsmith.errors import NotFound
from billsmith.gateways.port import GatewayOperation
from billsmith.store.listing import Filters
from billsmith.store.pool import Pool
from tests.actions.made import customer, everything
from tests.actions.money.stage import Stage

ROOMS = (
    accounts, bulk, collect, corrections, disputes, hearsay, methods, orphans, payments, policies, refunds, unknown,
    webhooks,
)  # fmt: skip


class It(msgspec.Struct):
    """What the other tenant has, one of each kind, and a customer of our own."""

    own: Any
    customer: Any
    invoice: Any
    paid: Any
    payment: Any
    attempt: Any
    refund: Any
    note: Any
    write_off: Any
    credit: Any
    dispute: Any
    event: Any
    method: Any
    account: Any
    operation: Any


Act = Callable[[Context, Call, It], Awaitable[Any]]


@pytest.fixture
async def it(stage: Stage, context: Context, call: Call) -> It:
    theirs, tim = stage.call, await stage.customer()
    method = (await methods.add_method(context, theirs, NewMethod(tim.id, "tok_ok"))).fresh
    owed = (await stage.invoice(tim)).invoice
    paid = (await stage.invoice(tim, payment_method_id=method.id)).invoice
    (payment,) = await payments.list_payments(context, theirs.tenant, Filters(5))
    tried = (await payments.get_payment(context, theirs.tenant, payment.id)).attempts
    back = (await refunds.refund(context, theirs, RefundTarget(invoice_id=paid.id), NewRefund(amount_minor=100))).fresh
    (note,) = await corrections.list_credit_notes(context, theirs.tenant, Filters(5))
    written = (await corrections.write_off(context, theirs, owed.id, NewWriteOff("Insolvent", 100))).fresh
    credit = (await credits.grant_credit(context, theirs, tim.id, NewCredit(100))).fresh
    said = GatewayDispute("fdp_1", "opened", 100, "EUR", "fraudulent", theirs.tenant.created_at)
    await disputes.note_disputes(context, theirs, payment.id, [said])
    (dispute,) = await disputes.list_disputes(context, theirs.tenant, Filters(5))
    foreign = GatewayOperation("elsewhere", OperationKind.CHARGE, 500, "EUR", "shop", payment_method="tok_ok")
    await stage.gateway.charge(stage.opened, foreign, context.clock.of(theirs.tenant))
    await webhooks.pull_changes_of(context, theirs)
    (event,) = await hearsay.list_gateway_events(context, theirs.tenant, Filters(5, equal={"status": "orphan"}))
    operation = (await bulk.start_bulk_refund(context, theirs, RefundFilter(), "Outage")).fresh.operation
    return It(
        (await customer(context, call)).id, tim.id, owed.id, paid.id, payment.id, tried[0].id, back[0].id, note.note.id,
        written.id, credit.id, dispute.id, event.id, method.id, stage.account.id, operation.id,
    )  # fmt: skip


# Every verb that is given an id, with one that is another tenant's.
REFUSED: dict[str, Act] = {
    "accounts.update_account": lambda c, call, it: accounts.update_account(c, call, it.account, lambda one: one),
    "accounts.check_account": lambda c, call, it: accounts.check_account(c, call, it.account),
    "accounts.resume_account": lambda c, call, it: accounts.resume_account(c, call, it.account),
    "accounts.close_account": lambda c, call, it: accounts.close_account(c, call, it.account),
    "accounts.get_account": lambda c, call, it: accounts.get_account(c, call.tenant, it.account),
    "accounts.account_to_use": lambda c, call, it: accounts.account_to_use(c, call.tenant, it.account),
    "methods.add_method": lambda c, call, it: methods.add_method(c, call, NewMethod(it.customer, "tok_ok")),
    "methods.add_method (account)": lambda c, call, it: methods.add_method(
        c, call, NewMethod(it.own, "tok_ok", it.account)
    ),
    "methods.begin_setup": lambda c, call, it: methods.begin_setup(c, call, NewSetup(it.customer)),
    "methods.begin_setup (account)": lambda c, call, it: methods.begin_setup(c, call, NewSetup(it.own, it.account)),
    "methods.validate_method": lambda c, call, it: methods.validate_method(c, call, it.method),
    "methods.update_method": lambda c, call, it: methods.update_method(c, call, it.method, {}),
    "methods.detach_method": lambda c, call, it: methods.detach_method(c, call, it.method),
    "methods.get_method": lambda c, call, it: methods.get_method(c, call.tenant, it.method),
    "collect.collect_invoice": lambda c, call, it: collect.collect_invoice(c, call, it.invoice),
    "collect.give_method": lambda c, call, it: collect.give_method(c, call, it.invoice, it.method, default=True),
    "collect.hold_invoice": lambda c, call, it: collect.hold_invoice(c, call, it.invoice),
    "policies.give_policy": lambda c, call, it: policies.give_policy(c, call, it.invoice, None),
    "disputes.get_dispute": lambda c, call, it: disputes.get_dispute(c, call.tenant, it.dispute),
    "hearsay.retry_gateway_event": lambda c, call, it: hearsay.retry_gateway_event(c, call, it.event),
    "hearsay.get_gateway_event": lambda c, call, it: hearsay.get_gateway_event(c, call.tenant, it.event),
    "orphans.assign_orphan": lambda c, call, it: orphans.assign_orphan(c, call, it.event, it.own),
    "payments.record_payment": lambda c, call, it: payments.record_payment(c, call, NewPayment(it.customer, 100)),
    "payments.record_payment (invoice)": lambda c, call, it: payments.record_payment(
        c, call, NewPayment(it.own, 100, invoices=(Wanted(it.invoice),))
    ),
    "orphans.release_suspense": lambda c, call, it: orphans.release_suspense(c, call, it.payment, "credit"),
    "payments.allocate_payment": lambda c, call, it: payments.allocate_payment(
        c, call, it.payment, [Wanted(it.invoice)]
    ),
    "payments.reverse_payment": lambda c, call, it: payments.reverse_payment(c, call, it.payment),
    "payments.move_credit": lambda c, call, it: payments.move_credit(c, call, it.credit),
    "payments.get_payment": lambda c, call, it: payments.get_payment(c, call.tenant, it.payment),
    "refunds.refund": lambda c, call, it: refunds.refund(c, call, RefundTarget(it.payment), NewRefund()),
    "refunds.refund (invoice)": lambda c, call, it: refunds.refund(
        c, call, RefundTarget(invoice_id=it.paid), NewRefund()
    ),
    "refunds.refund (credit)": lambda c, call, it: refunds.refund(
        c, call, RefundTarget(credit_id=it.credit), NewRefund()
    ),
    "refunds.cancel_refund": lambda c, call, it: refunds.cancel_refund(c, call, it.refund),
    "refunds.get_refund": lambda c, call, it: refunds.get_refund(c, call.tenant, it.refund),
    "corrections.issue_credit_note": lambda c, call, it: corrections.issue_credit_note(
        c, call, it.invoice, NewCreditNote("Outage")
    ),
    "corrections.adjust_invoice": lambda c, call, it: corrections.adjust_invoice(
        c, call, it.invoice, [Adjustment(-100, "Outage")]
    ),
    "corrections.void_invoice": lambda c, call, it: corrections.void_invoice(c, call, it.invoice, rebill=False),
    "corrections.revise_invoice": lambda c, call, it: corrections.revise_invoice(c, call, it.invoice),
    "corrections.write_off": lambda c, call, it: corrections.write_off(c, call, it.invoice, NewWriteOff("Insolvent")),
    "corrections.undo_write_off": lambda c, call, it: corrections.undo_write_off(c, call, it.write_off),
    "corrections.get_credit_note": lambda c, call, it: corrections.get_credit_note(c, call.tenant, it.note),
    "corrections.get_write_off": lambda c, call, it: corrections.get_write_off(c, call.tenant, it.write_off),
    "bulk.cancel_operation": lambda c, call, it: bulk.cancel_operation(c, call, it.operation),
    "bulk.get_operation": lambda c, call, it: bulk.get_operation(c, call.tenant, it.operation),
    "bulk.list_items": lambda c, call, it: bulk.list_items(c, call.tenant, it.operation, None, None, 5),
    "unknown.get_attempt": lambda c, call, it: unknown.get_attempt(c, call.tenant, it.attempt),
    "unknown.resolve_attempt": lambda c, call, it: unknown.resolve_attempt(
        c, call, it.attempt, Resolution("failed", "somebody said so")
    ),
}
# What looks for several, or lists, and finds nothing.
EMPTY: dict[str, Act] = {
    "accounts.list_accounts": lambda c, call, it: accounts.list_accounts(c, call.tenant),
    "methods.list_methods": lambda c, call, it: methods.list_methods(
        c, call.tenant, Filters(5, customer_id=it.customer)
    ),
    "collect.list_uncollectable": lambda c, call, it: collect.list_uncollectable(c, call.tenant, None, 5),
    "disputes.list_disputes": lambda c, call, it: disputes.list_disputes(
        c, call.tenant, Filters(5, customer_id=it.customer)
    ),
    "hearsay.list_gateway_events": lambda c, call, it: hearsay.list_gateway_events(c, call.tenant, Filters(5)),
    "hearsay.look_into_gateway_events_of": lambda c, call, it: hearsay.look_into_gateway_events_of(c, call),
    "webhooks.pull_changes_of": lambda c, call, it: webhooks.pull_changes_of(c, call),
    "payments.list_payments": lambda c, call, it: payments.list_payments(
        c, call.tenant, Filters(5, customer_id=it.customer)
    ),
    "refunds.list_refunds": lambda c, call, it: refunds.list_refunds(
        c, call.tenant, Filters(5, customer_id=it.customer)
    ),
    "corrections.list_credit_notes": lambda c, call, it: corrections.list_credit_notes(
        c, call.tenant, Filters(5, customer_id=it.customer)
    ),
    "corrections.list_write_offs": lambda c, call, it: corrections.list_write_offs(
        c, call.tenant, Filters(5, customer_id=it.customer)
    ),
    "corrections.report_write_offs": lambda c, call, it: corrections.report_write_offs(
        c, call.tenant, date(2020, 1, 1), date(2030, 1, 1)
    ),
    "bulk.list_operations": lambda c, call, it: bulk.list_operations(c, call.tenant, None, 5),
    "unknown.list_unknown": lambda c, call, it: unknown.list_unknown(c, call.tenant, Filters(5)),
    "unknown.newest_unknown": lambda c, call, it: unknown.newest_unknown(c, call.tenant, 5),
}
# Steps of verbs, sweeps over all tenants, and what makes something new of nothing that has an id.
NAMING_NOTHING = {
    "accounts.create_account", "accounts.reseal_accounts", "collect.plan_waiting", "collect.begin_charges",
    "collect.collect_due", "collect.collect_due_of", "collect.collect_these", "collect.method_for",
    "collect.make_default", "collect.read_document", "collect.begin_scheduled", "collect.begun_document",
    "collect.charge_in_steps", "disputes.note_disputes", "hearsay.look_into_gateway_events", "hearsay.look_into",
    "orphans.suspend", "webhooks.receive_webhook", "webhooks.look_into_received", "webhooks.pull_changes",
    "webhooks.pull_account", "payments.read_payment", "payments.link_payment", "payments.read_wanted",
    "refunds.begin_refunds", "refunds.refunds_due", "refunds.refunds_due_of",
    "refunds.send_these", "refunds.read_refunds",
    "corrections.lock_invoice", "bulk.preview_bulk_refund", "bulk.start_bulk_refund", "bulk.carry_on_bulk_refunds",
    "bulk.carry_on_bulk_refunds_of", "collect.lock_family",
}  # fmt: skip


async def test_no_verb_finds_anything_of_another_tenant(
    context: Context, call: Call, stage: Stage, it: It, pool: Pool
) -> None:
    tenants = (call.tenant, stage.call.tenant)
    before = [await everything(pool, tenant) for tenant in tenants]
    for name, act in REFUSED.items():
        (ended,) = await asyncio.gather(act(context, call, it), return_exceptions=True)
        assert isinstance(ended, NotFound), f"{name}: {ended}"
    for name, act in EMPTY.items():
        assert not await act(context, call, it), name
    assert [await everything(pool, tenant) for tenant in tenants] == before


async def test_each_of_them_is_there_for_its_own_tenant(context: Context, stage: Stage, it: It) -> None:
    tenant = stage.call.tenant
    for name, act in REFUSED.items():
        if name.partition(".")[2].startswith("get_"):
            assert await act(context, stage.call, it), name
    assert isinstance((await accounts.account_to_use(context, tenant, it.account)).id, UUID)


def test_every_verb_is_tried() -> None:
    verbs = {
        f"{room.__name__.rpartition('.')[2]}.{name}"
        for room in ROOMS
        for name, function in vars(room).items()
        if inspect.iscoroutinefunction(function) and function.__module__ == room.__name__ and not name.startswith("_")
    }
    assert verbs == {name.partition(" ")[0] for name in (*REFUSED, *EMPTY)} | NAMING_NOTHING
