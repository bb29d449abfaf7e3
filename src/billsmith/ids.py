"""The makers of ids and secrets. What an id looks like and how it is read: `core/ids.py`."""

import secrets
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from billsmith.core.ids import SHARD_BITS, SHARDS

SEQUENCE_BITS = 12
_VERSION_7 = 0x7 << 76
_VARIANT = 0b10 << 62
_RANDOM_BITS = 62 - SHARD_BITS


class IdMaker:
    """Makes UUIDv7 ids that sort in the order they were made, and carry their customer's shard in the lowest 10 bits.

    Layout, high to low: 48 bits of Unix milliseconds, version, a 12-bit sequence within the millisecond, variant, 52
    random bits, 10 bits of shard. When a millisecond's sequence runs out, or the wall clock steps back, the maker runs
    ahead of the clock rather than repeat or go back.
    """

    def __init__(
        self,
        wall: Callable[[], datetime],
        random_bits: Callable[[int], int] = secrets.randbits,
        made_of: Callable[[bytes], UUID] = lambda octets: UUID(bytes=octets),
    ) -> None:
        """`made_of` makes the id of its 16 bytes: a database's driver has a kind of its own that is quicker to send."""
        self._wall = wall
        self._random_bits = random_bits
        self._made_of = made_of
        self._last_tick = 0

    def new(self, shard: int) -> UUID:
        """A fresh id in `shard`."""
        if not 0 <= shard < SHARDS:
            raise ValueError(f"shard {shard} is not in 0..{SHARDS - 1}")
        tick = self._last_tick = max(int(self._wall().timestamp() * 1000) << SEQUENCE_BITS, self._last_tick + 1)
        number = _tick_bits(tick) | _VARIANT | self._random_bits(_RANDOM_BITS) << SHARD_BITS | shard
        return self._made_of(number.to_bytes(16))

    def many(self, count: int, shard: int) -> list[UUID]:
        """`count` fresh ids in `shard`, ascending. They share one random part; the sequence tells them apart."""
        return [self._made_of(octets) for octets in self.octets(count, shard)]

    def octets(self, count: int, shard: int) -> list[bytes]:
        """Like `many`: each id as its 16 bytes."""
        if not 0 <= shard < SHARDS:
            raise ValueError(f"shard {shard} is not in 0..{SHARDS - 1}")
        tick = max(int(self._wall().timestamp() * 1000) << SEQUENCE_BITS, self._last_tick + 1)
        self._last_tick = tick + count - 1
        tail = _VARIANT | (self._random_bits(_RANDOM_BITS) << SHARD_BITS) | shard
        return [(_tick_bits(t) | tail).to_bytes(16) for t in range(tick, tick + count)]

    def any_shard(self) -> int:
        """A shard for a new customer or tenant: each of the 1024 is equally likely."""
        return self._random_bits(SHARD_BITS)

    def secret(self) -> str:
        """256 random bits as URL-safe text, for API keys."""
        return secrets.token_urlsafe(32)


def _tick_bits(tick: int) -> int:
    milliseconds, sequence = tick >> SEQUENCE_BITS, tick & ((1 << SEQUENCE_BITS) - 1)
    return milliseconds << 80 | _VERSION_7 | sequence << 64
