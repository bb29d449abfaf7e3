"""Bodies about the tenant itself: its keys, and a sandbox's clock."""

from msgspec import Struct

from billsmith.api.schemas.given import Instant
from billsmith.core.tenants import Scope


class KeyToCreate(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """A new key: what it is for, and what it may do (`write` includes `read`, `admin` both)."""

    name: str
    scopes: list[Scope]


class ClockToMove(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Where a sandbox's clock is to stand: not before where it stands now.

    With `jump` it stands there at once, and what fell due on the way is worked off then, as after a long outage.
    """

    to: Instant
    jump: bool = False
