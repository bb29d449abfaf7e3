"""Bodies about the tenant itself: its keys, and a sandbox's clock."""

from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from billsmith.api.schemas.given import Instant, PolicyGiven, set_fields
from billsmith.core.tenants import Scope, TenantSettings


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


class TenantToChange(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """The policies that are to change, for everything from now on."""

    terms_days: int | UnsetType = UNSET
    collection: PolicyGiven | UnsetType = UNSET
    money_after_void: Literal["refund", "credit"] | UnsetType = UNSET
    dispute_lost: Literal["expense", "reopen"] | UnsetType = UNSET
    invoices_per: Literal["customer", "group"] | UnsetType = UNSET
    catch_up: Literal["one_invoice", "one_per_due_date"] | UnsetType = UNSET
    minimum_to_bill_minor: int | UnsetType = UNSET
    draft_window_minutes: int | UnsetType = UNSET

    def changed(self, before: TenantSettings) -> TenantSettings:
        """What core is told."""
        fields = set_fields(self, self.__struct_fields__)
        if "collection" in fields:
            fields["collection"] = fields["collection"].policy()
        return msgspec.structs.replace(before, **fields)
