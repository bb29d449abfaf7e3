"""One tenant per point: a company with one customer and what its verb needs, as far as the setting-up brings it."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from billsmith.actions import invoices, tenants
from billsmith.actions.calls import Answer, Call, Keyed, Outcome, carry_out
from billsmith.actions.context import Context
from billsmith.actions.invoices import NewInvoice
from billsmith.actions.money import collect, corrections, recovery, refunds
from billsmith.actions.saving import lock_standing
from billsmith.clock import FixedClock
from billsmith.core.collecting.refunding import NewRefund
from billsmith.core.customers import Customer
from billsmith.core.ids import CustomerId, GatewayAccountId, InvoiceId, PaymentMethodId, shard_of, show_id
from billsmith.core.invoices import Document, InvoiceDetails
from billsmith.core.payments.methods import GatewayAccount, PaymentMethod
from billsmith.core.payments.results import OperationResult
from billsmith.core.tenants import NewTenant, Tenant
from billsmith.gateways.fake import FakeGateway
from billsmith.gateways.port import GatewayAccount as OpenedAccount
from billsmith.gateways.port import GatewayOperation, OutcomeUnknown
from billsmith.gateways.registry import load_gateways
from billsmith.ids import IdMaker
from billsmith.store.events import Cause
from billsmith.store.money import payment_methods as method_rows
from billsmith.store.pool import Connection, Pool
from billsmith.store.transaction import transact
from billsmith.vault import Vault
from tests.actions.money.stage import Stage
from tests.contexts import TEST_KEY

BEGINS_AT = datetime(2026, 3, 15, 12, tzinfo=UTC)
LEASE_PASSED = timedelta(minutes=3)
"""After this the leases of what was cut off have ended."""
OWED, GIVEN_BACK = 10_000, 4_000

CHARGES = {
    "ok": "tok_ok",
    "lost after capture": "tok_lost_reply_after",
    "lost before capture": "tok_lost_reply_before",
    "slow": "tok_slow_20ms",
    "declined": "tok_insufficient_funds",
    "pending": "tok_pending_1d_succeed",
}
REFUNDS = {
    "ok": "tok_ok",
    "lost after capture": "tok_ok.refund_lost_reply_after",
    "lost before capture": "tok_ok.refund_lost_reply_before",
    "slow": "tok_ok.refund_slow_20ms",
    "declined": "tok_ok.refund_fails",
    "pending": "tok_ok.refund_pending_1d_succeed",
}
LOST = ("lost after capture", "lost before capture")


class World(msgspec.Struct, frozen=True):
    """What a process has to know to carry out the verb for one tenant."""

    tenant: Tenant
    customer_id: CustomerId
    method_id: PaymentMethodId
    invoice_id: InvoiceId | None
    key: str

    @property
    def call(self) -> Call:
        """The call under its idempotency key: the same, however often it is repeated."""
        keyed = Keyed(self.key, b"the same request", answer)
        return Call(self.tenant, "test", "req_crash", keyed=keyed)


class Verb(msgspec.Struct, frozen=True):
    """Something that moves money: what has to be there, and how it is asked for."""

    name: str
    tokens: dict[str, str]
    prepare: Callable[[Stage, str], Awaitable[tuple[Customer, PaymentMethod, Document | None]]]
    ask: Callable[[Context, World], Awaitable[Outcome[Any] | int]]
    keyed: bool = True
    begins_after: timedelta = timedelta(0)
    may_be_refused: bool = False
    """Where recovery is first, it may leave nothing to be done."""


def answer(result: Any) -> Answer:
    """What a door would store: the object's ids and states."""
    objects = result if isinstance(result, list) else [result.invoice if isinstance(result, Document) else result]
    told = [{"id": str(one.id), "status": one.status, "version": one.version} for one in objects]
    return Answer(200, msgspec.json.encode(told))


class Deaf(FakeGateway):
    """The fake gateway over a line that breaks: before the request arrives, or before the reply does."""

    def __init__(self, folder: Path, *, arrives: bool) -> None:
        super().__init__(folder)
        self._arrives = arrives

    async def charge(self, account: OpenedAccount, operation: GatewayOperation, at: datetime) -> OperationResult:
        """Raises OutcomeUnknown, always."""
        if self._arrives:
            await super().charge(account, operation, at)
        raise OutcomeUnknown("cut off")

    async def refund(self, account: OpenedAccount, operation: GatewayOperation, at: datetime) -> OperationResult:
        """Raises OutcomeUnknown, always."""
        if self._arrives:
            await super().refund(account, operation, at)
        raise OutcomeUnknown("cut off")


def context_at(pool: Pool, books: Path, at: datetime, gateway: FakeGateway | None = None) -> Context:
    """What a process that has just started is given, at an instant."""
    gateways = load_gateways([gateway or FakeGateway(books)], plugins=())
    ids = IdMaker(lambda: datetime.now(UTC))
    return Context(pool=pool, clock=FixedClock(at), ids=ids, gateways=gateways, vault=Vault([TEST_KEY]))


async def new_world(context: Context, verb: Verb, behaviour: str, number: int) -> World:
    """A fresh company in which the verb can be asked for, with a book of its own."""
    new = NewTenant(f"{verb.name}, {behaviour}, {number}", "EUR")
    tenant = await tenants.create_tenant(context, new, actor="test", request_id="req_crash")
    id_ = GatewayAccountId(context.ids.new(shard_of(tenant.id)))
    credentials = context.vault.seal(b'{"api_key": "fake_key"}', show_id("gateway_account", id_))
    settings = {"book": f"book-{tenant.id.hex}", "allow_live": "yes"}
    account = GatewayAccount(
        tenant.id, id_, "fake", "Fake", True, "active", None, settings, credentials, {}, 1, BEGINS_AT
    )

    async def work(connection: Connection) -> None:
        await method_rows.insert_account(connection, account)

    await transact(context.pool, work)
    stage = Stage(context, Call(tenant, "test", "req_crash"), account)
    customer, method, document = await verb.prepare(stage, behaviour)
    invoice_id = None if document is None else InvoiceId(document.invoice.id)
    return World(tenant, customer.id, method.id, invoice_id, f"key-{tenant.id.hex}")


async def _owing(stage: Stage, token: str, *, method_is_default: bool) -> tuple[Customer, PaymentMethod, Document]:
    """A customer with an open invoice that nothing collects by itself, and a method."""
    customer = await stage.customer(auto_collect=False)
    document = await stage.invoice(customer, OWED)
    method = await stage.method(customer, token)
    if method_is_default:

        async def verb(connection: Connection, cause: Cause) -> None:
            standing = await lock_standing(connection, stage.call.tenant, customer.id)
            await collect.make_default(connection, stage.context, cause, standing, method)

        await carry_out(stage.context, stage.call, verb)
    return customer, method, document


def _over(stage: Stage, behaviour: str, *, arrives: bool) -> Context:
    """The stage's context, its line to the gateway breaking as it is to; where the gateway does that itself, not."""
    gateway = (
        stage.gateway if behaviour in LOST else Deaf(stage.gateway.book(stage.opened).path.parent, arrives=arrives)
    )
    return replace(stage.context, gateways=load_gateways([gateway], plugins=()))


async def _to_collect(stage: Stage, behaviour: str) -> tuple[Customer, PaymentMethod, Document]:
    return await _owing(stage, CHARGES[behaviour], method_is_default=True)


async def _to_give_method(stage: Stage, behaviour: str) -> tuple[Customer, PaymentMethod, Document]:
    return await _owing(stage, CHARGES[behaviour], method_is_default=False)


async def _to_create(stage: Stage, behaviour: str) -> tuple[Customer, PaymentMethod, None]:
    customer = await stage.customer()
    return customer, await stage.method(customer, CHARGES[behaviour]), None


async def _paid(stage: Stage, behaviour: str) -> tuple[Customer, PaymentMethod, Document]:
    customer = await stage.customer()
    method = await stage.method(customer, REFUNDS[behaviour])
    document = await stage.invoice(customer, OWED, payment_method_id=method.id)
    assert document.invoice.status == "paid", document.invoice
    return customer, method, document


async def _charge_sent(stage: Stage, behaviour: str) -> tuple[Customer, PaymentMethod, Document]:
    """Its charge has reached the gateway, and nothing was heard of it."""
    return await _in_flight(stage, behaviour, arrives=True)


async def _charge_cut_off(stage: Stage, behaviour: str) -> tuple[Customer, PaymentMethod, Document]:
    """Its charge was begun, and cut off before it was sent."""
    return await _in_flight(stage, behaviour, arrives=False)


async def _in_flight(stage: Stage, behaviour: str, *, arrives: bool) -> tuple[Customer, PaymentMethod, Document]:
    customer, method, document = await _owing(stage, CHARGES[behaviour], method_is_default=True)
    context = _over(stage, behaviour, arrives=arrives)
    begun = (await collect.collect_invoice(context, stage.call, document.invoice.id)).fresh
    assert begun.invoice.collection_state == "processing", begun.invoice
    return customer, method, document


async def _refund_cut_off(stage: Stage, behaviour: str) -> tuple[Customer, PaymentMethod, Document]:
    customer, method, document = await _paid(stage, behaviour)
    context = _over(stage, behaviour, arrives=False)
    target = refunds.RefundTarget(invoice_id=InvoiceId(document.invoice.id))
    begun = (await refunds.refund(context, stage.call, target, NewRefund(GIVEN_BACK))).fresh
    assert begun[0].status == "pending", begun
    return customer, method, document


async def _collect(context: Context, world: World) -> Outcome[Document]:
    assert world.invoice_id is not None
    return await collect.collect_invoice(context, world.call, world.invoice_id)


async def _give_method(context: Context, world: World) -> Outcome[Document]:
    assert world.invoice_id is not None
    return await collect.give_method(context, world.call, world.invoice_id, world.method_id, default=True)


async def _create(context: Context, world: World) -> Outcome[Document]:
    details = InvoiceDetails(amount_minor=OWED, payment_method_id=world.method_id)
    return await invoices.create_invoice(context, world.call, NewInvoice(world.customer_id, details))


async def _refund(context: Context, world: World) -> Outcome[Any]:
    target = refunds.RefundTarget(invoice_id=world.invoice_id)
    return await refunds.refund(context, world.call, target, NewRefund(GIVEN_BACK))


async def _void(context: Context, world: World) -> Outcome[Document]:
    assert world.invoice_id is not None
    return await corrections.void_invoice(context, world.call, world.invoice_id, rebill=False)


async def _recover(context: Context, world: World) -> int:
    return await recovery.recover_of(context, replace(world.call, keyed=None))


VERBS = {
    verb.name: verb
    for verb in (
        Verb("collect", CHARGES, _to_collect, _collect),
        Verb("give a method", CHARGES, _to_give_method, _give_method),
        Verb("create with a method", CHARGES, _to_create, _create),
        Verb("refund", REFUNDS, _paid, _refund),
        Verb("void", {"no charge": "tok_ok"}, lambda stage, _: _to_give_method(stage, "ok"), _void),
        Verb("void, charge in flight", CHARGES, _charge_sent, _void, may_be_refused=True),
        Verb("recover a charge", CHARGES, _charge_cut_off, _recover, keyed=False, begins_after=LEASE_PASSED),
        Verb("recover a refund", REFUNDS, _refund_cut_off, _recover, keyed=False, begins_after=LEASE_PASSED),
    )
}
