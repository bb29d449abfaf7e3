"""When a gateway is asked again about what it has not decided. Rule: docs/rules/payments.md"""

from datetime import datetime, timedelta

from billsmith.core.payments.payment import Attempt
from billsmith.core.payments.results import OperationResult, OperationStatus

DAY = timedelta(days=1)
_FIRST = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 30))
_HOURLY = timedelta(hours=1)
_LAST_HOURLY = len(_FIRST) + 24
"""Looks, after which a day passes until the next."""


def next_look(attempt: Attempt, result: OperationResult, at: datetime) -> datetime | None:
    """When to ask again about an attempt of which this is heard at `at`; None: it has ended.

    What is unknown or waits for the customer: soon, then every hour, after a day once a day. What is pending: when the
    gateway means to have decided it.
    """
    match result.status:
        case OperationStatus.UNKNOWN:
            return min(at + _pause(attempt.checks), _day_ends(attempt, at))
        case OperationStatus.REQUIRES_ACTION:
            return at + max(_pause(attempt.checks), _HOURLY)
        case OperationStatus.PENDING | OperationStatus.AUTHORIZED:
            settles_at = result.settles_at or attempt.settles_at
            return settles_at if settles_at is not None and settles_at > at else at + DAY
        case _:
            return None


def another_day_unknown(attempt: Attempt) -> bool:
    """Whether the look that is due is the one at the end of a further day: then it is told again."""
    if attempt.status != "unknown" or attempt.next_check_at is None:
        return False
    since = attempt.next_check_at - attempt.created_at
    return since >= DAY and not since % DAY


def _pause(checks: int) -> timedelta:
    if checks < len(_FIRST):
        return _FIRST[checks]
    return _HOURLY if checks < _LAST_HOURLY else DAY


def _day_ends(attempt: Attempt, at: datetime) -> datetime:
    """The end of the day, counted from its creation, in which the attempt now is."""
    passed = max(at - attempt.created_at, timedelta(0)) // DAY
    return attempt.created_at + (passed + 1) * DAY
