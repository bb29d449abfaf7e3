"""Payment methods: named in any way, used only once the gateway says so, set up, validated, detached."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from billsmith.actions import customers
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.money import accounts, attempts, collect, methods
from billsmith.actions.money.collect import PaymentMethodNotFound
from billsmith.actions.money.methods import NewMethod, NewSetup, PaymentMethodExists, PaymentMethodInUse
from billsmith.actions.saving import CustomerNotFound
from billsmith.core.customers import Customer, CustomerDeleted, CustomerDetails
from billsmith.core.ids import CustomerId, GatewayAccountId, show_id
from billsmith.core.payments.accounts import AccountDetails
from billsmith.core.payments.methods import GatewayAccountUnusable, PaymentMethod, PaymentMethodUnusable
from billsmith.core.tenants import Tenant
from billsmith.errors import BillsmithError
from billsmith.gateways.port import InvalidRequest, MethodDetails, OutcomeUnknown, Unsupported
from billsmith.gateways.references import ReferenceRefused
from billsmith.store.listing import Filters
from billsmith.store.pool import Pool
from tests.actions.made import customer, keyed, last_sequence, refused, told
from tests.actions.money.stage import Stage


@pytest.fixture
async def tim(stage: Stage) -> Customer:
    return await stage.customer()


async def added(stage: Stage, owner: Customer, reference: str = "tok_ok", **given: object) -> PaymentMethod:
    return (await methods.add_method(stage.context, stage.call, NewMethod(owner.id, reference, **given))).fresh  # type: ignore[arg-type]


async def customer_now(stage: Stage, owner: Customer) -> Customer:
    return await customers.get_customer(stage.context, stage.call.tenant, owner.id)


@pytest.mark.parametrize(
    "reference",
    [
        "tok_ok",
        "payment_methods/tok_ok",
        "/v1/payment_methods/tok_ok",
        "https://fake-gateway.example/v1/payment_methods/tok_ok",
        "https://API.fake-gateway.example/v1/payment_methods/tok_ok/",
    ],
)
async def test_a_method_is_named_by_id_path_or_url(stage: Stage, tim: Customer, reference: str) -> None:
    method = await added(stage, tim, reference)
    assert (method.token, method.status, method.kind, method.last4) == ("tok_ok", "active", "card", "4242")
    assert method.validated_at == stage.context.clock.of(stage.call.tenant)
    assert method.gateway_account_id == stage.account.id
    assert (await told(stage.context, stage.call.tenant))[-1] == "payment_method.created"


@pytest.mark.parametrize(
    "reference",
    [
        "https://elsewhere.example/v1/payment_methods/tok_ok",
        "http://fake-gateway.example/v1/payment_methods/tok_ok",
        "https://fake-gateway.example@elsewhere.example/v1/payment_methods/tok_ok",
        "https://fake-gateway.example:8443/v1/payment_methods/tok_ok",
        "https://fake-gateway.example/v1/customers/tok_ok",
        "https://fake-gateway.example/v1/payment_methods/tok_ok?x=1",
        "/v1/payment_methods/../charges/tok_ok",
        "4242424242424242",
        "",
        "tok_\x00",
    ],
)
async def test_a_reference_that_leads_elsewhere_is_refused(
    stage: Stage, tim: Customer, pool: Pool, reference: str
) -> None:
    async with refused(pool, stage.call.tenant, ReferenceRefused):
        await added(stage, tim, reference)


async def test_a_method_that_the_gateway_does_not_know_is_not_stored(stage: Stage, tim: Customer, pool: Pool) -> None:
    async with refused(pool, stage.call.tenant, InvalidRequest, "no payment method"):
        await added(stage, tim, "tok_of_nobody")


async def test_a_method_that_can_not_be_used_is_not_stored(
    stage: Stage, tim: Customer, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unusable(*_: object) -> MethodDetails:
        return MethodDetails("tok_ok", "card", usable=False)

    async def of_no_kind(*_: object) -> MethodDetails:
        return MethodDetails("tok_ok", "cheque_book")

    async def broken(*_: object) -> MethodDetails:
        raise ValueError("a mistake in a plugin")

    cases: list[tuple[Callable[..., object], type[BillsmithError]]] = [
        (unusable, PaymentMethodUnusable), (of_no_kind, BillsmithError), (broken, OutcomeUnknown),
    ]  # fmt: skip
    for answer, error in cases:
        monkeypatch.setattr(stage.gateway, "read_method", answer, raising=True)
        async with refused(pool, stage.call.tenant, error):
            await added(stage, tim)


async def test_a_method_is_of_a_customer_who_is_there(stage: Stage, tim: Customer, pool: Pool) -> None:
    context, call = stage.context, stage.call
    nobody = CustomerId(context.ids.new(1))
    async with refused(pool, call.tenant, CustomerNotFound):
        await methods.add_method(context, call, NewMethod(nobody, "tok_ok"))
    await customers.delete_customer(context, call, tim.id)
    async with refused(pool, call.tenant, CustomerDeleted):
        await added(stage, tim)


async def test_the_same_method_is_stored_once_per_customer(stage: Stage, tim: Customer, pool: Pool) -> None:
    first = await added(stage, tim)
    async with refused(pool, stage.call.tenant, PaymentMethodExists, show_id("payment_method", first.id)):
        await added(stage, tim, "/v1/payment_methods/tok_ok")
    ada = await stage.customer("Ada")
    assert (await added(stage, ada)).token == "tok_ok"
    await methods.detach_method(stage.context, stage.call, first.id)
    async with refused(pool, stage.call.tenant, InvalidRequest):  # this gateway has forgotten it
        await added(stage, tim)


async def test_the_account_is_the_default_unless_named(stage: Stage, tim: Customer, pool: Pool) -> None:
    context, call = stage.context, stage.call
    bank = (await accounts.create_account(context, call, "external", AccountDetails("Bank"), {})).fresh
    cheque = await added(stage, tim, "cheque", gateway_account_id=bank.id)
    assert (cheque.kind, cheque.gateway_account_id) == ("external", bank.id)
    missing = GatewayAccountId(context.ids.new(1))
    async with refused(pool, call.tenant, accounts.GatewayAccountNotFound):
        await added(stage, tim, "tok_ok", gateway_account_id=missing)
    await attempts.pause_account(context, call, stage.account.id, "revoked")
    async with refused(pool, call.tenant, GatewayAccountUnusable, "revoked"):
        await added(stage, tim)


async def test_a_method_made_the_default_collects_what_waited(stage: Stage, tim: Customer) -> None:
    waiting = await stage.invoice(tim)
    assert waiting.invoice.collection_state == "no_method"
    method = await added(stage, tim, make_default=True)
    assert (await customer_now(stage, tim)).payment_method_id == method.id
    assert (await stage.read(waiting)).invoice.collection_state == "scheduled"
    await collect.collect_due_of(stage.context, stage.call)
    assert (await stage.read(waiting)).invoice.status == "paid"
    assert await stage.moved() == {"charge": 10_000}


async def test_a_method_that_is_not_made_the_default_collects_nothing(stage: Stage, tim: Customer) -> None:
    waiting = await stage.invoice(tim)
    await added(stage, tim)
    assert (await customer_now(stage, tim)).payment_method_id is None
    await collect.collect_due_of(stage.context, stage.call)
    assert (await stage.read(waiting)).invoice.collection_state == "no_method"


async def test_a_customer_takes_only_a_method_of_its_own_or_of_its_parent(stage: Stage, tim: Customer) -> None:
    context, call = stage.context, stage.call
    of_tim = await added(stage, tim)
    ada = await stage.customer("Ada")
    with pytest.raises(PaymentMethodNotFound):
        await customers.update_customer(context, call, ada.id, lambda one: replace(one, payment_method_id=of_tim.id))
    with pytest.raises(PaymentMethodNotFound):
        await customer(context, call, payment_method_id=of_tim.id)
    child = CustomerDetails("Child", parent_id=tim.id, payment_method_id=of_tim.id)
    assert (await customers.create_customer(context, call, child)).fresh.payment_method_id == of_tim.id


async def test_a_set_up_waits_for_the_customer_and_is_then_active(stage: Stage, tim: Customer, pool: Pool) -> None:
    context, call = stage.context, stage.call
    setup = NewSetup(tim.id, return_url="https://shop.example/back")
    method = (await methods.begin_setup(context, call, setup)).fresh
    assert (method.status, method.token, method.validated_at) == ("pending", "", None)
    assert method.next_action is not None
    assert method.next_action.url is not None
    async with refused(pool, call.tenant, PaymentMethodUnusable, "pending"):
        await customers.update_customer(context, call, tim.id, lambda one: replace(one, payment_method_id=method.id))
    same = (await methods.validate_method(context, call, method.id)).fresh
    assert same == method
    await stage.gateway.finish_setup(
        stage.opened, show_id("payment_method", method.id), "tok_ok", context.clock.of(call.tenant)
    )
    ready = (await methods.validate_method(context, call, method.id)).fresh
    assert (ready.status, ready.token, ready.next_action, ready.version) == ("active", "tok_ok", None, 2)
    assert (await told(context, call.tenant))[-1] == "payment_method.updated"


async def test_a_gateway_without_set_ups_says_so(stage: Stage, tim: Customer, pool: Pool) -> None:
    bank = (await accounts.create_account(stage.context, stage.call, "external", AccountDetails("Bank"), {})).fresh
    async with refused(pool, stage.call.tenant, Unsupported, "name the method"):
        await methods.begin_setup(stage.context, stage.call, NewSetup(tim.id, bank.id))


async def test_a_method_that_the_gateway_lost_has_failed_and_may_come_back(
    stage: Stage, tim: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = await added(stage, tim)
    with monkeypatch.context() as lost:

        async def none(*_: object) -> MethodDetails:
            raise InvalidRequest("there is none")

        lost.setattr(stage.gateway, "read_method", none)
        failed = (await methods.validate_method(stage.context, stage.call, method.id)).fresh
    assert (failed.status, failed.last4) == ("failed", "4242")
    again = (await methods.validate_method(stage.context, stage.call, method.id)).fresh
    assert (again.status, again.version) == ("active", 3)


async def test_notes_on_a_method_change_and_nothing_else(stage: Stage, tim: Customer) -> None:
    method = await added(stage, tim, metadata={"a": "1"})
    changed = (await methods.update_method(stage.context, stage.call, method.id, {"b": "2"})).fresh
    assert changed == replace(method, metadata={"b": "2"}, version=2)


async def test_a_detached_method_is_forgotten_and_what_was_planned_with_it_waits(stage: Stage, tim: Customer) -> None:
    context, call = stage.context, stage.call
    method = await added(stage, tim, "tok_declined_insufficient_funds", make_default=True)
    retrying = await stage.invoice(tim)
    other = await added(stage, tim, "tok_declined_insufficient_funds.n2")
    untouched = await stage.invoice(tim, payment_method_id=other.id)
    assert retrying.invoice.collection_state == untouched.invoice.collection_state == "retrying"
    after = await last_sequence(context, call.tenant)
    detached = (await methods.detach_method(context, call, method.id)).fresh
    assert detached.status == "detached"
    assert (await customer_now(stage, tim)).payment_method_id is None
    waits = (await stage.read(retrying)).invoice
    assert (waits.collection_state, waits.next_collect_at) == ("no_method", None)
    assert (await stage.read(untouched)).invoice.collection_state == "retrying"
    assert await told(context, call.tenant, after) == [
        "payment_method.detached", "customer.updated", "invoice.collection_changed",
    ]  # fmt: skip
    with pytest.raises(InvalidRequest):
        await stage.gateway.read_method(stage.opened, method.token, context.clock.of(call.tenant))
    with pytest.raises(PaymentMethodUnusable):
        await methods.validate_method(context, call, method.id)
    assert (await methods.detach_method(context, call, method.id)).fresh == detached


async def test_an_invoice_with_a_method_of_its_own_that_is_detached_waits(stage: Stage, tim: Customer) -> None:
    method = await added(stage, tim, "tok_declined_insufficient_funds")
    invoice = await stage.invoice(tim, payment_method_id=method.id)
    await methods.detach_method(stage.context, stage.call, method.id)
    assert (await stage.read(invoice)).invoice.collection_state == "no_method"


async def test_what_is_pending_at_the_bank_goes_on_when_its_method_is_detached(stage: Stage, tim: Customer) -> None:
    method = await added(stage, tim, "tok_pending_2d_succeed", make_default=True)
    invoice = await stage.invoice(tim)
    assert invoice.invoice.collection_state == "processing"
    await methods.detach_method(stage.context, stage.call, method.id)
    assert (await stage.read(invoice)).invoice.collection_state == "processing"


async def test_a_method_is_not_detached_while_a_charge_is_on_its_way(stage: Stage, tim: Customer, pool: Pool) -> None:
    method = await added(stage, tim)
    await stage.invoice(tim, payment_method_id=method.id)
    await pool.execute("UPDATE attempts SET status = 'sent' WHERE tenant_id = $1", stage.call.tenant.id)
    try:
        async with refused(pool, stage.call.tenant, PaymentMethodInUse):
            await methods.detach_method(stage.context, stage.call, method.id)
    finally:
        await pool.execute("UPDATE attempts SET status = 'succeeded' WHERE tenant_id = $1", stage.call.tenant.id)


async def test_a_method_of_a_closed_account_is_detached_without_asking(
    stage: Stage, tim: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = await added(stage, tim)
    await accounts.close_account(stage.context, stage.call, stage.account.id)

    async def asked(*_: object) -> None:
        raise AssertionError("a closed account's gateway was asked")

    monkeypatch.setattr(stage.gateway, "detach", asked)
    assert (await methods.detach_method(stage.context, stage.call, method.id)).fresh.status == "detached"


async def test_lists_are_by_customer_newest_first(stage: Stage, tim: Customer) -> None:
    first, second = await added(stage, tim), await added(stage, tim, "tok_ok.n2")
    await added(stage, await stage.customer("Ada"))
    found = await methods.list_methods(stage.context, stage.call.tenant, Filters(10, customer_id=tim.id))
    assert [one.id for one in found] == [second.id, first.id]
    assert len(await methods.list_methods(stage.context, stage.call.tenant, Filters(10))) == 3


async def test_a_repeat_under_the_same_key_stores_one_method(stage: Stage, tim: Customer) -> None:
    asked = keyed(stage.call, "method-1")
    first = await methods.add_method(stage.context, asked, NewMethod(tim.id, "tok_ok"))
    second = await methods.add_method(stage.context, asked, NewMethod(tim.id, "tok_ok"))
    assert second.replayed
    assert second.answer == first.answer


async def test_another_tenants_methods_and_accounts_lead_nowhere(
    stage: Stage, tim: Customer, context: Context, call: Call, tenant: Tenant, pool: Pool
) -> None:
    method = await added(stage, tim)
    verbs = [
        lambda: methods.get_method(context, tenant, method.id),
        lambda: methods.validate_method(context, call, method.id),
        lambda: methods.update_method(context, call, method.id, {}),
        lambda: methods.detach_method(context, call, method.id),
    ]
    for verb in verbs:
        async with refused(pool, tenant, PaymentMethodNotFound):
            await verb()
    own = await customer(context, call)
    async with refused(pool, tenant, accounts.GatewayAccountNotFound):
        await methods.add_method(context, call, NewMethod(own.id, "tok_ok", stage.account.id))
    assert (await methods.get_method(context, stage.call.tenant, method.id)).version == 1
