"""Text that people type: what can be stored and shown, whichever door it came through."""

import re
import unicodedata

from billsmith.errors import Invalid

METADATA_ENTRIES = 50
METADATA_KEY_LENGTH = 40
METADATA_VALUE_LENGTH = 500
TAGS = 20
TAG_LENGTH = 40
EXTERNAL_ID_LENGTH = 200
NAME_LENGTH = 250
TITLE_LENGTH = 250
MEMO_LENGTH = 5000
DESCRIPTION_LENGTH = 1000
WORD_LENGTH = 100
"""Units, volumes, categories."""

STATEMENT_LENGTHS = (5, 22)
"""Of a statement text: what Visa and Mastercard print at the least and at the most."""

HIDDEN_TAG = "hidden"
"""A record with this tag is left out of lists unless it is asked for."""

# NFC joins at most four code points into one, and takes time that grows with the square of a run of combining marks:
# what can't become short enough is refused unnormalised.
_MOST_PARTS = 4
# With U+0080 to U+009F: a terminal that shows U+009B takes what follows for a command.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_STATEMENT = re.compile(r"[ !#-&(-)+-;=?-\[\]-~]+")
_TAG = re.compile(r"[a-z0-9][a-z0-9_.:-]*")


class UnusableText(Invalid):
    """A text that can't be stored or shown: too long, with control characters, or half a character."""

    code = "unusable_text"


def line_of_text(text: str, longest: int, pointer: str, *, empty: bool = False) -> str:
    """A text on one line, NFC-normalised, as it will be stored. Raises UnusableText."""
    if "\n" in text or "\r" in text or "\t" in text:
        raise UnusableText("this text must be on one line, without tabs", pointer=pointer)
    return block_of_text(text, longest, pointer, empty=empty)


def block_of_text(text: str, longest: int, pointer: str, *, empty: bool = False) -> str:
    """A text that may have several lines, NFC-normalised. Raises UnusableText."""
    if len(text) > _MOST_PARTS * longest:
        raise _too_long(len(text), longest, pointer)
    if text.isascii() and text.isprintable():
        usable = text
    elif _CONTROL.search(text) or _SURROGATE.search(text):
        raise UnusableText("this text has control characters or broken characters in it", pointer=pointer)
    else:
        usable = unicodedata.normalize("NFC", text)
    if len(usable) > longest:
        raise _too_long(len(usable), longest, pointer)
    if not empty and not usable.strip():
        raise UnusableText("this text is empty", pointer=pointer)
    return usable


def _too_long(length: int, longest: int, pointer: str) -> UnusableText:
    return UnusableText(f"this text has {length} characters; {longest} are allowed", pointer=pointer)


def metadata(entries: dict[str, str], pointer: str = "/metadata") -> dict[str, str]:
    """The caller's own notes: at most 50 entries of text. Raises UnusableText."""
    if len(entries) > METADATA_ENTRIES:
        raise UnusableText(f"metadata has {len(entries)} entries; {METADATA_ENTRIES} are allowed", pointer=pointer)
    stored = {
        line_of_text(key, METADATA_KEY_LENGTH, pointer): block_of_text(
            value, METADATA_VALUE_LENGTH, pointer_under(pointer, key), empty=True
        )
        for key, value in entries.items()
    }
    if len(stored) < len(entries):
        raise UnusableText("two keys of metadata are the same text, typed in two ways", pointer=pointer)
    return stored


def statement_text(text: str, pointer: str = "/appears_on_statement_as") -> str:
    """What a payer's bank prints, within the card networks' limits. Raises UnusableText."""
    if not STATEMENT_LENGTHS[0] <= len(text) <= STATEMENT_LENGTHS[1]:
        raise UnusableText(
            f"a statement text has {STATEMENT_LENGTHS[0]} to {STATEMENT_LENGTHS[1]} characters, this one {len(text)}",
            pointer=pointer,
        )
    if not _STATEMENT.fullmatch(text) or not any(character.isalpha() for character in text):
        raise UnusableText(
            "a statement text is printable ASCII without < > \\ ' \" * and has at least one letter", pointer=pointer
        )
    return text


def tags(words: tuple[str, ...], pointer: str = "/tags") -> tuple[str, ...]:
    """Tags as stored: lower-case words, each once, sorted. Raises UnusableText."""
    if len(words) > TAGS:
        raise UnusableText(f"there are {len(words)} tags; {TAGS} are allowed", pointer=pointer)
    for position, word in enumerate(words):
        if len(word) > TAG_LENGTH or not _TAG.fullmatch(word):
            raise UnusableText(
                f"a tag has up to {TAG_LENGTH} of a-z, 0-9, _ . : - and starts with a letter or digit",
                pointer=f"{pointer}/{position}",
            )
    return tuple(sorted(set(words)))


def escape_pointer(key: str) -> str:
    """A key as one step of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def pointer_under(pointer: str, key: str) -> str:
    """Where the value of a key stands in an object that stands at `pointer`."""
    return f"{pointer}/{escape_pointer(key)}"
