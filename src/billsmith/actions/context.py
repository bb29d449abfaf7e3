"""What every action is given: where things are stored, what time it is, and who asks."""

import msgspec

from billsmith.actions.pacing import Pacing
from billsmith.clock import Clock
from billsmith.gateways.registry import Registry
from billsmith.ids import IdMaker
from billsmith.store.pool import Pool
from billsmith.vault import Vault


class Context(msgspec.Struct, frozen=True):
    """The outside of the house, made once by `wiring`: pool, both clocks, id maker, gateways and what seals secrets."""

    pool: Pool
    clock: Clock
    ids: IdMaker
    gateways: Registry
    vault: Vault
    pacing: Pacing = msgspec.field(default_factory=Pacing)
    """How fast each gateway account is called."""
