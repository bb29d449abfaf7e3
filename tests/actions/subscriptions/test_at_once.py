"""Several verbs on one subscription at once: in some order, each whole; a deleted customer is never billed."""

import asyncio
from decimal import Decimal

import pytest

from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.customers import CustomerOwes, delete_customer
from billsmith.actions.saving import ExternalIdTaken
from billsmith.actions.subscriptions.asking import QuantityChange
from billsmith.core.customers import Customer, CustomerDeleted
from billsmith.core.subscriptions.cancelling import Cancel
from billsmith.core.subscriptions.group import SubscriptionOver
from billsmith.core.subscriptions.pausing import AlreadyPaused, Pause
from billsmith.core.tenants import Tenant
from billsmith.store.pool import Pool
from billsmith.store.selling import subscriptions as subscription_rows
from tests.actions.subscriptions.made import asked, one, sell

EXPECTED = (AlreadyPaused, SubscriptionOver, CustomerDeleted, CustomerOwes)


@pytest.fixture(autouse=True)
async def catalogue(context: Context, call: Call) -> None:
    await sell(context, call)


async def test_pausing_cancelling_and_deleting_meet_and_each_is_whole(
    context: Context, call: Call, tenant: Tenant, tim: Customer, pool: Pool
) -> None:
    made = await one(context, call, tim, bill="later")
    verbs = [
        asked(context, call, made.id, Pause(), "later"),
        asked(context, call, made.id, QuantityChange(Decimal(4)), "later"),
        delete_customer(context, call, tim.id),
        asked(context, call, made.id, Pause(), "later"),
        asked(context, call, made.id, Cancel("immediate"), "later"),
    ]
    ended = await asyncio.gather(*verbs, return_exceptions=True)
    assert [one_ for one_ in ended if isinstance(one_, BaseException) and not isinstance(one_, EXPECTED)] == []
    row = (await subscription_rows.get_subscriptions(pool, tenant.id, [made.id]))[made.id]
    assert (row.status, row.next_bill_on, row.next_change_at) == ("cancelled", None, None)


async def test_eight_pauses_at_once_are_one(context: Context, call: Call, tim: Customer) -> None:
    made = await one(context, call, tim)
    ended = await asyncio.gather(*(asked(context, call, made.id, Pause()) for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(one_, AlreadyPaused) for one_ in ended) == 7


async def test_one_external_id_is_taken_once_by_eight_at_once(context: Context, call: Call, tim: Customer) -> None:
    ended = await asyncio.gather(
        *(one(context, call, tim, external_id="s-1") for _ in range(8)), return_exceptions=True
    )
    assert sum(isinstance(one_, ExternalIdTaken) for one_ in ended) == 7
