"""What the worker does again and again: each sweep loops over one action, and the action does the work."""

from collections.abc import Awaitable, Callable

import msgspec

from billsmith.actions import deliver
from billsmith.actions.billing import drafts, runs
from billsmith.actions.catalog_moves import carry_on_catalog_moves
from billsmith.actions.context import Context
from billsmith.actions.credits import expire_credits
from billsmith.actions.deliver import forget_keys, number_events
from billsmith.actions.money import bulk, collect, hearsay, recovery, refunds, webhooks
from billsmith.actions.subscriptions.settling import settle_changes_due
from billsmith.worker.figures import measure


class Sweep(msgspec.Struct, frozen=True):
    """One kind of work that falls due by itself."""

    name: str
    every_seconds: float
    """How long to wait when there was nothing more to do."""
    run: Callable[[Context], Awaitable[int]]
    """Does a batch, and tells how much that was."""
    more_from: int = 1
    """From this much done on it is run again at once: more is likely to be waiting."""


# They take what belongs to live tenants and to sandboxes in the real time. A sandbox whose clock was moved is left out:
# moving its clock does what is due there.
SWEEPS = (
    # Once a full batch waits it goes on at once; below that a pause gathers many small commits into one.
    Sweep("number_events", 0.2, number_events, deliver.TRANSACTIONS_AT_ONCE),
    # Runs at boot, too: what was cut off with the process before is asked about at once, or when its lease is over.
    Sweep("recover_cut_off", 20, recovery.recover_cut_off, recovery.SWEEP),
    Sweep("ask_about_waiting", 60, recovery.ask_about_waiting, recovery.SWEEP),
    Sweep("collect_due", 5, collect.collect_due, collect.SWEEP),
    Sweep("refunds_due", 5, refunds.refunds_due, refunds.SWEEP),
    Sweep("gateway_events", 5, hearsay.look_into_gateway_events, hearsay.SWEEP),
    Sweep("pull_changes", 60, webhooks.pull_changes, webhooks.SWEEP),
    Sweep("bulk_refunds", 5, bulk.carry_on_bulk_refunds),
    Sweep("catalog_moves", 5, carry_on_catalog_moves),
    Sweep("expire_credits", 60, expire_credits),
    Sweep("settle_changes", 5, settle_changes_due),
    Sweep("finalise_drafts", 15, drafts.finalise_due, drafts.SWEEP),
    Sweep("bill_due", 5, runs.bill_due),
    Sweep("forget_keys", 600, forget_keys, deliver.KEYS_AT_ONCE),
    Sweep("figures", 30, measure),
)
