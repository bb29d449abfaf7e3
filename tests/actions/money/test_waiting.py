"""What waits for somebody: money that comes by hand, and a parent who pays for its children."""

import pytest
from msgspec.structs import replace

from billsmith.actions.customers import update_customer
from billsmith.actions.money import accounts, collect
from billsmith.actions.money.methods import NewMethod, add_method
from billsmith.actions.money.payments import NewPayment, Wanted, record_payment
from billsmith.core.customers import Customer
from billsmith.core.payments.accounts import AccountDetails
from billsmith.core.payments.methods import PaymentMethod
from billsmith.core.payments.payment import NotCollectable
from tests.actions.money.looks import attempts_of, make_default, of_worker, state
from tests.actions.money.stage import Stage

BY_HAND = ("open", "no_method", "external_method")


async def by_cheque(stage: Stage, customer: Customer, *, default: bool = False) -> PaymentMethod:
    """A method by which a person pays, without any gateway."""
    bank = (await accounts.create_account(stage.context, stage.call, "external", AccountDetails("Bank"), {})).fresh
    given = NewMethod(customer.id, "cheque", bank.id, make_default=default)
    return (await add_method(stage.context, stage.call, given)).fresh


async def sweep(stage: Stage) -> None:
    """What the worker does until nothing more is due."""
    while await collect.collect_due_of(stage.context, of_worker(stage)):
        pass


async def test_what_is_paid_by_hand_waits_and_is_never_sent(stage: Stage) -> None:
    customer = await stage.customer()
    document = await stage.invoice(customer, payment_method_id=(await by_cheque(stage, customer)).id)
    assert await state(stage, document) == BY_HAND
    await sweep(stage)
    with pytest.raises(NotCollectable, match="by hand"):
        await collect.collect_invoice(stage.context, stage.call, document.invoice.id)
    assert await state(stage, document) == BY_HAND
    assert await attempts_of(stage, document) == []
    paid = NewPayment(customer.id, 10_000, invoices=(Wanted(document.invoice.id),))
    await record_payment(stage.context, stage.call, paid)
    assert await state(stage, document) == ("paid", None, None)


async def test_a_customer_who_pays_by_hand_is_listed_as_one_who_can_not_be_charged(stage: Stage) -> None:
    customer = await stage.customer()
    await by_cheque(stage, customer, default=True)
    document = await stage.invoice(customer)
    assert await state(stage, document) == BY_HAND
    (listed,) = await collect.list_uncollectable(stage.context, stage.call.tenant, None, 10)
    assert (listed.customer_id, listed.collection_reason) == (customer.id, "external_method")


async def test_a_card_given_later_collects_what_waited_for_a_cheque(stage: Stage) -> None:
    customer = await stage.customer()
    await by_cheque(stage, customer, default=True)
    document = await stage.invoice(customer)
    await make_default(stage, customer, await stage.method(customer))
    await sweep(stage)
    assert await state(stage, document) == ("paid", None, None)


async def test_a_new_default_of_the_parent_who_pays_collects_what_its_children_owe(stage: Stage) -> None:
    parent = await stage.customer("Parent")
    child = await stage.customer("Child", parent_id=parent.id)
    waits = await stage.invoice(child)
    own = await stage.customer("Own", parent_id=parent.id, auto_collect=False)
    left = await stage.invoice(own)
    assert await state(stage, waits) == ("open", "no_method", None)
    await add_method(stage.context, stage.call, NewMethod(parent.id, "tok_ok", stage.account.id, make_default=True))
    await sweep(stage)
    assert await state(stage, waits) == ("paid", None, None)
    assert await state(stage, left) == ("open", "no_method", None)


async def test_so_does_a_method_that_the_parent_has_and_makes_its_default(stage: Stage) -> None:
    parent = await stage.customer("Parent")
    child = await stage.customer("Child", parent_id=parent.id)
    waits = await stage.invoice(child)
    method = await stage.method(parent)

    await update_customer(
        stage.context, stage.call, parent.id, lambda details: replace(details, payment_method_id=method.id)
    )
    await sweep(stage)
    assert await state(stage, waits) == ("paid", None, None)


async def test_the_networks_cap_is_about_one_debt_on_one_card_not_about_all_a_customer_owes(stage: Stage) -> None:
    customer = await stage.customer()
    method = await stage.method(customer, "tok_insufficient_funds")
    many = [await stage.invoice(customer, payment_method_id=method.id) for _ in range(16)]
    assert {await state(stage, one) for one in many} == {("open", "retrying", None)}


async def test_fifteen_tries_of_one_invoice_on_one_card_are_the_most_in_thirty_days(stage: Stage) -> None:
    customer = await stage.customer()
    method = await stage.method(customer, "tok_insufficient_funds")
    document = await stage.invoice(customer, payment_method_id=method.id)
    for _ in range(13):
        await collect.give_method(stage.context, stage.call, document.invoice.id, method.id, default=False)
    assert await state(stage, document) == ("open", "retrying", None)
    await collect.give_method(stage.context, stage.call, document.invoice.id, method.id, default=False)
    assert await state(stage, document) == ("open", "failed", "retries_used_up")
