"""Bodies about plans; the catalogue itself is read by core, which names every mistake in it at once."""

from msgspec import Struct

from billsmith.core.catalog.rules import CancelPolicy


class PlanToRetire(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """`cancel`: when the subscriptions on it are to be cancelled; null or left out, they are kept."""

    cancel: CancelPolicy | None = None
