"""Whether a subscription may be used, since when, and until when. Rule: docs/rules/change-and-cancel.md"""

from datetime import datetime

import msgspec

from billsmith.core.subscriptions.timeline import State, Timeline, Versions, moments, state_at


class Entitlement(msgspec.Struct, frozen=True, gc=False):
    """What is so at an instant, and how long that has been and will be the same."""

    state: State
    since: datetime | None
    """None: it was never otherwise, because it has not started yet."""
    until: datetime | None
    """None: nothing is known that will change it."""


def entitlement_at(timeline: Timeline, versions: Versions, at: datetime, zone: str) -> Entitlement:
    """The entitlement at an instant. `since` and `until` are when the answer became and becomes another."""
    state = state_at(timeline, versions, at, zone)
    since, until = None, None
    known = moments(timeline, versions, zone)
    for moment in reversed([moment for moment in known if moment.at <= at]):
        if moment.state.entitled != state.entitled:
            break
        since = moment.at
    for moment in known:
        if moment.at > at and moment.state.entitled != state.entitled:
            until = moment.at
            break
    return Entitlement(state, since, until)
