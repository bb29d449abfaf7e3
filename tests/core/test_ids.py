"""Ids as they are shown: one canonical text per id, sorted like the ids, with the shard inside."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billsmith.core.ids import (
    PREFIXES,
    SHARDS,
    TEXT_LENGTH,
    MalformedId,
    find_id,
    maybe_show_id,
    read_id,
    shard_of,
    show_id,
)
from billsmith.errors import NotFound

uuids = st.integers(0, 2**128 - 1).map(lambda number: UUID(int=number))
kinds = st.sampled_from(sorted(PREFIXES))


@given(kinds, uuids)
def test_what_is_shown_reads_back(kind: str, id_: UUID) -> None:
    text = show_id(kind, id_)
    assert text == text.lower()
    assert text.startswith(PREFIXES[kind] + "_")
    assert len(text) == len(PREFIXES[kind]) + 1 + TEXT_LENGTH
    assert read_id(kind, text) == find_id(kind, text) == id_
    assert maybe_show_id(kind, id_) == text


@given(uuids, uuids)
def test_texts_sort_like_their_ids(one: UUID, other: UUID) -> None:
    assert (one < other) == (show_id("invoice", one) < show_id("invoice", other))


@given(uuids)
def test_the_shard_is_the_lowest_ten_bits(id_: UUID) -> None:
    assert shard_of(id_) == id_.int % SHARDS
    assert shard_of(UUID(int=id_.int >> 10 << 10)) == 0


@given(kinds, st.text(max_size=40) | st.text("0123456789abcdefghjkmnpqrstvwxyz", min_size=26, max_size=26))
def test_any_text_is_refused_or_canonical(kind: str, text: str) -> None:
    for candidate in (text, f"{PREFIXES[kind]}_{text}"):
        try:
            assert show_id(kind, read_id(kind, candidate)) == candidate
        except MalformedId:
            with pytest.raises(NotFound):
                find_id(kind, candidate)


GOOD = show_id("invoice", UUID(int=2**128 - 1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "inv_",
        GOOD[4:],
        GOOD.upper(),
        GOOD[:-1],
        GOOD + "z",
        GOOD.replace("inv_", "cus_"),
        GOOD.replace("inv_", "inv-"),
        GOOD.replace("inv_", "x_inv_"),
        GOOD[:4] + "8" + GOOD[5:],  # more than 128 bits
        *(GOOD[:-1] + letter for letter in "ilou-_ é\x00"),
        "'; DROP TABLE invoices; --",
        str(UUID(int=1)),
        "inv_" + "0" * 10_000,
    ],
)
def test_malformed_ids_are_refused(text: str) -> None:
    with pytest.raises(MalformedId):
        read_id("invoice", text)


def test_nothing_is_shown_for_no_id() -> None:
    assert maybe_show_id("invoice", None) is None


def test_prefixes_are_different_and_fit_into_a_text() -> None:
    assert len(set(PREFIXES.values())) == len(PREFIXES)
    assert all(prefix.isascii() and prefix.islower() and "_" not in prefix for prefix in PREFIXES.values())
