"""The checks, as they are written in checks/*.sql: blocks `-- name: …`, a sentence on what is proven, one query.

A query gives one row per difference: tenant_id, object, figure, expected, stored. `$1` is the tenant, or null for all.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "checks"
_BLOCK = re.compile(r"^-- name: (\w+)\n-- ([^\n]+)\n(.*?)(?=^-- name: |\Z)", re.MULTILINE | re.DOTALL)
_ONE_FIGURE = re.compile(r"'(\w+)' AS figure\b")
_FIGURES = re.compile(r"LATERAL \(VALUES\n(.*?)\n\) AS figures", re.DOTALL)
_NAME = re.compile(r"^ {4}\('(\w+)',", re.MULTILINE)
_READ = re.compile(r"\b(?:FROM|JOIN) (\w+)\b")


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

    def rows_read(self, rows: Mapping[str, int]) -> int:
        """How many rows it reads where tables have so many: about what it takes."""
        return sum(rows.get(name, 0) for name in _READ.findall(self.sql))


def read_checks() -> list[Check]:
    """Every check, in the order in which they are written."""
    return [
        Check(name, proves, text.strip().removesuffix(";"))
        for file in sorted(FOLDER.glob("*.sql"))
        for name, proves, text in _BLOCK.findall(file.read_text())
    ]
