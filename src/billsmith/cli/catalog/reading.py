"""A catalogue's file as a document, strictly: no guessing of types, no key twice; and the line on which each place is.

Prices and percentages stay text, so that no number becomes a float on the way: `19.90` is what was written.
"""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import yaml

from billsmith.core.text import escape_pointer
from billsmith.errors import Invalid

LARGEST_FILE = 16 * 1024 * 1024
DEEPEST = 40
MOST_VALUES = 1_000_000
"""Of a file with everything that it repeats by `*name`."""

_TAG = "tag:yaml.org,2002:"
_WORDS = {"true": True, "True": True, "false": False, "False": False, "null": None, "~": None, "": None}
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_KEEPS_TEXT = {"prices", "percent"}
"""Of charges: numbers of these names, or right below them, stay as they were written."""


class CatalogFileUnreadable(Invalid):
    """A file that is no YAML or JSON, or has two meanings."""

    code = "catalog_file_unreadable"


class CatalogFile(msgspec.Struct, frozen=True):
    """What a file says, and on which line each place of it begins, by JSON pointer."""

    path: Path
    document: Any
    lines: dict[str, int]

    def place(self, pointer: str) -> str:
        """`pricing.yml:42` for a place, or for what it is in."""
        at = pointer
        while at and at not in self.lines:
            at = at.rpartition("/")[0]
        line = self.lines.get(at)
        return str(self.path) if line is None else f"{self.path}:{line}"


def read_catalog_file(path: Path) -> CatalogFile:
    """The file, JSON if it is called so, YAML otherwise. Raises CatalogFileUnreadable."""
    try:
        octets = path.read_bytes()
        text = octets.decode("utf-8-sig")
    except OSError as error:
        raise CatalogFileUnreadable(f"{path} can't be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise CatalogFileUnreadable(f"{path} is not UTF-8") from None
    if len(octets) > LARGEST_FILE:
        raise CatalogFileUnreadable(f"{path} is larger than a catalogue can be")
    if path.suffix == ".json":
        return CatalogFile(path, _json(path, text), {})
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f":{error.problem_mark.line + 1}"
        raise CatalogFileUnreadable(f"{path}{line}: {error.problem or 'this is no YAML'}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise CatalogFileUnreadable(f"{path}: this is no YAML: {error}"[:300]) from None
    lines: dict[str, int] = {}
    document = {} if node is None else _Reader(path, lines).value(node, ())
    return CatalogFile(path, document, lines)


def _json(path: Path, text: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise CatalogFileUnreadable(f"{path}: one object has the field {twice[:80]!r} twice")
        return found

    try:
        return json.loads(text, object_pairs_hook=unique)
    except RecursionError:
        raise CatalogFileUnreadable(f"{path}: this JSON is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise CatalogFileUnreadable(f"{path}:{error.lineno}: {error.msg}") from None
    except ValueError as error:
        raise CatalogFileUnreadable(f"{path}: {error}"[:300]) from None


class _Reader:
    """Makes a document of YAML's nodes, and notes their lines."""

    def __init__(self, path: Path, lines: dict[str, int]) -> None:
        self._path = path
        self._lines = lines
        self._above: list[int] = []
        self._values = 0

    def value(self, node: Any, steps: tuple[str, ...]) -> Any:
        """What a node says."""
        self._lines["".join(f"/{escape_pointer(step)}" for step in steps)] = node.start_mark.line + 1
        self._values += 1
        if len(steps) > DEEPEST or id(node) in self._above or self._values > MOST_VALUES:
            raise self._unreadable(node, "this is nested too deeply, or says too much")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, steps)
        self._above.append(id(node))
        try:
            if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
                return [self.value(entry, (*steps, str(nth))) for nth, entry in enumerate(node.value)]
            if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
                return self._mapping(node, steps)
        finally:
            self._above.pop()
        raise self._unreadable(node, f"{node.tag} has no meaning here")

    def _mapping(self, node: Any, steps: tuple[str, ...]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, entry in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self._unreadable(key, "a name is needed here")
            if key.tag == f"{_TAG}merge":
                merged |= self._merged(entry, steps)
                continue
            name = str(key.value)
            if name in found:
                raise self._unreadable(key, f"the field {name[:80]!r} is there twice")
            found[name] = self.value(entry, (*steps, name))
            self._lines["".join(f"/{escape_pointer(step)}" for step in (*steps, name))] = key.start_mark.line + 1
        return merged | found

    def _merged(self, node: Any, steps: tuple[str, ...]) -> dict[str, Any]:
        """What `<<: *other` takes over."""
        if not isinstance(node, yaml.MappingNode):
            raise self._unreadable(node, "only one other object can be taken over here")
        value = self.value(node, steps)
        assert isinstance(value, dict)
        return value

    def _scalar(self, node: Any, steps: tuple[str, ...]) -> Any:
        text = str(node.value)
        if node.style is not None or ("charges" in steps and _KEEPS_TEXT & {*steps[-2:]}):
            return text
        if not node.tag.startswith(_TAG):
            raise self._unreadable(node, f"{node.tag} has no meaning here")
        if text in _WORDS:
            return _WORDS[text]
        return int(text) if _WHOLE.fullmatch(text) else text

    def _unreadable(self, node: Any, said: str) -> CatalogFileUnreadable:
        return CatalogFileUnreadable(f"{self._path}:{node.start_mark.line + 1}: {said}")
