"""Filters of lists: what a list can be narrowed down by, documented and read from the query."""

from datetime import UTC, date, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

from billsmith.api.paging import LARGEST_LIMIT, LIMIT, read_cursor
from billsmith.api.parameters import Parameter, deep, one_of, parameter_invalid, whole_number, words
from billsmith.core.tenants import Tenant
from billsmith.core.text import tags
from billsmith.errors import Invalid
from billsmith.store.listing import Filters, Range

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9000, 1, 1, tzinfo=UTC)
BOUNDS = ("gte", "gt", "lte", "lt")


class Listed(msgspec.Struct, frozen=True):
    """What a list can be narrowed down by, and how it can be ordered."""

    choices: dict[str, tuple[str, ...]] = {}
    """Columns with a few values."""
    texts: tuple[str, ...] = ()
    """Columns with a value that is compared exactly."""
    instants: tuple[str, ...] = ()
    days: tuple[str, ...] = ()
    customer: bool = False
    labels: bool = False
    """Whether it has tags and metadata, and with them hidden records."""
    includes: tuple[str, ...] = ()
    orders: tuple[str, ...] = ("created",)
    expands: tuple[str, ...] = ()

    def parameters(self) -> tuple[Parameter, ...]:
        """The query parameters of this list."""
        found = [
            Parameter("limit", _number(1, LARGEST_LIMIT, LIMIT), "How many at most."),
            Parameter("cursor", {"type": "string"}, "`next_cursor` of the page before."),
        ]
        if self.customer:
            found.append(
                Parameter(
                    "customer", {"type": "string"}, "The id or external id of a customer; 404 where there is none."
                )
            )
        found += [
            Parameter(name, {"type": "string", "enum": list(values)}, f"Only those with this {name}.")
            for name, values in self.choices.items()
        ]
        found += [Parameter(name, {"type": "string"}, f"Only those with exactly this {name}.") for name in self.texts]
        found += [_bounds(name, "date-time") for name in self.instants] + [_bounds(name, "date") for name in self.days]
        if self.labels:
            found.append(Parameter("tags", {"type": "string"}, "Tags, separated by commas; all must be there."))
            schema = {"type": "object", "additionalProperties": {"type": "string"}}
            found.append(Parameter("metadata", schema, "`metadata[key]=value`; all must be there.", deep=True))
        if len(self.orders) > 1:
            schema = {"type": "string", "enum": list(self.orders), "default": self.orders[0]}
            found.append(Parameter("order", schema, "By creation or by date of issue, newest first."))
        if self.includes:
            said = f"Show these, too, separated by commas: {', '.join(self.includes)}."
            found.append(Parameter("include", {"type": "string"}, said))
        return (*found, *expand_parameter(self.expands))

    def read(self, query: dict[str, str], tenant: Tenant, customer_id: UUID | None = None) -> Filters:
        """The filters that the query means. Raises ParameterInvalid."""
        order = one_of(query, "order", self.orders, self.orders[0])
        cursor = read_cursor(query["cursor"], order or "") if "cursor" in query else None
        included = words(query, "include", self.includes)
        equal: dict[str, Any] = {name: query[name] for name in self.texts if name in query}
        for name, values in self.choices.items():
            if (value := one_of(query, name, values)) is not None:
                equal[name] = value
        ranges = {name: _range(query, name, datetime) for name in self.instants}
        ranges |= {name: _range(query, name, date) for name in self.days}
        return Filters(
            limit=limit_of(query),
            after_id=None if cursor is None else cursor.id,
            after_issued_on=None if cursor is None else cursor.issued_on,
            order="issued" if order == "issued" else "created",
            customer_id=customer_id,
            equal=equal,
            ranges={name: bounds for name, bounds in ranges.items() if bounds is not None},
            metadata=deep(query, "metadata"),
            tags=_tags(query),
            hidden="hidden" in included,
            abandoned="abandoned" in included,
            ids_tell_time=tenant.clock_at is None,
        )


def expand_parameter(choices: tuple[str, ...]) -> tuple[Parameter, ...]:
    """The parameter that asks for whole objects instead of their ids, where there are any."""
    if not choices:
        return ()
    said = f"Give these in full, separated by commas: {', '.join(choices)}."
    return (Parameter("expand", {"type": "string"}, said),)


def limit_of(query: dict[str, str]) -> int:
    """How many rows are wanted. Raises ParameterInvalid."""
    return whole_number(query, "limit", LIMIT, 1, LARGEST_LIMIT)


def _number(least: int, most: int, default: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": most, "default": default}


def _bounds(name: str, form: str) -> Parameter:
    schema = {
        "type": "object",
        "properties": {bound: {"type": "string", "format": form} for bound in BOUNDS},
        "additionalProperties": False,
    }
    return Parameter(name, schema, f"`{name}[gte]=…`: within these bounds.", deep=True, keys=BOUNDS)


def _range(query: dict[str, str], name: str, kind: type[date]) -> Range | None:
    bounds = {key: _moment(f"{name}[{key}]", text, kind) for key, text in deep(query, name).items()}
    return Range(**bounds) if bounds else None


def _moment(name: str, text: str, kind: type[date]) -> date:
    try:
        if kind is date:
            return msgspec.convert(text, date)
        # A plus sign that was not URL-encoded arrives as a space.
        at: datetime = msgspec.convert(text.replace(" ", "+"), Annotated[datetime, msgspec.Meta(tz=True)])
    except msgspec.ValidationError:
        needed = "a date, such as 2026-03-31" if kind is date else "an instant, such as 2026-03-31T00:00:00Z"
        raise parameter_invalid(name, f"{name} is {text[:80]!r}; {needed}, is needed") from None
    if not EARLIEST <= at < LATEST:
        raise parameter_invalid(name, f"{name} is between the years {EARLIEST.year} and {LATEST.year}")
    return at


def _tags(query: dict[str, str]) -> tuple[str, ...]:
    if "tags" not in query:
        return ()
    try:
        return tags(tuple(query["tags"].split(",")))
    except Invalid as error:
        raise parameter_invalid("tags", error.detail) from None
