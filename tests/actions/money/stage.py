"""A sandbox company with a fake gateway account, customers and methods; what really moved is in its book."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import msgspec

from billsmith.actions import customers, invoices, tenants
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.invoices import NewInvoice
from billsmith.actions.money import accounts
from billsmith.actions.money.attempts import opened_account
from billsmith.core.customers import Customer, CustomerDetails
from billsmith.core.ids import PaymentMethodId, shard_of
from billsmith.core.invoices import Document, InvoiceDetails
from billsmith.core.payments.accounts import AccountDetails
from billsmith.core.payments.methods import GatewayAccount, PaymentMethod
from billsmith.core.tenants import NewTenant, TenantSettings
from billsmith.gateways.fake import FakeGateway
from billsmith.store.money import payment_methods as method_rows
from billsmith.store.pool import Connection
from billsmith.store.transaction import transact

STARTS_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Stage(msgspec.Struct):
    """The company, its account, and verbs of the tests."""

    context: Context
    call: Call
    account: GatewayAccount

    @property
    def gateway(self) -> FakeGateway:
        """The fake gateway's other side."""
        gateway = self.context.gateways.gateway("fake")
        assert isinstance(gateway, FakeGateway)
        return gateway

    @property
    def opened(self) -> Any:
        """The account as the gateway knows it."""
        return opened_account(self.context, self.call.tenant, self.account)

    async def customer(self, name: str = "Tim", **fields: Any) -> Customer:
        """A new customer."""
        return (await customers.create_customer(self.context, self.call, CustomerDetails(name, **fields))).fresh

    async def method(self, customer: Customer, token: str = "tok_ok", kind: Any = "card") -> PaymentMethod:
        """A payment method that is ready to be used."""
        method = PaymentMethod(
            PaymentMethodId(self.context.ids.new(shard_of(customer.id))), self.call.tenant.id, customer.id,
            self.account.id, token, kind, "active", "visa", "4242", 2030, 1, None, None, {}, 1, STARTS_AT, STARTS_AT,
        )  # fmt: skip

        async def work(connection: Connection) -> None:
            await method_rows.insert_methods(connection, [method])

        await transact(self.context.pool, work)
        return method

    async def invoice(self, customer: Customer, amount: int = 10_000, **fields: Any) -> Document:
        """A new invoice, finalised; collected at once if there is a method."""
        new = NewInvoice(customer.id, InvoiceDetails(amount_minor=amount, **fields))
        return (await invoices.create_invoice(self.context, self.call, new)).fresh

    async def read(self, document: Document) -> Document:
        """The invoice as it is now."""
        return await invoices.get_invoice(self.context, self.call.tenant, document.invoice.id)

    async def moved(self, at: datetime | None = None) -> Counter[str]:
        """By what was done, what the gateway's book says has moved: positive to us, in minor units."""
        total: Counter[str] = Counter()
        for movement in await self.gateway.movements(self.opened, at or self.context.clock.of(self.call.tenant)):
            total[movement.what] += movement.amount_minor
        return total


async def new_stage(
    context: Context, *, book: str, settings: TenantSettings | None = None, clock_at: datetime | None = STARTS_AT
) -> Stage:
    """A fresh company whose clock stands at noon of 1 March 2026; with None it lives in the real time."""
    tenant = await tenants.create_tenant(
        context,
        NewTenant("Steve's Cloud", "EUR", mode="sandbox", clock_at=clock_at, settings=settings or TenantSettings()),
        actor="test",
        request_id="req_test",
    )
    call = Call(tenant, "test", "req_test")
    given = AccountDetails("Fake", settings={"book": book})
    credentials = {"api_key": "fake_key", "webhook_secret": "whsec_dGVzdA=="}
    account = (await accounts.create_account(context, call, "fake", given, credentials)).fresh
    return Stage(context, call, account)
