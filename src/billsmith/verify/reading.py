"""The checks, as they are written in checks/*.sql: blocks `-- name: …`, a sentence on what is proven, one query.

A query gives one row per difference: tenant_id, object, figure, expected, stored. `$1` is the tenant, or null for all.
"""

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "checks"
_BLOCK = re.compile(r"^-- name: (\w+)\n-- ([^\n]+)\n(.*?)(?=^-- name: |\Z)", re.MULTILINE | re.DOTALL)
_ONE_FIGURE = re.compile(r"'(\w+)' AS figure\b")
_FIGURES = re.compile(r"LATERAL \(VALUES\n(.*?)\n\) AS figures", re.DOTALL)
_NAME = re.compile(r"^ {4}\('(\w+)',", re.MULTILINE)
_LARGE = re.compile(r"\bFROM (?:transfers|invoice_lines|events|event_numbers)\b")


@dataclass(frozen=True)
class Check:
    """One thing that is proven: its name, what it proves as a sentence, and the query that finds differences."""

    name: str
    proves: str
    sql: str

    @property
    def figures(self) -> tuple[str, ...]:
        """The figures this check can name."""
        several = _FIGURES.search(self.sql)
        return tuple(_NAME.findall(several[1]) if several else _ONE_FIGURE.findall(self.sql))

    @property
    def scans(self) -> int:
        """How often it reads a large table from end to end, by which the longest checks are begun first."""
        return len(_LARGE.findall(self.sql))


def read_checks() -> list[Check]:
    """Every check, those that take longest first."""
    found = [
        Check(name, proves, text.strip().removesuffix(";"))
        for file in sorted(FOLDER.glob("*.sql"))
        for name, proves, text in _BLOCK.findall(file.read_text())
    ]
    return sorted(found, key=lambda check: -check.scans)
