"""Customers: created, changed, deleted, looked up."""

import contextlib
from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

import msgspec

from billsmith.actions.billing.customers import customer_changed_in
from billsmith.actions.calls import Call, Outcome, carry_out
from billsmith.actions.context import Context
from billsmith.actions.money.collect import lock_family, method_for, plan_waiting
from billsmith.actions.saving import CustomerNotFound, ExternalIdTaken, lock_standing, record_facts, save
from billsmith.actions.subscriptions.leaving import end_all_in
from billsmith.core.customers import (
    Customer,
    CustomerDetails,
    ParentNotAllowed,
    as_party,
    changed_customer,
    check_parent,
    deleted_customer,
    details_of,
    external_id,
    new_customer,
    today_of,
)
from billsmith.core.decisions import Decision, Standing, draw_available
from billsmith.core.facts import Fact, FactType
from billsmith.core.ids import CustomerId, MalformedId, SnapshotId, TenantId, read_id, shard_of, show_id
from billsmith.core.ledger import Balance
from billsmith.core.payments.methods import usable
from billsmith.core.tenants import Tenant
from billsmith.core.text import UnusableText
from billsmith.errors import Conflict, NotFound
from billsmith.store import customers as customer_rows
from billsmith.store import tenants as tenant_rows
from billsmith.store.events import Cause
from billsmith.store.listing import Filters
from billsmith.store.pool import Connection


class CustomerOwes(Conflict):
    """A customer's currency and its deletion wait until nothing is open between us."""

    code = "customer_owes"


class NumberPrefixTaken(Conflict):
    """Another customer's invoice numbers begin with this."""

    code = "number_prefix_taken"


async def create_customer(context: Context, call: Call, given: CustomerDetails) -> Outcome[Customer]:
    """A new customer.

    Raises ExternalIdTaken naming who has it, ParentNotAllowed, PaymentMethodNotFound, Invalid kinds.
    """

    async def verb(connection: Connection, cause: Cause) -> Customer:
        shard = context.ids.any_shard() if given.parent_id is None else shard_of(given.parent_id)
        ids = context.ids.many(2, shard)
        customer = new_customer(call.tenant, given, CustomerId(ids[0]), SnapshotId(ids[1]), cause.caused_at)
        if given.parent_id is not None:
            await _check_parent(connection, call.tenant.id, given.parent_id)
        if customer.payment_method_id is not None:  # it has none of its own yet, but its parent may
            standing = Standing(call.tenant, customer)
            usable(await method_for(connection, call.tenant, standing, customer.payment_method_id))
        await _check_prefix(connection, customer)
        await _claim(connection, customer)
        await insert_with_snapshot(connection, context, cause, [customer])
        return customer

    return await carry_out(context, call, verb)


async def insert_with_snapshot(
    connection: Connection, context: Context, cause: Cause, customers: Sequence[Customer]
) -> None:
    """Write new customers, what documents will say of them, and the fact."""
    snapshots = [(customer.snapshot_id, as_party(customer)) for customer in customers]
    await tenant_rows.insert_snapshots(connection, cause.tenant_id, snapshots)
    await customer_rows.insert_customers(connection, customers)
    await record_facts(connection, context, cause, [_fact("customer.created", customer) for customer in customers])


async def update_customer(
    context: Context, call: Call, id_: CustomerId, change: Callable[[CustomerDetails], CustomerDetails]
) -> Outcome[Customer]:
    """Change what `change` makes of the customer's details. Switching `draw_credit` on draws what there is.

    Raises CustomerNotFound, CustomerDeleted, ExternalIdTaken, CustomerOwes (currency), Invalid kinds.
    """

    async def verb(connection: Connection, cause: Cause) -> Customer:
        if await _changes_default(connection, call.tenant, id_, change):
            await lock_family(connection, call.tenant, id_)
        standing = await lock_standing(connection, call.tenant, id_)
        before = standing.customer
        snapshot_id = SnapshotId(context.ids.new(shard_of(id_)))
        customer = changed_customer(call.tenant, before, change(details_of(before)), snapshot_id)
        if customer.currency != before.currency:
            _nothing_open(standing.balances, "its currency is fixed")
        if customer.external_id != before.external_id:
            await _rename(connection, before, customer)
        if customer.number_prefix != before.number_prefix:
            await _check_prefix(connection, customer)
        if customer.snapshot_id == snapshot_id:
            await tenant_rows.insert_snapshot(connection, call.tenant.id, snapshot_id, as_party(customer))
        await customer_rows.update_customer(connection, customer)
        await record_facts(connection, context, cause, [_fact("customer.updated", customer)])
        await customer_changed_in(connection, cause, before, customer)
        if customer.payment_method_id is not None and customer.payment_method_id != before.payment_method_id:
            usable(await method_for(connection, call.tenant, standing, customer.payment_method_id))
        if customer.draw_credit and not before.draw_credit:
            await _draw_now(connection, context, cause, call.tenant, customer)
        if _collected_anew(before, customer):
            await plan_waiting(connection, context, cause, msgspec.structs.replace(standing, customer=customer))
        return customer

    return await carry_out(context, call, verb)


async def delete_customer(context: Context, call: Call, id_: CustomerId) -> Outcome[Customer]:
    """Never bill this customer again; its subscriptions end, its documents stay.

    Raises CustomerNotFound, CustomerDeleted, CustomerOwes, ParentNotAllowed while there are children it pays for.
    """

    async def verb(connection: Connection, cause: Cause) -> Customer:
        standing = await lock_standing(connection, call.tenant, id_)
        customer = deleted_customer(standing.customer, cause.caused_at)
        _nothing_open(standing.balances, "it can't be deleted")
        if await customer_rows.has_children(connection, customer):
            raise ParentNotAllowed("this customer is the parent of others; delete those first")
        await end_all_in(connection, context, cause, call.tenant, customer)
        await customer_rows.update_customer(connection, customer)
        if customer.external_id is not None:
            await customer_rows.release_external_id(connection, call.tenant.id, customer.external_id, customer.id)
        await record_facts(connection, context, cause, [_fact("customer.deleted", customer)])
        return customer

    return await carry_out(context, call, verb)


async def get_customer(context: Context, tenant: Tenant, id_: UUID) -> Customer:
    """Raises CustomerNotFound."""
    found = await customer_rows.get_customers(context.pool, tenant.id, [id_])
    if id_ not in found:
        raise CustomerNotFound(f"there is no customer {show_id('customer', id_)}")
    return found[id_]


async def get_customers(context: Context, tenant: Tenant, ids: Iterable[UUID]) -> dict[UUID, Customer]:
    """Those that exist."""
    return await customer_rows.get_customers(context.pool, tenant.id, ids)


async def list_customers(context: Context, tenant: Tenant, filters: Filters) -> list[Customer]:
    """A page of customers, newest first; one more than asked for if there are more. Raises FilterTooBroad."""
    if (name := filters.equal.get("external_id")) is not None:
        meant = (await _named(context, tenant, [name])).get(name)
        if meant is None:
            return []
        others = {column: value for column, value in filters.equal.items() if column != "external_id"}
        filters = msgspec.structs.replace(filters, customer_id=meant, equal=others)
    return await customer_rows.list_customers(context.pool, tenant.id, filters)


async def get_balances(context: Context, tenant: Tenant, ids: Iterable[UUID]) -> customer_rows.Balances:
    """The stored balances of customers, by currency."""
    return await customer_rows.get_balances(context.pool, tenant.id, ids)


async def resolve_customer(context: Context, tenant: Tenant, reference: str) -> CustomerId:
    """The customer meant by an id, or by its external id where the text is no id. Raises CustomerNotFound."""
    meant = (await resolve_customers(context, tenant, [reference]))[reference]
    if isinstance(meant, NotFound):
        raise meant
    return meant


async def resolve_customers(
    context: Context, tenant: Tenant, references: Iterable[str]
) -> dict[str, CustomerId | NotFound]:
    """Like `resolve_customer` for many, in one query; what is not found has its error for a value."""
    wanted = set(references)
    found = await _named(context, tenant, [reference for reference in wanted if not reference.startswith("cus_")])
    return {reference: _meant(reference, found) for reference in wanted}


async def _named(context: Context, tenant: Tenant, texts: Iterable[str]) -> dict[str, CustomerId]:
    """Whose external ids these texts are, however they are written; a text that can't be stored is nobody's."""
    names: dict[str, str] = {}
    for text in texts:
        with contextlib.suppress(UnusableText):
            names[text] = external_id(text) or text
    found = await customer_rows.find_external_ids(context.pool, tenant.id, names.values()) if names else {}
    return {text: found[name] for text, name in names.items() if name in found}


async def _changes_default(
    connection: Connection, tenant: Tenant, id_: CustomerId, change: Callable[[CustomerDetails], CustomerDetails]
) -> bool:
    """Whether the customer as it is before it is locked would have another default method."""
    found = (await customer_rows.get_customers(connection, tenant.id, [id_])).get(id_)
    return found is not None and change(details_of(found)).payment_method_id != found.payment_method_id


def _collected_anew(before: Customer, customer: Customer) -> bool:
    """Whether something that invoices may have waited for has changed."""
    another = customer.payment_method_id is not None and customer.payment_method_id != before.payment_method_id
    return another or (customer.auto_collect and not before.auto_collect)


def _meant(reference: str, found: dict[str, CustomerId]) -> CustomerId | NotFound:
    if reference in found:
        return found[reference]
    try:
        return CustomerId(read_id("customer", reference))
    except MalformedId:
        return CustomerNotFound(f"there is no customer {reference[:80]!r}", pointer="/customer")


async def _check_parent(connection: Connection, tenant_id: TenantId, parent_id: CustomerId) -> None:
    parent = (await customer_rows.get_customers(connection, tenant_id, [parent_id])).get(parent_id)
    check_parent(parent_id, parent)


async def _check_prefix(connection: Connection, customer: Customer) -> None:
    """Two customers whose numbers read alike can't be told apart. Raises NumberPrefixTaken."""
    if customer.number_prefix is None:
        return
    holder = await customer_rows.find_number_prefix(connection, customer)
    if holder is not None:
        shown = show_id("customer", holder)
        raise NumberPrefixTaken(
            f"{shown} has the number prefix {customer.number_prefix!r}", pointer="/number_prefix",
            facts={"existing": shown},
        )  # fmt: skip


async def _claim(connection: Connection, customer: Customer) -> None:
    name = customer.external_id
    if name is None or await customer_rows.claim_external_ids(connection, customer.tenant_id, {name: customer.id}):
        return
    holders = await customer_rows.find_external_ids(connection, customer.tenant_id, [name])
    holder = show_id("customer", holders[name]) if name in holders else "another customer"
    raise ExternalIdTaken(f"{holder} has the external id {name!r}", pointer="/external_id", facts={"existing": holder})


async def _rename(connection: Connection, before: Customer, customer: Customer) -> None:
    if before.external_id is not None:
        await customer_rows.release_external_id(connection, before.tenant_id, before.external_id, before.id)
    await _claim(connection, customer)


async def _draw_now(connection: Connection, context: Context, cause: Cause, tenant: Tenant, customer: Customer) -> None:
    standing = await lock_standing(connection, tenant, customer.id, owed=True)
    at = cause.caused_at
    decision = draw_available(Decision(standing), at, today_of(customer, at), on=standing.owed)
    await save(connection, context, cause, {customer.id: standing}, [decision], {})


def _nothing_open(balances: dict[str, Balance], consequence: str) -> None:
    if any(balance != Balance() for balance in balances.values()):
        raise CustomerOwes(f"there are open balances with this customer, so {consequence}")


def _fact(type_: FactType, customer: Customer) -> Fact:
    return Fact(type_, customer.id, customer.version, customer, customer.id)
