"""Writes that need not see each other, sent to the server as one statement: one round trip instead of one each."""

import re
from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec

from billsmith.store.pool import Connection

FEW = 12
"""Up to so many rows of one table an INSERT is cheaper than COPY, which has to be parsed and waited for on its own."""

_PARAMETER = re.compile(r"\$(\d+)")
_composed: dict[tuple[str, ...], str] = {}


class Together:
    """Gathers statements that bring nothing back, and sends them as one. Beyond `FEW` rows a table is copied at once.

    All of them see the database as it was before: no two may change the same row, and none may read what another
    writes. A foreign key between their tables is fine, it is checked at the end of the statement.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._statements: list[str] = []
        self._values: list[Any] = []

    async def execute(self, statement: str, *values: Any) -> None:
        """Send it with the others."""
        self._statements.append(statement)
        self._values += values

    async def copy_records_to_table(self, table: str, *, records: Any, columns: Any) -> None:
        """Rows that are too many to be sent with the others."""
        await self._connection.copy_records_to_table(table, records=records, columns=columns)

    async def send(self) -> None:
        """Send what was gathered."""
        if not self._statements:
            return
        statements, values = tuple(self._statements), self._values
        self._statements, self._values = [], []
        text = _composed.get(statements)
        if text is None:
            text = _composed[statements] = _compose(statements)
        await self._connection.execute(text, *values)


Writer: TypeAlias = Connection | Together
"""Where rows are written to: at once, or together with others."""


async def insert_rows(
    writer: Writer, table: str, columns: Sequence[str], records: Sequence[tuple[Any, ...]], statement: str
) -> None:
    """Write new rows: few by `statement`, which takes them as one JSON array, many by COPY."""
    if len(records) > FEW:
        await writer.copy_records_to_table(table, records=records, columns=columns)
    elif records:
        objects = [dict(zip(columns, record, strict=True)) for record in records]
        await writer.execute(statement, msgspec.json.encode(objects, enc_hook=str).decode())


def _compose(statements: Sequence[str]) -> str:
    """`WITH one AS (…) two`: the parameters are numbered through, in the order of the statements."""
    parts, before = [], 0
    for statement in statements:
        parts.append(_renumbered(statement, before).rstrip("; \n"))
        before += max(int(number) for number in _PARAMETER.findall(statement))
    if len(parts) == 1:
        return parts[0]
    named = ",\n".join(f"write_{nth} AS (\n{part}\n)" for nth, part in enumerate(parts[:-1]))
    return f"WITH {named}\n{parts[-1]}"


def _renumbered(statement: str, before: int) -> str:
    """The statement with its parameters behind so many others."""
    return _PARAMETER.sub(lambda found: f"${int(found[1]) + before}", statement)
