"""Lists: conditions a caller may combine, keyset pages, and the guard against filters that are too broad."""

import re
import unicodedata
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import asyncpg
import msgspec

from billsmith.core.ids import TenantId, shard_of
from billsmith.core.text import HIDDEN_TAG
from billsmith.errors import Invalid
from billsmith.store.labels import metadata_label, tag_label
from billsmith.store.pool import Connection, Pool

LABELLED = ("customers", "invoices", "subscriptions")
"""Tables with tags, and so with records that are hidden."""

BROADEST = 10_000
"""A filter on tags or metadata that matches more rows than this must be narrowed down by a customer."""

DAYS_INDEXED = {("invoices", "due_on"), ("invoices", "issued_on")}
"""Days with an index that goes on with the id, newest first."""

_OF_A_DAY = 8
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_CLOCKS_APART = timedelta(minutes=10)
_ORDERS = {"created": "id DESC", "issued": "issued_on DESC, id DESC"}


class Range(msgspec.Struct, frozen=True, gc=False):
    """Bounds on a date or instant; None = open on that side."""

    gte: Any = None
    gt: Any = None
    lte: Any = None
    lt: Any = None


class Filters(msgspec.Struct, frozen=True, gc=False):
    """What a list shows, and which page. `limit` rows are wanted; one more is fetched to see if there are more."""

    limit: int
    after_id: UUID | None = None
    """The last id of the page before (newest first)."""
    after_issued_on: date | None = None
    """Together with `after_id`, in the order of issue."""
    order: Literal["created", "issued"] = "created"
    customer_id: UUID | None = None
    equal: dict[str, Any] = {}
    """Columns that must have a value: status, collection_state, currency, external_id …; a list: one of its values."""
    ranges: dict[str, Range] = {}
    """Columns within bounds: created_at, issued_on, due_on, finalised_at …"""
    metadata: dict[str, str] = {}
    tags: tuple[str, ...] = ()
    hidden: bool = False
    """Whether records tagged hidden are shown too."""
    abandoned: bool = False
    """Whether abandoned invoices are shown too."""
    ids_tell_time: bool = True
    """Whether created_at agrees with the time inside ids: not so for a sandbox whose clock was moved."""


class FilterTooBroad(Invalid):
    """A filter that no index serves alone: it matches too many records to be sorted."""

    code = "filter_too_broad"


class _Statement:
    """A statement that grows by conditions with numbered parameters."""

    def __init__(self, text: str, tenant_id: TenantId) -> None:
        self.text = text.rstrip(";\n ")
        self.values: list[Any] = [tenant_id]

    def where(self, condition: str, *values: Any) -> None:
        """Add a condition; each `{}` in it is a parameter."""
        numbers = [f"${len(self.values) + nth}" for nth in range(1, len(values) + 1)]
        self.text += f" AND {condition.format(*numbers)}"
        self.values += values


async def list_ids(
    connection: Connection | Pool, text: str, table: str, tenant_id: TenantId, filters: Filters
) -> Sequence[asyncpg.Record]:
    """One page of (shard, id, …) rows, `limit` + 1 at most. Raises FilterTooBroad."""
    filters = _as_stored(filters)
    if not _storable(filters):
        return []
    statement = _Statement(text, tenant_id)
    _conditions(statement, table, tenant_id, filters)
    if (filters.tags or filters.metadata) and filters.customer_id is None:
        await _not_too_broad(connection, statement)
    if filters.after_id is not None:
        if filters.order == "issued":
            statement.where("(issued_on, id) < ({}, {})", filters.after_issued_on, filters.after_id)
        else:
            statement.where("id < {}", filters.after_id)
    day = _day_alone(table, filters)
    if day is not None:
        _day_by_day(statement, table, day, filters)
    else:
        statement.text += f" ORDER BY {_ORDERS[filters.order]} LIMIT {filters.limit + 1}"
    return await connection.fetch(statement.text, *statement.values)


def _day_alone(table: str, filters: Filters) -> str | None:
    """The day that narrows this list down if nothing else does, but for when it was made."""
    named = [column for column in filters.ranges if column != "created_at"]
    others = filters.customer_id or filters.equal or filters.tags or filters.metadata or filters.order != "created"
    return named[0] if len(named) == 1 and (table, named[0]) in DAYS_INDEXED and not others else None


def _day_by_day(statement: _Statement, table: str, column: str, filters: Filters) -> None:
    """The newest of a span of days, from the index on (day, id): as many rows are read whatever matches.

    First the newest id of every day there is: the page's rows are of as many days as it has rows, at most. Then a few
    more of each of those: the page has none older than the last of as many as it has rows. Reading in the order of ids
    until enough match would read everything where what matches was made long ago, sorting what matches all of that.
    """
    bounds = _Statement("tenant_id = $1", statement.values[0])
    bounds.values = statement.values  # one list of parameters for both
    _range(bounds, column, filters.ranges[column], filters)
    within, rows = bounds.text, filters.limit + 1
    of_day = f"{statement.text} AND {column} = day"
    last = f"SELECT newer.id FROM newer ORDER BY newer.id DESC OFFSET {filters.limit} LIMIT 1"
    statement.text = f"""
WITH RECURSIVE days (day) AS (
    (SELECT {column} FROM {table} WHERE {within} ORDER BY {column} LIMIT 1)
    UNION ALL
    SELECT (SELECT {column} FROM {table} WHERE {within} AND {column} > day ORDER BY {column} LIMIT 1)
    FROM days WHERE day IS NOT NULL
), newest AS MATERIALIZED (
    SELECT day, one.id FROM days CROSS JOIN LATERAL ({of_day} ORDER BY id DESC LIMIT 1) AS one
    ORDER BY one.id DESC LIMIT {rows}
), newer AS MATERIALIZED (
    SELECT few.id FROM newest CROSS JOIN LATERAL ({of_day} ORDER BY id DESC LIMIT {_OF_A_DAY}) AS few
    ORDER BY few.id DESC LIMIT {rows}
)
SELECT page.* FROM newest CROSS JOIN LATERAL (
    {of_day} AND id >= coalesce(({last}), '{UUID(int=0)}') ORDER BY id DESC LIMIT {rows}
) AS page
ORDER BY page.id DESC LIMIT {rows}"""


def _conditions(statement: _Statement, table: str, tenant_id: TenantId, filters: Filters) -> None:
    if filters.customer_id is not None:
        owner = "id" if table == "customers" else "customer_id"
        statement.where(f"shard = {{}} AND {owner} = {{}}", shard_of(filters.customer_id), filters.customer_id)
    elif "external_id" in filters.equal:
        raise FilterTooBroad("an external id is unique per customer; name the customer, too")
    for column, value in filters.equal.items():
        if column == "group_id":
            statement.where("shard = {}", shard_of(value))
        statement.where(f"{column} = ANY ({{}})" if isinstance(value, list) else f"{column} = {{}}", value)
    if filters.order == "issued":
        statement.where("issued_on IS NOT NULL")
    for column, bounds in filters.ranges.items():
        _range(statement, column, bounds, filters)
    if filters.tags or filters.metadata:
        # PostgreSQL can't conclude this from what follows, and without it would not use the partial index on labels.
        statement.where("labels <> '{{}}'")
    for tag in filters.tags:
        statement.where("labels @> ARRAY[{}::bigint] AND tags @> ARRAY[{}::text]", tag_label(tenant_id, tag), tag)
    for key, value in filters.metadata.items():
        label = metadata_label(tenant_id, key, value)
        statement.where("labels @> ARRAY[{}::bigint] AND metadata ->> {}::text = {}", label, key, value)
    if not filters.hidden and table in LABELLED:
        statement.where("NOT tags @> ARRAY[{}::text]", HIDDEN_TAG)
    if not filters.abandoned and table == "invoices" and filters.equal.get("status") != "abandoned":
        statement.where("status <> {}", "abandoned")


def _range(statement: _Statement, column: str, bounds: Range, filters: Filters) -> None:
    for name, sign in (("gte", ">="), ("gt", ">"), ("lte", "<="), ("lt", "<")):
        bound = getattr(bounds, name)
        if bound is None:
            continue
        statement.where(f"{column} {sign} {{}}", bound)
        if column == "created_at" and filters.ids_tell_time and filters.order == "created":
            # Ids begin with the time they were made: a bound on them turns the list's own index into one on created_at.
            slack = -_CLOCKS_APART if name in ("gte", "gt") else _CLOCKS_APART
            statement.where(f"id {sign} {{}}", _id_at(bound, slack))


def _id_at(at: datetime, slack: timedelta) -> UUID:
    milliseconds = int(at.timestamp() * 1000) + slack // timedelta(milliseconds=1)
    return UUID(int=max(0, min(milliseconds, (1 << 48) - 1)) << 80)


def _as_stored(filters: Filters) -> Filters:
    """Texts with their letters put together as they are in what is stored (core/text.py)."""
    return msgspec.structs.replace(
        filters,
        equal={
            column: _composed(value) if isinstance(value, str) else value for column, value in filters.equal.items()
        },
        metadata={_composed(key): _composed(value) for key, value in filters.metadata.items()},
    )


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _storable(filters: Filters) -> bool:
    """Whether PostgreSQL could hold the texts asked for; what it can't hold is nowhere."""
    texts = [value for value in filters.equal.values() if isinstance(value, str)]
    texts += [*filters.tags, *filters.metadata, *filters.metadata.values()]
    return not any(_UNSTORABLE.search(text) for text in texts)


async def _not_too_broad(connection: Connection | Pool, statement: _Statement) -> None:
    counted = f"SELECT count(*) FROM ({statement.text} LIMIT {BROADEST + 1}) AS matching"
    if await connection.fetchval(counted, *statement.values) > BROADEST:
        raise FilterTooBroad(f"more than {BROADEST} records match these tags or metadata; name a customer, too")
