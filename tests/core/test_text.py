"""Text that people type: stored as it will be shown, or refused where it was given."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billsmith.core import text
from billsmith.core.parties import Address, Party, TaxId, party
from billsmith.core.text import UnusableText, block_of_text, line_of_text

LONGEST = 20
anything = st.text(st.characters(codec=None), max_size=3 * LONGEST)


def pointers(refused: pytest.ExceptionInfo[UnusableText]) -> list[str]:
    return [error.pointer for error in refused.value.errors]


@given(anything)
def test_text_is_refused_or_stored_once_and_for_all(typed: str) -> None:
    for rule in (line_of_text, block_of_text):
        try:
            stored = rule(typed, LONGEST, "/name")
        except UnusableText:
            continue
        assert rule(stored, LONGEST, "/name") == stored == unicodedata.normalize("NFC", typed)
        assert 0 < len(stored) <= LONGEST
        assert stored.strip()
        layout = set() if rule is line_of_text else set("\n\r\t")
        assert not {char for char in stored if unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"}} - layout


@pytest.mark.parametrize(
    "typed",
    ["Zoë", "שלום", "مرحبا", "\U0001f469\u200d\U0001f467", "\u202eRTL", "<img onerror=alert(1)>", "{{7*7}}",
     '=HYPERLINK("x")', "'; DROP TABLE t"],
)  # fmt: skip
def test_whatever_can_be_shown_is_kept_as_it_is(typed: str) -> None:
    assert line_of_text(typed, 100, "/name") == typed


@pytest.mark.parametrize(
    "typed",
    ["", " ", "\u00a0", "nul\x00", "bell\x07", "\x1b[31mred", "\x9b31mred", "delete\x7f", "next\x85line", "\u2028",
     "half \ud83d", "x" * 21, "e" + "\u0301" * 10_000],
)  # fmt: skip
def test_what_can_not_be_stored_or_shown_is_refused(typed: str) -> None:
    with pytest.raises(UnusableText):
        line_of_text(typed, LONGEST, "/name")
    with pytest.raises(UnusableText):
        block_of_text(typed, LONGEST, "/name")


@pytest.mark.parametrize("typed", ["two\nlines", "two\r\nlines", "a\ttab", "X: y\r\nBcc: all@example.com"])
def test_only_a_block_has_several_lines(typed: str) -> None:
    assert block_of_text(typed, 100, "/memo") == typed
    with pytest.raises(UnusableText):
        line_of_text(typed, 100, "/title")


def test_length_counts_what_is_stored_not_what_is_typed() -> None:
    assert line_of_text("e\u0301" * LONGEST, LONGEST, "/name") == "é" * LONGEST


def test_metadata_is_text_under_short_keys() -> None:
    assert text.metadata({"order": "4711", "note": ""}) == {"order": "4711", "note": ""}


@pytest.mark.parametrize(
    ("entries", "pointer"),
    [
        ({str(number): "" for number in range(text.METADATA_ENTRIES + 1)}, "/metadata"),
        ({"": "x"}, "/metadata"),
        ({"k" * (text.METADATA_KEY_LENGTH + 1): "x"}, "/metadata"),
        ({"two\nlines": "x"}, "/metadata"),
        ({"a/b~c": "\x00"}, "/metadata/a~1b~0c"),
        ({"k": "v" * (text.METADATA_VALUE_LENGTH + 1)}, "/metadata/k"),
        ({"caf\u00e9": "one", "cafe\u0301": "two"}, "/metadata"),  # the same key, typed in two ways: neither is dropped
    ],
)
def test_unusable_metadata_is_refused_where_it_is(entries: dict[str, str], pointer: str) -> None:
    with pytest.raises(UnusableText) as refused:
        text.metadata(entries)
    assert pointers(refused) == [pointer]


@given(st.lists(st.text("ab0_.:-", min_size=1, max_size=5), max_size=8))
def test_tags_are_stored_once_and_sorted(words: list[str]) -> None:
    given_words = tuple(word for word in words if word[0] in "ab0")
    assert text.tags(given_words) == tuple(sorted(set(given_words))) == text.tags(text.tags(given_words))


@pytest.mark.parametrize("word", ["", "Hidden", "-x", "ä", "two words", "x" * (text.TAG_LENGTH + 1), "x\n"])
def test_what_is_no_tag(word: str) -> None:
    with pytest.raises(UnusableText) as refused:
        text.tags(("fine", word))
    assert pointers(refused) == ["/tags/1"]


def test_too_many_tags_are_refused() -> None:
    with pytest.raises(UnusableText):
        text.tags(tuple(f"tag{number}" for number in range(text.TAGS + 1)))


@given(st.dictionaries(st.text(max_size=5), st.just(1), min_size=1, max_size=1))
def test_a_key_is_one_step_of_a_pointer(keys: dict[str, int]) -> None:
    (key,) = keys
    step = text.escape_pointer(key)
    assert "/" not in step
    assert step.replace("~1", "/").replace("~0", "~") == key


ADDRESS = Address("1 Main St", None, "Köln", "", "50667", "DE")


def test_a_party_is_stored_as_given() -> None:
    seller = Party("Steve's Cloud", ADDRESS, (TaxId("eu_vat", "DE123456789"),))
    assert party(seller) == seller
    assert party(Party("x")) == Party("x", Address(), ())


@pytest.mark.parametrize(
    ("given_party", "pointer"),
    [
        (Party(""), "/seller/name"),
        (Party("x" * (text.NAME_LENGTH + 1)), "/seller/name"),
        (Party("x", Address(country="de")), "/seller/address/country"),
        (Party("x", Address(country="DEU")), "/seller/address/country"),
        (Party("x", Address(country="D\n")), "/seller/address/country"),
        (Party("x", Address(city="two\nlines")), "/seller/address/city"),
        (Party("x", tax_ids=(TaxId("eu_vat", "1"), TaxId("", "2"))), "/seller/tax_ids/1/type"),
        (Party("x", tax_ids=(TaxId("eu_vat", "\x00"),)), "/seller/tax_ids/0/value"),
    ],
)
def test_an_unusable_party_is_refused_where_it_is(given_party: Party, pointer: str) -> None:
    with pytest.raises(UnusableText) as refused:
        party(given_party, "/seller")
    assert pointers(refused) == [pointer]
