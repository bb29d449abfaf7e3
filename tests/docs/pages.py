"""Reading the rule pages: their tables, each with the name of what computes it.

Above a table stands `<!-- computed: NAME key=value … -->`. Its columns in bold are answers, the others are what is
given; `tests/docs/examples.py` holds a function of that name, which gives the answers again.
"""

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.house.source_tree import ROOT

RULES = ROOT / "docs" / "rules"
_MARKER = re.compile(r"<!-- computed: (.*) -->")
_BOLD = re.compile(r"\*\*(.+)\*\*")

Row = dict[str, str]
Example = Callable[[list[Row], Row], list[Row]]
"""From the given columns of every row, and the marker's options, to the answers of every row."""


class Table(NamedTuple):
    """A table of a page; `example` is None where no marker says what computes it."""

    page: str
    line: int
    example: str | None
    options: Row
    given: list[Row]
    answers: list[Row]


def rule_pages() -> list[Path]:
    """Every page of docs/rules/, by name."""
    return sorted(RULES.glob("*.md"))


def tables_of(page: Path) -> Iterator[Table]:
    """The tables of a page from top to bottom."""
    lines = page.read_text().splitlines()
    for number, line in enumerate(lines):
        if line.startswith("|") and not lines[number - 1].startswith("|"):
            yield _table(page, lines, number)


def _table(page: Path, lines: list[str], start: int) -> Table:
    marker = _MARKER.fullmatch(lines[start - 2]) if not lines[start - 1] else _MARKER.fullmatch(lines[start - 1])
    example, *options = shlex.split(marker[1]) if marker else [""]
    end = next((n for n in range(start, len(lines)) if not lines[n].startswith("|")), len(lines))
    header, _, *rows = [_cells(line) for line in lines[start:end]]
    return Table(
        page.name,
        start + 1,
        example or None,
        dict(option.split("=", maxsplit=1) for option in options),
        [{name: cell for name, cell in zip(header, row, strict=True) if not _BOLD.fullmatch(name)} for row in rows],
        [
            {bold[1]: cell for name, cell in zip(header, row, strict=True) if (bold := _BOLD.fullmatch(name))}
            for row in rows
        ],
    )


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]
