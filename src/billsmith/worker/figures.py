"""Figures about money that waits, for Prometheus: looked at every half minute, of all tenants together."""

from prometheus_client import Gauge

from billsmith.actions.context import Context
from billsmith.core.payments.payment import LIVE_STATUSES
from billsmith.store.money import gateway_events
from billsmith.store.money import payments as payment_rows
from billsmith.store.selling import runs as run_rows

UNDECIDED = Gauge("billsmith_attempts_undecided", "Attempts that are not decided, by status.", ["status"])
PARKED = Gauge("billsmith_parked", "What could not be worked on, or needs a person's attention.", ["kind"])


async def measure(context: Context) -> int:
    """Take the figures; nothing is worked off by it."""
    undecided = await payment_rows.count_undecided(context.pool)
    for status in LIVE_STATUSES:
        UNDECIDED.labels(status).set(undecided.get(status, 0))
    for kind, rows in (await payment_rows.count_parked(context.pool)).items():
        PARKED.labels(kind).set(rows)
    PARKED.labels("customer_billing").set(await run_rows.count_parked_customers(context.pool))
    for_review = await gateway_events.count_for_review(context.pool)
    for status in ("orphan", "parked"):
        PARKED.labels(f"gateway_event_{status}").set(for_review.get(status, 0))
    return 0
