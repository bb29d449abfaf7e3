"""Payment methods: stored by a reference once the gateway says that it can be used, set up, validated, detached."""

from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from billsmith.actions.calls import Call, Outcome, answered_before, carry_out
from billsmith.actions.context import Context
from billsmith.actions.money.accounts import account_to_use, get_account
from billsmith.actions.money.attempts import opened_account
from billsmith.actions.money.collect import PaymentMethodNotFound, lock_family, make_default
from billsmith.actions.saving import CustomerNotFound, lock_standing, record_facts, save
from billsmith.core.collecting.detaching import method_gone
from billsmith.core.customers import not_deleted
from billsmith.core.decisions import Decision, Standing
from billsmith.core.facts import Fact, FactType
from billsmith.core.ids import CustomerId, GatewayAccountId, PaymentMethodId, shard_of, show_id
from billsmith.core.payments.accounts import used_now
from billsmith.core.payments.methods import GatewayAccount, PaymentMethod, PaymentMethodInvalid, PaymentMethodUnusable
from billsmith.core.payments.payment import MethodKind
from billsmith.core.tenants import Tenant
from billsmith.core.text import metadata as checked_metadata
from billsmith.errors import Conflict
from billsmith.gateways import calling, port
from billsmith.store import customers as customer_rows
from billsmith.store import invoices as invoice_rows
from billsmith.store.events import Cause
from billsmith.store.listing import Filters
from billsmith.store.money import payment_methods as method_rows
from billsmith.store.money import payments as payment_rows
from billsmith.store.pool import Connection
from billsmith.store.transaction import no_transaction_open

KINDS: tuple[str, ...] = MethodKind.__args__  # type: ignore[attr-defined]


class PaymentMethodExists(Conflict):
    """This customer has this payment method already."""

    code = "payment_method_exists"


class PaymentMethodInUse(Conflict):
    """A charge with this payment method is on its way to the gateway."""

    code = "payment_method_in_use"


class NewMethod(msgspec.Struct, frozen=True, gc=False):
    """A payment method that the gateway has stored already, as the caller names it: an id, a path, or a full URL."""

    customer_id: CustomerId
    reference: str
    gateway_account_id: GatewayAccountId | None = None
    """None: the default account's."""
    make_default: bool = False
    metadata: dict[str, str] = {}


class NewSetup(msgspec.Struct, frozen=True, gc=False):
    """A payment method that the customer has yet to give, at the gateway."""

    customer_id: CustomerId
    gateway_account_id: GatewayAccountId | None = None
    return_url: str | None = None
    metadata: dict[str, str] = {}


async def add_method(context: Context, call: Call, given: NewMethod) -> Outcome[PaymentMethod]:
    """Store a payment method once its gateway says that it can be used; nothing that the caller names is fetched.

    Raises CustomerNotFound, CustomerDeleted, GatewayAccountNotFound, GatewayAccountUnusable, ReferenceRefused,
    InvalidRequest (no such method), PaymentMethodUnusable, PaymentMethodExists; then nothing is stored.
    """
    if (before := await answered_before(context, call)) is not None:
        return before
    notes = checked_metadata(given.metadata)
    await _check_customer(context, call.tenant, given.customer_id)
    account = await account_to_use(context, call.tenant, given.gateway_account_id)
    details = await _read(context, call.tenant, account, reference=given.reference)
    _usable(details)

    async def verb(connection: Connection, cause: Cause) -> PaymentMethod:
        if given.make_default:
            await lock_family(connection, call.tenant, given.customer_id)
        standing = await _lock_customer(connection, call.tenant, given.customer_id)
        await _not_there_yet(connection, standing, account, details.token)
        method = _described(_blank(context, standing, account, notes, cause), details, cause.caused_at)
        await _insert(connection, context, cause, method)
        if given.make_default:
            await make_default(connection, context, cause, standing, method)
        return method

    return await carry_out(context, call, verb)


async def begin_setup(context: Context, call: Call, given: NewSetup) -> Outcome[PaymentMethod]:
    """Begin to store a payment method: `pending` with what the customer has to do, unless the gateway needs nothing.

    It becomes `active` when the gateway tells us, or by `validate_method`. Raises as `add_method`, and Unsupported.
    """
    if (before := await answered_before(context, call)) is not None:
        return before
    notes = checked_metadata(given.metadata)
    await _check_customer(context, call.tenant, given.customer_id)
    account = await account_to_use(context, call.tenant, given.gateway_account_id)
    id_ = PaymentMethodId(context.ids.new(shard_of(given.customer_id)))
    setup = await _set_up(context, call.tenant, account, id_, given.customer_id, given.return_url)

    async def verb(connection: Connection, cause: Cause) -> PaymentMethod:
        standing = await _lock_customer(connection, call.tenant, given.customer_id)
        blank = replace(
            _blank(context, standing, account, notes, cause),
            id=id_,
            setup_id=setup.gateway_id,
            next_action=setup.next_action,
        )
        method = blank
        if setup.method is not None:
            _usable(setup.method)
            await _not_there_yet(connection, standing, account, setup.method.token)
            method = _described(blank, setup.method, cause.caused_at)
        await _insert(connection, context, cause, method)
        return method

    return await carry_out(context, call, verb)


async def validate_method(context: Context, call: Call, id_: UUID) -> Outcome[PaymentMethod]:
    """Ask the gateway about a method again: `active` with what it shows now, `failed`, or still `pending`.

    Raises PaymentMethodNotFound, PaymentMethodUnusable (detached), GatewayAccountUnusable, and what keeps the gateway
    from being asked.
    """
    if (before := await answered_before(context, call)) is not None:
        return before
    found = await get_method(context, call.tenant, id_)
    _not_detached(found)
    account = used_now(await get_account(context, call.tenant, found.gateway_account_id))
    seen = await _seen(context, call.tenant, account, found)

    async def verb(connection: Connection, cause: Cause) -> PaymentMethod:
        await lock_standing(connection, call.tenant, found.customer_id)
        before = await _reread(connection, call.tenant, id_)
        if before.version != found.version or seen is None:
            return before  # somebody else was told meanwhile, or there is nothing new
        method = replace(_described(before, seen, cause.caused_at), version=before.version + 1)
        await method_rows.update_method(connection, method)
        await _told(connection, context, cause, "payment_method.updated", method)
        return method

    return await carry_out(context, call, verb)


async def update_method(context: Context, call: Call, id_: UUID, metadata: dict[str, str]) -> Outcome[PaymentMethod]:
    """Other metadata. Raises PaymentMethodNotFound, UnusableText."""
    notes = checked_metadata(metadata)

    async def verb(connection: Connection, cause: Cause) -> PaymentMethod:
        found = await _reread(connection, call.tenant, id_)
        await lock_standing(connection, call.tenant, found.customer_id)
        before = await _reread(connection, call.tenant, id_)
        method = replace(before, metadata=notes, version=before.version + 1)
        await method_rows.update_method(connection, method)
        await _told(connection, context, cause, "payment_method.updated", method)
        return method

    return await carry_out(context, call, verb)


async def detach_method(context: Context, call: Call, id_: UUID) -> Outcome[PaymentMethod]:
    """Forget a method, first at the gateway: what was to be collected with it waits for another.

    Asked for again it is done again, for the first may have been cut off. What is pending at the bank goes on. Raises
    PaymentMethodNotFound, PaymentMethodInUse, GatewayAccountUnusable (paused), and what the gateway says.
    """
    if (before := await answered_before(context, call)) is not None:
        return before
    found = await get_method(context, call.tenant, id_)
    if await payment_rows.count_sent_of_method(context.pool, call.tenant.id, found.id):
        raise PaymentMethodInUse("a charge with this payment method is under way; try again in a minute")
    account = await get_account(context, call.tenant, found.gateway_account_id)
    if account.status != "closed" and found.token:
        await _detach(context, call.tenant, used_now(account), found.token)

    async def verb(connection: Connection, cause: Cause) -> PaymentMethod:
        standing = await lock_standing(connection, call.tenant, found.customer_id)
        before = await _reread(connection, call.tenant, id_)
        if before.status == "detached":
            return before
        method = replace(before, status="detached", next_action=None, version=before.version + 1)
        await method_rows.update_method(connection, method)
        await _told(connection, context, cause, "payment_method.detached", method)
        await _let_wait(connection, context, cause, standing, method)
        return method

    return await carry_out(context, call, verb)


async def get_method(context: Context, tenant: Tenant, id_: UUID) -> PaymentMethod:
    """Raises PaymentMethodNotFound."""
    return await _reread(context.pool, tenant, id_)


async def list_methods(context: Context, tenant: Tenant, filters: Filters) -> list[PaymentMethod]:
    """A page of methods, newest first; one more than asked for if there are more."""
    return await method_rows.list_methods(context.pool, tenant.id, filters)


async def _read(
    context: Context, tenant: Tenant, account: GatewayAccount, *, reference: str | None = None, token: str = ""
) -> port.MethodDetails:
    """What the gateway says of a method, named by the caller's reference or by its token."""
    gateway = context.gateways.gateway(account.gateway)
    opened = opened_account(context, tenant, account)
    at = context.clock.of(tenant)

    async def read() -> port.MethodDetails:
        known = token if reference is None else gateway.method_token(opened, reference)
        return await gateway.read_method(opened, known, at)

    return await calling.call_gateway(read, port.MethodDetails, assert_no_transaction=no_transaction_open)


async def _set_up(
    context: Context,
    tenant: Tenant,
    account: GatewayAccount,
    id_: PaymentMethodId,
    customer_id: CustomerId,
    return_url: str | None = None,
) -> port.MethodSetup:
    """Begin a set-up, or look at it: the same request gives the same one."""
    gateway = context.gateways.gateway(account.gateway)
    opened = opened_account(context, tenant, account)
    at = context.clock.of(tenant)
    request = port.SetupRequest(show_id("payment_method", id_), show_id("customer", customer_id), return_url)
    return await calling.call_gateway(
        lambda: gateway.begin_setup(opened, request, at), port.MethodSetup, assert_no_transaction=no_transaction_open
    )


async def _detach(context: Context, tenant: Tenant, account: GatewayAccount, token: str) -> None:
    gateway = context.gateways.gateway(account.gateway)
    opened = opened_account(context, tenant, account)
    at = context.clock.of(tenant)
    await calling.call_gateway(
        lambda: gateway.detach(opened, token, at), type(None), assert_no_transaction=no_transaction_open
    )


async def _seen(
    context: Context, tenant: Tenant, account: GatewayAccount, method: PaymentMethod
) -> port.MethodDetails | None:
    """The method as the gateway has it now, unusable where it has none; None: the customer is not done yet."""
    if method.status == "pending":
        return (await _set_up(context, tenant, account, method.id, method.customer_id)).method
    try:
        return await _read(context, tenant, account, token=method.token)
    except port.InvalidRequest:
        return port.MethodDetails(
            method.token, method.kind, method.brand, method.last4, method.expires_month, method.expires_year, False
        )


def _usable(details: port.MethodDetails) -> None:
    """Raises PaymentMethodUnusable, PaymentMethodInvalid."""
    if details.kind not in KINDS:
        raise PaymentMethodInvalid(
            f"this is a {details.kind}; {', '.join(KINDS)} can be used", pointer="/payment_method"
        )
    if not details.usable:
        raise PaymentMethodUnusable(
            "the gateway says that this payment method can't be used", pointer="/payment_method"
        )


def _blank(
    context: Context, standing: Standing, account: GatewayAccount, notes: dict[str, str], cause: Cause
) -> PaymentMethod:
    """A method of which nothing is known yet."""
    customer = standing.customer
    return PaymentMethod(
        id=PaymentMethodId(context.ids.new(shard_of(customer.id))),
        tenant_id=standing.tenant.id,
        customer_id=customer.id,
        gateway_account_id=account.id,
        token="",
        kind="card",
        status="pending",
        brand=None,
        last4=None,
        expires_year=None,
        expires_month=None,
        setup_id=None,
        next_action=None,
        metadata=notes,
        version=1,
        created_at=cause.caused_at,
        validated_at=None,
    )


def _described(method: PaymentMethod, details: port.MethodDetails, at: Any) -> PaymentMethod:
    """The method as the gateway shows it at an instant."""
    usable = details.usable and details.kind in KINDS
    return msgspec.convert(
        msgspec.structs.asdict(method)
        | {
            "token": details.token,
            "kind": details.kind if details.kind in KINDS else method.kind,
            "status": "active" if usable else "failed",
            "brand": details.brand,
            "last4": None if details.last4 is None else details.last4[-4:],
            "expires_year": details.expires_year,
            "expires_month": details.expires_month,
            "next_action": None,
            "validated_at": at if usable else method.validated_at,
        },
        PaymentMethod,
    )


def _not_detached(method: PaymentMethod) -> None:
    if method.status == "detached":
        raise PaymentMethodUnusable("this payment method is detached")


async def _check_customer(context: Context, tenant: Tenant, id_: CustomerId) -> None:
    """Raises CustomerNotFound, CustomerDeleted: before the gateway is asked anything."""
    found = (await customer_rows.get_customers(context.pool, tenant.id, [id_])).get(id_)
    if found is None:
        raise CustomerNotFound(f"there is no customer {show_id('customer', id_)}", pointer="/customer")
    not_deleted(found)


async def _lock_customer(connection: Connection, tenant: Tenant, id_: CustomerId) -> Standing:
    standing = await lock_standing(connection, tenant, id_)
    not_deleted(standing.customer)
    return standing


async def _not_there_yet(connection: Connection, standing: Standing, account: GatewayAccount, token: str) -> None:
    there = await method_rows.find_method(connection, standing.customer, account.id, token)
    if there is not None:
        shown = show_id("payment_method", there)
        raise PaymentMethodExists(
            f"{shown} is this payment method", pointer="/payment_method", facts={"existing": shown}
        )


async def _insert(connection: Connection, context: Context, cause: Cause, method: PaymentMethod) -> None:
    await method_rows.insert_methods(connection, [method])
    await _told(connection, context, cause, "payment_method.created", method)


async def _let_wait(
    connection: Connection, context: Context, cause: Cause, standing: Standing, method: PaymentMethod
) -> None:
    """A detached method is nobody's default, and what was planned with it waits."""
    customer = standing.customer
    if customer.payment_method_id == method.id:
        customer = replace(customer, payment_method_id=None, version=customer.version + 1)
        await customer_rows.update_customer(connection, customer)
        fact = Fact("customer.updated", customer.id, customer.version, customer, customer.id)
        await record_facts(connection, context, cause, [fact])
        standing = replace(standing, customer=customer)
    owed = (await invoice_rows.owed_invoices(connection, method.tenant_id, [customer.id])).get(customer.id, [])
    locked = await invoice_rows.lock_invoices(connection, method.tenant_id, [invoice.id for invoice in owed])
    decision = method_gone(Decision(standing), list(locked.values()), method.id)
    if decision.invoices:
        await save(connection, context, cause, {customer.id: standing}, [decision], {})


async def _reread(connection: Any, tenant: Tenant, id_: UUID) -> PaymentMethod:
    found = await method_rows.get_methods(connection, tenant.id, [id_])
    if id_ not in found:
        raise PaymentMethodNotFound(f"there is no payment method {show_id('payment_method', id_)}")
    return found[id_]


async def _told(connection: Connection, context: Context, cause: Cause, type_: FactType, method: PaymentMethod) -> None:
    fact = Fact(type_, method.id, method.version, method, method.customer_id)
    await record_facts(connection, context, cause, [fact])
