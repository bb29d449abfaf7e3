"""The maker of ids: UUIDv7, strictly ascending whatever the clock does, the shard kept, the time inside."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billsmith.clock import FixedClock
from billsmith.core.ids import SHARDS, shard_of, show_id
from billsmith.ids import IdMaker

NOON = datetime(2026, 3, 15, 12, 0, 0, 123_000, tzinfo=UTC)
shards = st.integers(0, SHARDS - 1)


def maker_at(at: datetime = NOON) -> tuple[IdMaker, FixedClock]:
    """A maker and the clock it reads."""
    clock = FixedClock(at)
    return IdMaker(clock.wall), clock


def made_at(id_: UUID) -> datetime:
    """The instant inside an id."""
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=id_.int >> 80)


@given(shards)
def test_an_id_is_a_uuid_of_version_7_with_its_shard_and_time(shard: int) -> None:
    id_ = maker_at()[0].new(shard)
    assert (id_.version, id_.variant) == (7, RFC_4122)
    assert shard_of(id_) == shard
    assert made_at(id_) == NOON


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-(10**7), 10**7), st.integers(0, 50), shards), max_size=30))
def test_ids_ascend_whatever_the_clock_does(steps: list[tuple[int, int, int]]) -> None:
    maker, clock = maker_at()
    made: list[UUID] = []
    for milliseconds, count, shard in steps:
        clock.at += timedelta(milliseconds=milliseconds)
        fresh = maker.many(count, shard)
        assert len(fresh) == count
        assert {shard_of(id_) for id_ in fresh} <= {shard}
        made += [*fresh, maker.new(shard)]
    assert all(earlier < later for earlier, later in pairwise(made))
    assert [show_id("invoice", id_) for id_ in made] == sorted(show_id("invoice", id_) for id_ in made)
    assert all(id_.version == 7 and id_.variant == RFC_4122 for id_ in made)


def test_a_clock_that_stands_still_runs_out_of_a_millisecond_without_repeating() -> None:
    maker, _ = maker_at()
    made = [*maker.many(5000, 7), *(maker.new(7) for _ in range(5000))]
    assert len(set(made)) == 10_000
    assert made == sorted(made)
    assert made_at(made[0]) == NOON
    assert made_at(made[4095]) == NOON
    assert made_at(made[4096]) == NOON + timedelta(milliseconds=1)


def test_a_clock_that_steps_back_is_not_followed_until_it_catches_up() -> None:
    maker, clock = maker_at()
    before = maker.new(1)
    clock.at = NOON - timedelta(days=1)
    behind = maker.new(1)
    assert behind > before
    assert made_at(behind) == NOON
    clock.at = NOON + timedelta(seconds=1)
    assert made_at(maker.new(1)) == clock.at


def test_two_makers_with_one_clock_do_not_meet() -> None:
    clock = FixedClock(NOON)
    makers = [IdMaker(clock.wall) for _ in range(200)]
    made = [id_ for maker in makers for id_ in maker.many(20, 3)]
    assert len(set(made)) == len(made)


def test_none_asked_for_none_made() -> None:
    maker, _ = maker_at()
    first = maker.new(0)
    assert maker.many(0, 0) == []
    assert maker.new(0) > first


@pytest.mark.parametrize("shard", [-1, SHARDS])
def test_a_shard_that_does_not_exist_is_a_mistake_of_ours(shard: int) -> None:
    with pytest.raises(ValueError, match=r"is not in 0\.\.1023"):
        maker_at()[0].new(shard)


def test_any_shard_is_one_that_exists() -> None:
    maker, _ = maker_at()
    assert {maker.any_shard() for _ in range(20_000)} == set(range(SHARDS))


def test_secrets_are_long_and_never_the_same() -> None:
    maker, _ = maker_at()
    secrets = {maker.secret() for _ in range(1000)}
    assert len(secrets) == 1000
    assert all(len(secret) == 43 for secret in secrets)
