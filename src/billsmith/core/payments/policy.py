"""Collection policy: when a failed charge is tried again, and when no more. Rule: docs/rules/collection.md"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from billsmith.errors import Invalid

MOST_RETRIES = 15
LONGEST_RETRY_DAYS = 60
NETWORK_WINDOW = timedelta(days=30)
TRANSPORT_RETRY = timedelta(minutes=5)
"""After a call that surely never reached the gateway: soon, and not counted as a try."""


class CollectionPolicy(msgspec.Struct, frozen=True, gc=False):
    """When to try again by itself, and what to do after the last try."""

    mode: Literal["automatic", "on_update"] = "automatic"
    """`on_update`: never by itself; tell, wait for a new method, then collect."""
    retry_after_days: tuple[int, ...] = (1, 3, 5, 7)
    """Days after the try before."""
    after_last: Literal["stay_open", "write_off"] = "stay_open"
    most_tries: int = MOST_RETRIES
    """In 30 days, whatever the schedule says: the card networks' rule."""


class CollectionPolicyInvalid(Invalid):
    """A policy that the networks do not allow, or that makes no sense."""

    code = "collection_policy_invalid"


COLLECTION_ENDED: Mapping[str, Any] = {
    "collection_state": None,
    "collection_reason": None,
    "next_collect_at": None,
}
"""What an invoice has in place of a plan once there is nothing to collect."""


def checked_policy(policy: CollectionPolicy, pointer: str = "/collection_policy") -> CollectionPolicy:
    """The policy itself. Raises CollectionPolicyInvalid."""
    if len(policy.retry_after_days) > MOST_RETRIES or not 1 <= policy.most_tries <= MOST_RETRIES:
        raise CollectionPolicyInvalid(
            f"the card networks allow {MOST_RETRIES} tries in 30 days", pointer=f"{pointer}/retry_after_days"
        )
    if not all(1 <= days <= LONGEST_RETRY_DAYS for days in policy.retry_after_days):
        raise CollectionPolicyInvalid(
            f"a retry comes 1 to {LONGEST_RETRY_DAYS} days after the try before it",
            pointer=f"{pointer}/retry_after_days",
        )
    return policy


def retry_at(policy: CollectionPolicy, tries: int, tries_in_window: int, at: datetime) -> datetime | None:
    """When to try again after `tries` counted tries, the last of them at `at`; None: no more.

    `tries_in_window` are all calls for this debt with this card in the last 30 days, this one too.
    """
    if policy.mode == "on_update" or tries > len(policy.retry_after_days) or tries_in_window >= policy.most_tries:
        return None
    return at + timedelta(days=policy.retry_after_days[max(tries, 1) - 1])
