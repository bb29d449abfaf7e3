"""The two clocks: `wall()` for machinery, `of(tenant)` for every date a customer can see. Nobody else asks."""

from datetime import UTC, datetime, timedelta
from typing import Protocol


class OwnTime(Protocol):
    """Whatever may have a time of its own: a tenant. None = it lives in the real time."""

    @property
    def clock_at(self) -> datetime | None: ...


class Clock:
    """Machine time, corrected by its offset to the database's, so that several hosts agree. All instants are UTC."""

    def __init__(self) -> None:
        self._offset = timedelta(0)

    def wall(self) -> datetime:
        """Now, for leases, deliveries, rate limits, keys and ids."""
        return datetime.now(UTC) + self._offset

    def of(self, tenant: OwnTime) -> datetime:
        """Now, as the tenant sees it: a sandbox whose clock was set stands at that instant until it is moved."""
        return tenant.clock_at or self.wall()

    def follow(self, database_at: datetime) -> None:
        """Take over the database's time, as just read from it."""
        self._offset = database_at - datetime.now(UTC)


class FixedClock(Clock):
    """A clock that stands still until it is told otherwise, for tests."""

    def __init__(self, at: datetime) -> None:
        super().__init__()
        self.at = at

    def wall(self) -> datetime:
        return self.at

    def follow(self, database_at: datetime) -> None:
        """A fixed clock follows nobody."""
