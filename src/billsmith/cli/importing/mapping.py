"""Which column of a file is which field of a document."""

from collections.abc import Mapping, Sequence

import msgspec

from billsmith.errors import Invalid

FIELDS = (
    "document", "customer", "customer_name", "walk_in", "issued_on", "due_on", "currency", "title", "memo",
    "name", "type", "quantity", "unit", "unit_price", "amount", "volume", "period_start", "period_end",
    "discount_percent", "tax_percent", "tax_inclusive",
)  # fmt: skip
"""What can be mapped. `amount` and `unit_price` are major units, dates ISO 8601; `walk_in` names who buys without being
a customer (for instance a country)."""

METADATA = "metadata."

_REQUIRED = ("document", "issued_on")


class MappingInvalid(Invalid):
    """A mapping that names unknown fields or columns, or leaves out what is needed."""

    code = "mapping_invalid"


class ColumnMapping(msgspec.Struct, frozen=True):
    """For every field the position of its column, or None; and the metadata keys with theirs."""

    positions: tuple[int | None, ...]
    metadata: tuple[tuple[str, int], ...]


def parse_mapping(words: Sequence[str]) -> dict[str, str]:
    """`field=Column` words as they stand on the command line. Raises MappingInvalid."""
    mapping = {}
    for word in words:
        field, sign, column = word.partition("=")
        if not sign or not column:
            raise MappingInvalid(f"{word!r} is no mapping; write field=Column, for instance document=InvoiceNo")
        if field not in FIELDS and not (field.startswith(METADATA) and field != METADATA):
            raise MappingInvalid(f"{field!r} is no field; there are {', '.join(FIELDS)} and metadata.KEY")
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
    for field in _REQUIRED:
        if positions[field] is None:
            raise MappingInvalid(f"no column is {field}; say which with --map {field}=COLUMN")
    if positions["customer"] is None and positions["walk_in"] is None:
        raise MappingInvalid("no column is customer; say which with --map customer=COLUMN")
    metadata = {
        column.removeprefix(METADATA): position for column, position in found.items() if column.startswith(METADATA)
    } | {field.removeprefix(METADATA): found[column] for field, column in mapping.items() if field.startswith(METADATA)}
    return ColumnMapping(tuple(positions[field] for field in FIELDS), tuple(sorted(metadata.items())))
