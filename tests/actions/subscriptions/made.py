"""What tests of subscriptions start from: a catalogue, and short ways to subscribe and to ask for changes."""

from datetime import UTC, date, datetime
from typing import Any

from billsmith.actions import catalog as catalogs
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.subscriptions.asking import Asked
from billsmith.actions.subscriptions.changing import alter
from billsmith.actions.subscriptions.saving import Bill, Done
from billsmith.actions.subscriptions.starting import Order, subscribe
from billsmith.core.catalog.given import catalog_given
from billsmith.core.customers import Customer
from billsmith.core.ids import SubscriptionId
from billsmith.core.subscriptions.group import Group
from billsmith.core.subscriptions.starting import NewSubscription
from billsmith.core.subscriptions.subscription import Subscription
from billsmith.core.tenants import Tenant
from tests.actions.made import told


def recurring(code: str, price: str, length: str = "monthly", **more: Any) -> dict[str, Any]:
    """A charge in euro."""
    return {
        "code": code, "kind": "recurring", "name": code.title(), "length": length, "prices": {"EUR": price}, **more,
    }  # fmt: skip


def evergreen(*charges: dict[str, Any]) -> dict[str, Any]:
    """A phase without an end."""
    return {"kind": "evergreen", "charges": list(charges)}


CLOUD: dict[str, Any] = {
    "products": {
        "server": {"name": "Server", "kind": "base", "add_ons": ["backup", "support"]},
        "cluster": {"name": "Cluster", "kind": "base", "add_ons": ["support"]},
        "backup": {"name": "Backup", "kind": "add_on"},
        "support": {"name": "Support", "kind": "add_on"},
        "domain": {"name": "Domain", "kind": "standalone"},
    },
    "plans": {
        "server": {"product": "server", "name": "Server", "phases": [evergreen(recurring("server", "20"))]},
        "server-trial": {
            "product": "server",
            "name": "Server on trial",
            "phases": [{"kind": "trial", "duration": "14 days"}, evergreen(recurring("server", "20"))],
        },
        "server-big": {"product": "server", "name": "Big server", "phases": [evergreen(recurring("server", "50"))]},
        "cluster": {"product": "cluster", "name": "Cluster", "phases": [evergreen(recurring("cluster", "300"))]},
        "backup": {"product": "backup", "name": "Backup", "phases": [evergreen(recurring("backup", "5"))]},
        "support": {"product": "support", "name": "Support", "phases": [evergreen(recurring("support", "9"))]},
        "domain": {"product": "domain", "name": "Domain", "phases": [evergreen(recurring("domain", "12", "annual"))]},
    },
}


async def sell(context: Context, call: Call, document: Any = CLOUD) -> None:
    """Make everything in the document be sold, ever since."""
    await catalogs.apply_catalog(context, call, catalog_given(document))


async def started(
    context: Context,
    call: Call,
    owner: Customer,
    plan: str = "server",
    *add_ons: str,
    bill: Bill = "now",
    **fields: Any,
) -> Done:
    """A subscription, with add-ons if they are named."""
    order = Order(NewSubscription(plan, **fields), tuple(NewSubscription(code) for code in add_ons))
    return (await subscribe(context, call, owner.id, order, bill)).fresh


async def one(context: Context, call: Call, owner: Customer, plan: str = "server", **fields: Any) -> Subscription:
    """One subscription alone."""
    made = await started(context, call, owner, plan, **fields)
    return made.group.lead.subscription


async def asked(context: Context, call: Call, id_: SubscriptionId, change: Asked, bill: Bill = "now") -> Subscription:
    """The subscription after what was asked of it."""
    return row(await alter_group(context, call, id_, change, bill), id_)


async def alter_group(context: Context, call: Call, id_: SubscriptionId, change: Asked, bill: Bill = "now") -> Group:
    """The group after what was asked of one of it."""
    return (await alter(context, call, id_, change, bill)).fresh.group


async def told_of_subscriptions(context: Context, tenant: Tenant, after: int = 0) -> list[str]:
    """What was told of subscriptions behind an event, in order; what billing told is left out."""
    return [type_ for type_ in await told(context, tenant, after) if type_.startswith("subscription.")]


def row(group: Group, id_: SubscriptionId) -> Subscription:
    """One of a group."""
    return next(member.subscription for member in group.members if member.subscription.id == id_)


def at(on: str, hour: int = 12) -> datetime:
    """An instant of a day, UTC."""
    return datetime.combine(date.fromisoformat(on), datetime.min.time(), UTC).replace(hour=hour)
