"""Gateways' events come in: pushed with a signature, or pulled. They are kept at once, and looked into afterwards."""

import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.money.accounts import GatewayAccountNotFound
from billsmith.actions.money.attempts import opened_account, pause_account
from billsmith.actions.money.hearsay import LEASE, look_into
from billsmith.actions.money.sweeping import NOBODYS_FAULT, of_each_tenant, worker_call
from billsmith.core.ids import GatewayEventId, shard_of, show_id
from billsmith.core.payments.events import StoredEvent
from billsmith.core.payments.methods import GatewayAccount
from billsmith.core.tenants import Tenant
from billsmith.errors import Invalid
from billsmith.gateways import calling, port
from billsmith.gateways.registry import NoSuchGateway
from billsmith.store import tenants as tenant_rows
from billsmith.store.money import gateway_events as event_rows
from billsmith.store.money import payment_methods as method_rows
from billsmith.store.money.gateway_events import PullDue, Told
from billsmith.store.pool import Connection
from billsmith.store.transaction import no_transaction_open, transact
from billsmith.vault import SecretNotOpenable

SWEEP = 100
PULL_EVERY = timedelta(minutes=15)
"""What a webhook did not bring is heard of so much later at most."""
LONGEST_TEXT = 255
_NOT_KEPT = ("authorization", "cookie", "proxy-authorization")


class WebhookNotBelieved(Invalid):
    """A webhook of one of our accounts that must not be believed; it names whose it claims to be."""

    code = "gateway_webhook_not_believed"

    def __init__(self, detail: str, gateway: str) -> None:
        super().__init__(detail)
        self.gateway = gateway


class Received(msgspec.Struct, frozen=True, gc=False):
    """What a webhook brought: what of it was news, to be looked into once it has been answered."""

    tenant: Tenant
    gateway: str
    told: int
    stored: int
    """How many of them were not known before."""
    news: tuple[Told, ...]


async def receive_webhook(context: Context, account_id: UUID, headers: Mapping[str, str], body: bytes) -> Received:
    """Keep what a gateway tells of an account, if its signature holds.

    Raises GatewayAccountNotFound; WebhookNotBelieved: then nothing is stored.
    """
    account = await method_rows.find_account(context.pool, account_id)
    if account is None:
        raise GatewayAccountNotFound(f"there is no gateway account {show_id('gateway_account', account_id)}")
    tenant = await tenant_rows.get_tenant(context.pool, account.tenant_id)
    assert tenant is not None
    try:
        events = _parsed(context, tenant, account, headers, body)
    except port.WebhookRefused as error:
        raise WebhookNotBelieved(error.detail, account.gateway) from error
    kept = {name: value for name, value in headers.items() if name.lower() not in _NOT_KEPT}
    stored, news = await _keep(context, account, events, dict(port.redacted(kept)), body)
    return Received(tenant, account.gateway, len(events), stored, news)


async def look_into_received(context: Context, received: Received) -> None:
    """Look into what a webhook brought, at once; what can't be done now is done by the sweep."""
    call = worker_call(context, received.tenant, "a gateway's event")
    with contextlib.suppress(*NOBODYS_FAULT):
        await look_into(context, call, received.news)


async def pull_changes(context: Context) -> int:
    """Ask the gateways of all who live in the real time what has changed; how many accounts were asked."""
    due = await event_rows.pulls_due(context.pool, context.clock.wall(), SWEEP)
    return await of_each_tenant(context, due, _pull_these, "pulled from the gateway")


async def pull_changes_of(context: Context, call: Call) -> int:
    """Ask one tenant's gateways what has changed by its own clock; how many events were news."""
    accounts = await method_rows.list_accounts(context.pool, call.tenant.id)
    return sum([await pull_account(context, call, account) for account in accounts if account.status != "paused"])


async def pull_account(context: Context, call: Call, account: GatewayAccount) -> int:
    """Ask one gateway what has changed since it was last asked, and look into it; how many events were news."""
    next_pull_at = context.clock.wall() + PULL_EVERY
    await event_rows.pulled(context.pool, account.tenant_id, account.id, None, next_pull_at)  # also if this fails
    try:
        gateway = context.gateways.gateway(account.gateway)
        opened = opened_account(context, call.tenant, account)
    except (NoSuchGateway, SecretNotOpenable):  # its attempts and "test connection" tell of it; nothing is lost here
        return 0
    at = context.clock.of(call.tenant)
    if not calling.capabilities_of(gateway, opened).lists_changes:
        await event_rows.pulled(context.pool, account.tenant_id, account.id, at, next_pull_at)
        return 0
    since = await event_rows.changes_until(context.pool, account.tenant_id, account.id)
    try:
        changes = await calling.call_gateway(
            lambda: gateway.list_changes(opened, since, at), port.Changes, assert_no_transaction=no_transaction_open
        )
    except port.GatewayError as error:
        if isinstance(error, port.AuthFailed):
            await pause_account(context, call, account.id, error.detail)
        return 0
    _, news = await _keep(context, account, [event for event in changes.events if _is_sound(event)], {}, b"")
    await event_rows.pulled(context.pool, account.tenant_id, account.id, min(changes.until, at), next_pull_at)
    await look_into(context, call, news)
    return len(news)


async def _pull_these(context: Context, call: Call, due: Sequence[PullDue]) -> None:
    for one in due:
        account = await method_rows.get_account(context.pool, call.tenant.id, one.id)
        assert account is not None
        await pull_account(context, call, account)


def _parsed(
    context: Context, tenant: Tenant, account: GatewayAccount, headers: Mapping[str, str], body: bytes
) -> list[port.GatewayEvent]:
    """The events in a webhook. Raises WebhookRefused; OutcomeUnknown, so that it comes again, if the plugin fails."""
    gateway = context.gateways.gateway(account.gateway)
    opened = opened_account(context, tenant, account)
    try:
        events = gateway.parse_webhook(opened, headers, body, context.clock.of(tenant))
    except port.GatewayError:
        raise
    except Exception as error:
        raise port.OutcomeUnknown(f"the gateway's plugin failed: {type(error).__name__}") from error
    if not all(_is_sound(event) for event in events):
        raise port.WebhookRefused(f"an event has an id, a type and ids of up to {LONGEST_TEXT} printable characters")
    return list(events)


def _is_sound(event: port.GatewayEvent) -> bool:
    """Whether its texts can be stored."""
    texts = (event.id, event.type, event.operation_id or "-", event.gateway_id or "-")
    return all(text and len(text) <= LONGEST_TEXT and text.isprintable() for text in texts)


async def _keep(
    context: Context,
    account: GatewayAccount,
    events: Sequence[port.GatewayEvent],
    headers: dict[str, str],
    body: bytes,
) -> tuple[int, tuple[Told, ...]]:
    """Store events as they came; how many were not known before, and which of those are to be looked into."""
    if not events:
        return 0, ()
    wall = context.clock.wall()
    rows = [_row(context, account, event, wall) for event in {event.id: event for event in events}.values()]

    async def work(connection: Connection) -> list[GatewayEventId]:
        return await event_rows.insert_gateway_events(connection, rows, headers, body)

    new = set(await transact(context.pool, work))
    return len(new), tuple(Told(row.tenant_id, row.id) for row in rows if row.id in new and row.status == "received")


def _row(context: Context, account: GatewayAccount, event: port.GatewayEvent, wall: datetime) -> StoredEvent:
    """As it is stored first: due once whoever received it had time to look into it."""
    known = event.kind in ("operation", "dispute", "method")
    return StoredEvent(
        tenant_id=account.tenant_id,
        id=GatewayEventId(context.ids.new(shard_of(account.tenant_id))),
        gateway_account_id=account.id,
        gateway_event_id=event.id,
        kind=event.kind if known else "other",
        type=event.type,
        operation_kind=event.operation_kind,
        operation_id=event.operation_id,
        gateway_id=event.gateway_id,
        happened_at=event.happened_at,
        status="received" if known else "ignored",
        detail=None,
        suspended_minor=None,
        currency=None,
        tries=0,
        received_at=wall,
        next_try_at=wall + LEASE,
    )
