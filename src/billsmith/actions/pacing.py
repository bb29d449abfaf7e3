"""How fast each gateway account is called: so many at once, so many per second, and not at all while it rests.

By process: what one account bears is a setting of the account, shared out by whoever runs several workers.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

AT_ONCE = 250
"""Calls under way, unless the account's setting `max_concurrency` says otherwise."""
MOST_AT_ONCE = 10_000
FAILURES_TO_REST = 5
"""Calls in a row that did not reach the gateway, after which it is left alone for a while."""
REST_SECONDS = 30.0


class Resting(Exception):
    """The account's turn would come too late; nothing was sent."""


class Pace:
    """One account's turns."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = {name: settings.get(name) for name in ("max_concurrency", "per_second")}
        self.at_once = _number(settings.get("max_concurrency")) or AT_ONCE
        self.per_second = _number(settings.get("per_second"))
        self._room = asyncio.Semaphore(self.at_once)
        self._next_at = 0.0
        self._rests_until = 0.0
        self._failures = 0

    @property
    def rests_seconds(self) -> float:
        """How long nothing is sent from now on."""
        return max(0.0, self._rests_until - time.monotonic())

    @contextlib.asynccontextmanager
    async def turn(self, within_seconds: float) -> AsyncIterator[None]:
        """One call's turn, once there is room for it. Raises Resting if it can't come in time."""
        try:
            async with asyncio.timeout(max(0.0, within_seconds)):
                await self._room.acquire()
        except TimeoutError:
            raise Resting from None
        try:
            await self._wait(within_seconds)
            yield
        finally:
            self._room.release()

    def reached(self) -> None:
        """The gateway was there."""
        self._failures = 0

    def not_reached(self) -> None:
        """A call did not get to the gateway; after a few in a row it rests."""
        self._failures += 1
        if self._failures >= FAILURES_TO_REST:
            self._failures = 0
            self.rest(REST_SECONDS)

    def rest(self, seconds: float) -> None:
        """Send nothing for so long: the gateway asked for it, or is not there."""
        self._rests_until = max(self._rests_until, time.monotonic() + seconds)

    def room_in(self, seconds: float) -> int | None:
        """How many turns there are in so many seconds; None: no limit was set."""
        return None if self.per_second is None else max(1, int(self.per_second * seconds))

    async def _wait(self, within_seconds: float) -> None:
        now = time.monotonic()
        begins_at = max(now, self._rests_until, self._next_at if self.per_second else 0.0)
        if begins_at - now > within_seconds:
            raise Resting
        if self.per_second:
            self._next_at = begins_at + 1 / self.per_second
        await asyncio.sleep(begins_at - now)


class Pacing:
    """The paces of all accounts."""

    def __init__(self) -> None:
        self._paces: dict[UUID, Pace] = {}

    def of(self, account_id: UUID, settings: Mapping[str, Any]) -> Pace:
        """The account's pace; a new one when its settings changed."""
        pace = self._paces.get(account_id)
        if pace is None or any(pace.settings[name] != settings.get(name) for name in pace.settings):
            pace = self._paces[account_id] = Pace(settings)
        return pace


def _number(setting: Any) -> int | None:
    """A setting as a whole number above 0; what is none sets no limit."""
    text = str(setting or "")
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        return None
    return min(int(text), MOST_AT_ONCE) or None
