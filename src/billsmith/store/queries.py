"""Named SQL: `sql/*.sql` holds blocks `-- name: …`, each one statement; a module loads its family once at import."""

import re
from pathlib import Path

FOLDER = Path(__file__).parent / "sql"
_BLOCK = re.compile(r"^-- name: (\w+)\n(.*?)(?=^-- name: |\Z)", re.MULTILINE | re.DOTALL)


def load(family: str) -> dict[str, str]:
    """The statements of `sql/<family>.sql` by name, as written."""
    return {name: text.strip() for name, text in _BLOCK.findall((FOLDER / f"{family}.sql").read_text())}
