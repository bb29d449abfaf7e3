"""What a sandbox's gateways will tell on the way of its clock: when, and hearing it at that instant.

A gateway that lives in its caller's time, as the fake one does, tells what will have changed by an instant that is yet
to come. One with a clock of its own knows of none; what it tells is heard wherever the sandbox's clock stands.
"""

from datetime import datetime

from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.money.attempts import opened_account
from billsmith.actions.money.webhooks import pull_account
from billsmith.core.payments.methods import GatewayAccount
from billsmith.core.tenants import Tenant
from billsmith.gateways import calling, port
from billsmith.gateways.registry import NoSuchGateway
from billsmith.store.money import payment_methods as method_rows
from billsmith.store.transaction import no_transaction_open
from billsmith.vault import SecretNotOpenable

UNREACHABLE = (*calling.NAMED, NoSuchGateway, SecretNotOpenable)


async def hear_changes_of(context: Context, call: Call) -> int:
    """Ask a sandbox's gateways what has changed by its clock, and record it; how many events were news.

    One that can't be asked stops no other.
    """
    heard = 0
    for account in await _asked(context, call.tenant):
        try:
            heard += await pull_account(context, call, account)
        except UNREACHABLE:
            continue
    return heard


async def next_change(context: Context, tenant: Tenant, until: datetime) -> datetime | None:
    """The first instant behind the sandbox's clock, up to `until`, at which a gateway has something to tell."""
    now = context.clock.of(tenant)
    found: list[datetime] = []
    for account in await _asked(context, tenant):
        try:
            found += [event.happened_at for event in await _foretold(context, tenant, account, now, until)]
        except UNREACHABLE:
            continue
    return min((at for at in found if now < at <= until), default=None)


async def _asked(context: Context, tenant: Tenant) -> list[GatewayAccount]:
    return [one for one in await method_rows.list_accounts(context.pool, tenant.id) if one.status != "paused"]


async def _foretold(
    context: Context, tenant: Tenant, account: GatewayAccount, since: datetime, until: datetime
) -> tuple[port.GatewayEvent, ...]:
    gateway = context.gateways.gateway(account.gateway)
    opened = opened_account(context, tenant, account)
    if not calling.capabilities_of(gateway, opened).lists_changes:
        return ()
    changes = await calling.call_gateway(
        lambda: gateway.list_changes(opened, since, until), port.Changes, assert_no_transaction=no_transaction_open
    )
    return changes.events
