"""Looks at what is stored and at what the gateway's book says, for tests about money that moves by itself."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec

from billsmith.actions.calls import Call, carry_out
from billsmith.actions.money import collect, recovery
from billsmith.actions.money.collect import begin_charges
from billsmith.actions.saving import lock_standing, lock_standings
from billsmith.core.customers import Customer
from billsmith.core.invoices import Document
from billsmith.core.payments.methods import GatewayAccount, PaymentMethod
from billsmith.core.payments.payment import Attempt, Payment
from billsmith.store import invoices as invoice_rows
from billsmith.store.events import Cause
from billsmith.store.money import payment_methods as method_rows
from billsmith.store.money import payments as payment_rows
from billsmith.store.pool import Connection
from tests.actions.money.stage import Stage

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


async def charged(stage: Stage, token: str, amount: int = 10_000, **fields: Any) -> tuple[Customer, Document]:
    """A customer with this method, and an invoice that was collected with it at once, however that ended."""
    customer = await stage.customer()
    method = await stage.method(customer, token)
    return customer, await stage.invoice(customer, amount, payment_method_id=method.id, **fields)


async def attempts_of(stage: Stage, document: Document) -> list[Attempt]:
    """Every attempt of an invoice, oldest first."""
    found = await payment_rows.attempts_of_invoice(stage.context.pool, stage.call.tenant.id, document.invoice.id)
    return sorted(found, key=lambda attempt: attempt.id)


async def attempt_of(stage: Stage, document: Document) -> Attempt:
    """Its only attempt."""
    (attempt,) = await attempts_of(stage, document)
    return attempt


async def payment_of(stage: Stage, attempt: Attempt) -> Payment:
    """The attempt's payment."""
    return (await payment_rows.get_payments(stage.context.pool, stage.call.tenant.id, [attempt.payment_id]))[
        attempt.payment_id
    ]


async def state(stage: Stage, document: Document) -> tuple[str, str | None, str | None]:
    """Status, collection state and reason of an invoice."""
    invoice = (await stage.read(document)).invoice
    return invoice.status, invoice.collection_state, invoice.collection_reason


async def recover_everything(stage: Stage) -> int:
    """What the worker's two sweeps do for this company alone, by the clock as it stands."""
    return await recovery.recover_of(stage.context, of_worker(stage))


def of_worker(stage: Stage) -> Call:
    """A call as the worker makes it."""
    return msgspec.structs.replace(stage.call, actor="worker")


def statuses(attempts: Sequence[Attempt]) -> list[str]:
    """Their statuses."""
    return [attempt.status for attempt in attempts]


async def begun_and_killed(stage: Stage, document: Document) -> Attempt:
    """The attempt of a sender that was killed after its first transaction, before it called the gateway."""
    tenant = stage.call.tenant

    async def verb(connection: Connection, cause: Cause) -> None:
        standings = await lock_standings(connection, tenant, [document.invoice.customer_id])
        locked = await invoice_rows.lock_invoices(connection, tenant.id, [document.invoice.id])
        await begin_charges(connection, stage.context, cause, standings, list(locked.values()))

    await carry_out(stage.context, stage.call, verb)
    return (await attempts_of(stage, document))[-1]


async def owed(stage: Stage, token: str, amount: int = 10_000) -> Document:
    """An invoice that has this method and waits for somebody to collect it."""
    customer = await stage.customer(auto_collect=False)
    method = await stage.method(customer, token)
    await make_default(stage, customer, method)
    return await stage.invoice(customer, amount)


async def make_default(stage: Stage, customer: Customer, method: PaymentMethod) -> None:
    """The method is the customer's default from now on."""

    async def verb(connection: Connection, cause: Cause) -> None:
        standing = await lock_standing(connection, stage.call.tenant, customer.id)
        await collect.make_default(connection, stage.context, cause, standing, method)

    await carry_out(stage.context, stage.call, verb)


async def account_of(stage: Stage) -> GatewayAccount:
    """The gateway account as it is now."""
    account = await method_rows.get_account(stage.context.pool, stage.call.tenant.id, stage.account.id)
    assert account is not None
    return account


async def resume(stage: Stage) -> None:
    """Somebody mended the account."""
    account = msgspec.structs.replace(await account_of(stage), status="active", paused_because=None)
    async with stage.context.pool.acquire() as connection:
        await method_rows.update_account(connection, account)
