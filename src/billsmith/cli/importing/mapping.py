"""Which column of a file is which field of a document."""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter

import msgspec

from billsmith.errors import Invalid

FIELDS = (
    "document", "customer", "customer_name", "walk_in", "issued_on", "due_on", "currency", "title", "memo",
    "name", "type", "quantity", "unit", "unit_price", "amount", "volume", "period_start", "period_end",
    "discount_percent", "tax_percent", "tax_inclusive",
)  # fmt: skip
"""What can be mapped. `amount` and `unit_price` are major units, dates ISO 8601; `walk_in` names who buys without being
a customer (for instance a country)."""

REQUIRED = ("document", "issued_on")
METADATA = "metadata."

Values = tuple[str, ...]
"""What is kept of a row: the values of its mapped columns, then of its metadata columns."""


class MappingInvalid(Invalid):
    """A mapping that names unknown fields or columns, or leaves out what is needed."""

    code = "mapping_invalid"


class ColumnMapping(msgspec.Struct, frozen=True):
    """For every field the position of its column, or None; and the metadata keys with theirs."""

    positions: tuple[int | None, ...]
    metadata: tuple[tuple[str, int], ...]

    @property
    def document(self) -> int:
        """The column that names the document."""
        position = self.positions[FIELDS.index("document")]
        assert position is not None
        return position

    def picker(self) -> Callable[[Sequence[str]], Values]:
        """Takes a row's mapped values out of it."""
        mapped = [position for position in self.positions if position is not None]
        return itemgetter(*mapped, *(position for _, position in self.metadata))  # at least three: see `resolve`

    def unpacker(self) -> Callable[[Values], tuple[Values, Values]]:
        """Makes of picked values (every field in the order of FIELDS, missing ones empty; the metadata values)."""
        mapped = sum(position is not None for position in self.positions)
        numbers = iter(range(mapped))
        whole = itemgetter(*(-1 if position is None else next(numbers) for position in self.positions))

        def unpack(picked: Values) -> tuple[Values, Values]:
            values = tuple(map(str.strip, picked))
            return whole((*values[:mapped], "")), values[mapped:]

        return unpack


def parse_mapping(words: Sequence[str]) -> dict[str, str]:
    """`field=Column` words as they stand on the command line. Raises MappingInvalid."""
    mapping: dict[str, str] = {}
    for word in words:
        field, sign, column = word.partition("=")
        if not sign or not column:
            raise MappingInvalid(f"{word!r} is no mapping; write field=Column, for instance document=InvoiceNo")
        if field not in FIELDS and not (field.startswith(METADATA) and field != METADATA):
            raise MappingInvalid(f"{field!r} is no field; there are {', '.join(FIELDS)} and metadata.KEY")
        if mapping.get(field, column) != column:
            raise MappingInvalid(f"{field} is mapped twice, to {mapping[field]!r} and to {column!r}")
        mapping[field] = column
    return mapping


def resolve(mapping: Mapping[str, str], columns: Sequence[str]) -> ColumnMapping:
    """Find the mapped columns in a file's header; a field that is not mapped is the column of its own name, if any.

    Raises MappingInvalid naming the column.
    """
    found = {name: position for position, name in enumerate(columns)}
    for field, column in mapping.items():
        if column not in found:
            raise MappingInvalid(f"{field} is to be {column!r}, but the columns are {', '.join(columns)}")
    named = {field: mapping.get(field, field) for field in FIELDS}
    positions = {field: found.get(column) for field, column in named.items()}
    for field in REQUIRED:
        if positions[field] is None:
            raise MappingInvalid(
                f"no column is {field}; say which of {', '.join(columns)} with --map {field}=COLUMN"
                if columns
                else "this file is empty: it has no header"
            )
    if positions["customer"] is None and positions["walk_in"] is None:
        raise MappingInvalid("no column is customer; say which with --map customer=COLUMN")
    metadata = {
        column.removeprefix(METADATA): position for column, position in found.items() if column.startswith(METADATA)
    } | {field.removeprefix(METADATA): found[column] for field, column in mapping.items() if field.startswith(METADATA)}
    resolved = ColumnMapping(tuple(positions[field] for field in FIELDS), tuple(sorted(metadata.items())))
    _none_twice(resolved, columns)
    return resolved


def _none_twice(resolved: ColumnMapping, columns: Sequence[str]) -> None:
    """Of two columns with one name nobody can say which is meant."""
    used = {position for position in resolved.positions if position is not None}
    for position in used | {position for _, position in resolved.metadata}:
        if columns.count(columns[position]) > 1:
            raise MappingInvalid(f"several columns are called {columns[position]!r}; rename all but one")
