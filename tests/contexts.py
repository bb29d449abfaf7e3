"""What actions are given, for tests that open a database of their own."""

from datetime import UTC, datetime

from billsmith.actions.context import Context
from billsmith.clock import Clock, FixedClock
from billsmith.gateways.external import ExternalGateway
from billsmith.gateways.registry import load_gateways
from billsmith.ids import IdMaker
from billsmith.store.pool import Pool
from billsmith.vault import Vault

TEST_KEY = "dGVzdC1rZXktdGVzdC1rZXktdGVzdC1rZXktdGVzdDA="
"""Seals the credentials of the tests' gateway accounts; as a secret it would be a poor one."""


def context_over(pool: Pool, clock: Clock | FixedClock, ids: IdMaker | None = None) -> Context:
    """A context that reaches no gateway but the external one, which calls nobody."""
    return Context(
        pool=pool,
        clock=clock,
        ids=ids or IdMaker(lambda: datetime.now(UTC)),
        gateways=load_gateways([ExternalGateway()], plugins=()),
        vault=Vault([TEST_KEY]),
    )
