"""Bodies about attempts."""

from typing import Literal

from msgspec import Struct

from billsmith.actions.money.unknown import Resolution


class AttemptToResolve(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """What a person found out about an attempt, and how: `evidence`. Without an amount, what was asked has moved."""

    outcome: Literal["succeeded", "failed"]
    evidence: str
    gateway_id: str | None = None
    amount: int | None = None
    currency: str | None = None

    def resolution(self) -> Resolution:
        """What the verb is told."""
        return Resolution(self.outcome, self.evidence, self.gateway_id, self.amount, self.currency)
