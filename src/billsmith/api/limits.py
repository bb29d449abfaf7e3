"""Limits of one caller: how large a request may be, and how often a key may ask."""

import time
from collections.abc import Callable

from starlette.requests import Request

from billsmith.api.problems import BodyTooLarge, TooManyRequests
from billsmith.core.ids import KeyId

LARGEST_BODY = 1 << 20
REQUESTS_PER_SECOND = 5000
"""Per key and process, unless told otherwise."""

_KEYS_REMEMBERED = 10_000


class RateLimit:
    """A token bucket per key, refilled by monotonic time; it holds what two seconds bring."""

    def __init__(self, per_second: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._most = 2.0 * per_second
        self._monotonic = monotonic
        self._buckets: dict[KeyId, tuple[float, float]] = {}

    def take(self, key_id: KeyId) -> None:
        """One request of this key. Raises TooManyRequests."""
        at = self._monotonic()
        left, since = self._buckets.get(key_id, (self._most, at))
        left = min(self._most, left + (at - since) * self._per_second)
        if left < 1:
            self._buckets[key_id] = (left, at)
            raise TooManyRequests(f"this key may ask {self._per_second} times a second; try again in a moment")
        if len(self._buckets) >= _KEYS_REMEMBERED and key_id not in self._buckets:
            self._buckets.clear()  # forgives everybody once; cheaper than looking for who has rested
        self._buckets[key_id] = (left - 1, at)


async def body_within(request: Request, largest: int = LARGEST_BODY) -> bytes:
    """The whole body, whether its length was announced or not. Raises BodyTooLarge as soon as it is known."""
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced[:20]) > largest:
        raise _too_large(largest)
    chunks, length = [], 0
    async for chunk in request.stream():
        length += len(chunk)
        if length > largest:
            raise _too_large(largest)
        chunks.append(chunk)
    return b"".join(chunks)


def _too_large(largest: int) -> BodyTooLarge:
    return BodyTooLarge(f"a body may have {largest} bytes; send less at once")
