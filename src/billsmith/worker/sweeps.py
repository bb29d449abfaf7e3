"""What the worker does again and again: each sweep loops over one action, and the action does the work."""

from collections.abc import Awaitable, Callable

import msgspec

from billsmith.actions import deliver
from billsmith.actions.context import Context
from billsmith.actions.credits import expire_credits
from billsmith.actions.deliver import forget_keys, number_events


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
    Sweep("expire_credits", 60, expire_credits),
    Sweep("forget_keys", 600, forget_keys, deliver.KEYS_AT_ONCE),
)
