"""Bad input: each refused with its status, code and place, and nothing stored; odd but good text comes back as sent."""

import json
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import pytest
from httpx2 import AsyncClient

from billsmith.core.tenants import Tenant
from billsmith.store.pool import Pool
from tests.actions.made import everything
from tests.api.conftest import is_problem

JSON = {"Content-Type": "application/json", "Idempotency-Key": "once"}
MEGABYTE = b" " * (1 << 20)

NewInvoice = Callable[..., Awaitable[dict[str, Any]]]
NothingStored = Callable[[], Any]


@pytest.fixture
async def nothing_stored(client: AsyncClient, customer: dict[str, Any], tenant: Tenant, pool: Pool) -> NothingStored:
    """What is done inside changes no row of any table."""

    @asynccontextmanager
    async def unchanged() -> AsyncIterator[None]:
        before = await everything(pool, tenant)
        yield
        assert await everything(pool, tenant) == before

    return unchanged


async def send(client: AsyncClient, path: str, body: str | bytes | dict[str, Any]) -> Any:
    """A body as it stands."""
    octets = json.dumps(body) if isinstance(body, dict) else body
    return await client.post(path, content=octets, headers=JSON)


# Where money stands in bodies: the path, the body with a hole, the pointer of the hole.
MONEY = [
    ("/v1/invoices", '{"customer": "tim", "amount": %s}', "/amount"),
    ("/v1/invoices", '{"customer": "tim", "items": [{"name": "a", "amount": %s}]}', "/items/0/amount"),
    ("/v1/credits", '{"customer": "tim", "amount": %s}', "/amount"),
    ("/v1/payments", '{"customer": "tim", "amount": %s}', "/amount"),
    ("/v1/payments", '{"customer": "tim", "amount": 9, "invoices": [{"invoice": "{open}", "amount": %s}]}',
     "/invoices/0/amount"),
    ("/v1/refunds", '{"invoice": "{open}", "amount": %s}', "/amount"),
    ("/v1/invoices/{open}/credit-notes", '{"reason": "r", "amount": %s}', "/amount"),
    ("/v1/invoices/{open}/credit-notes", '{"reason": "r", "lines": [{"line_no": 1, "amount": %s}]}', "/lines/0/amount"),
    ("/v1/invoices/{open}/adjust", '{"adjustments": [{"reason": "r", "amount": %s}]}', "/adjustments/0/amount"),
    ("/v1/invoices/{open}/write-off", '{"reason": "r", "amount": %s}', "/amount"),
]  # fmt: skip
NO_MONEY = [
    "NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e3", "1.0", "15.00", "-0.0", '"5"', '"15.00"', '"NaN"', '""',
    "true", "false", "[1]", "{}", '{"amount": 1}', '{"amount": "1", "currency": "EUR"}',
]  # fmt: skip


@pytest.mark.parametrize(("path", "body", "pointer"), MONEY)
async def test_money_is_whole_minor_units_and_small_enough_to_be_added_up(
    client: AsyncClient, invoice: NewInvoice, nothing_stored: NothingStored, path: str, body: str, pointer: str
) -> None:
    id_ = (await invoice())["id"]
    path, body = path.replace("{open}", id_), body.replace("{open}", id_)
    too_large = [10**15, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 10**400, -(10**15), -(2**63), -(2**63) - 1]
    async with nothing_stored():
        for money in NO_MONEY:
            problem = is_problem(await send(client, path, body % money), 422, "field_invalid")
            assert problem["errors"][0]["pointer"].startswith(pointer), (money, problem)
        for number in too_large:  # more than any invoice can owe or payment bring, which may be said first
            assert (await send(client, path, body % number)).status_code in {409, 422}, number


async def test_minus_zero_is_nothing(client: AsyncClient, nothing_stored: NothingStored) -> None:
    """JSON has a minus zero; as a whole number it is zero, which an invoice may come to and a payment may not."""
    async with nothing_stored():
        for path in ("/v1/payments", "/v1/credits"):
            is_problem(await send(client, path, '{"customer": "tim", "amount": -0}'), 422)
    made = await send(client, "/v1/invoices", '{"customer": "tim", "amount": -0}')
    assert (made.json()["total"], made.json()["status"]) == (0, "paid")


# (path, body, status, code, pointer); bodies that are written out have something that no dict can hold.
INVOICE = {"customer": "tim", "amount": 1}
REFUSED: dict[str, tuple[str, Any, str, str]] = {
    "a field twice": ("/v1/invoices", '{"customer": "tim", "amount": 1, "amount": 100}', "json_malformed", ""),
    "a field twice, deep down": (
        "/v1/invoices", '{"customer": "tim", "items": [{"name": "a", "amount": 1, "amount": 2}]}', "json_malformed", "",
    ),
    "10 000 levels": ("/v1/payments", '{"customer":' * 10_000 + "1" + "}" * 10_000, "json_malformed", ""),
    "10 000 levels, never closed": ("/v1/payments", "[" * 10_000, "json_malformed", ""),
    "10 000 levels of one field": (
        "/v1/invoices", '{"customer": "tim", "metadata": ' + '{"a":' * 10_000 + "1" + "}" * 10_001, "json_malformed",
        "",
    ),
    "a number of 5 000 digits": (
        "/v1/credits", '{"customer": "tim", "amount": %s}' % ("9" * 5000),
        "json_malformed", "",
    ),
    "NUL": ("/v1/customers", '{"name": "a\\u0000b"}', "character_unusable", "/name"),
    "raw NUL": ("/v1/customers", b'{"name": "a\0b"}', "json_malformed", ""),
    "NUL in a key of metadata": (
        "/v1/customers", '{"name": "a", "metadata": {"\\u0000": "b"}}',
        "character_unusable", "/metadata",
    ),
    "half a pair": ("/v1/customers", '{"name": "\\ud83d"}', "character_unusable", "/name"),
    "the other half": ("/v1/invoices", '{"customer": "tim", "items": ["\\ude00"]}', "character_unusable", "/items/0"),
    "a pair the wrong way round": ("/v1/customers", '{"name": "\\ude00\\ud83d"}', "character_unusable", "/name"),
    "half a pair as octets": ("/v1/customers", b'{"name": "\xed\xa0\xbd"}', "json_malformed", ""),
    "Latin-1": ("/v1/customers", b'{"name": "Gr\xfc\xdfe"}', "json_malformed", ""),
    "UTF-16": ("/v1/customers", '{"name": "a"}'.encode("utf-16"), "json_malformed", ""),
    "a terminal's command": ("/v1/customers", {"name": "a\x1b[2Jb"}, "unusable_text", "/name"),
    "a C1 command": ("/v1/customers", {"name": "a\x9b2Jb"}, "unusable_text", "/name"),
    "10 000 combining marks": ("/v1/customers", {"name": "a" + "\u0301" * 10_000}, "unusable_text", "/name"),
    "marks that join": ("/v1/customers", {"name": "e\u0301" * 251}, "unusable_text", "/name"),
    "a header in a name": ("/v1/customers", {"name": "a\r\nBcc: all@example.com"}, "unusable_text", "/name"),
    "a header in an address": (
        "/v1/customers", {"name": "a", "emails": ["a@b.example\r\nBcc: c@d.example"]},
        "unusable_text", "/emails/0",
    ),
    "a header in a title": ("/v1/invoices", INVOICE | {"title": "a\nSubject: b"}, "unusable_text", "/title"),
    "a header in an external id": (
        "/v1/customers", {"name": "a", "external_id": "a\r\nX: y"},
        "unusable_text", "/external_id",
    ),
    "an empty name": ("/v1/customers", {"name": ""}, "unusable_text", "/name"),
    "a name of spaces": ("/v1/customers", {"name": " \u2003"}, "unusable_text", "/name"),
    "an empty title": ("/v1/invoices", INVOICE | {"title": ""}, "unusable_text", "/title"),
    "an empty line": ("/v1/invoices", {"customer": "tim", "items": [""]}, "unusable_text", "/items/0/name"),
    "an empty external id": ("/v1/customers", {"name": "a", "external_id": ""}, "unusable_text", "/external_id"),
    "an empty reason": ("/v1/invoices/{open}/write-off", {"reason": ""}, "unusable_text", "/reason"),
    "an empty reason of a note": ("/v1/invoices/{open}/credit-notes", {"reason": " "}, "unusable_text", "/reason"),
    "an empty reason of an adjustment": (
        "/v1/invoices/{open}/adjust", {"adjustments": [{"amount": -1, "reason": ""}]}, "unusable_text",
        "/adjustments/0/reason",
    ),
    "no adjustments": ("/v1/invoices/{open}/adjust", {"adjustments": []}, "correction_invalid", "/adjustments"),
    "an adjustment of nothing": (
        "/v1/invoices/{open}/adjust", {"adjustments": [{"amount": 0, "reason": "r"}]}, "correction_invalid",
        "/adjustments/0/amount",
    ),
    "101 adjustments": (
        "/v1/invoices/{open}/adjust", {"adjustments": [{"amount": -1, "reason": "r"}] * 101}, "correction_invalid",
        "/adjustments",
    ),
    "no currency of a payment": ("/v1/payments", INVOICE | {"currency": ""}, "unknown_currency", "/currency"),
    "no currency of credit": ("/v1/credits", INVOICE | {"currency": ""}, "unknown_currency", "/currency"),
    "no currency of a customer": ("/v1/customers", {"name": "a", "currency": ""}, "unknown_currency", "/currency"),
    "no time zone": ("/v1/customers", {"name": "a", "time_zone": ""}, "unknown_time_zone", "/time_zone"),
    "29 February of a common year": (
        "/v1/invoices", INVOICE | {"issued_on": "2026-02-29"},
        "field_invalid", "/issued_on",
    ),
    "31 April": ("/v1/invoices", INVOICE | {"due_on": "2026-04-31"}, "field_invalid", "/due_on"),
    "the month 13": ("/v1/invoices", INVOICE | {"due_on": "2026-13-01"}, "field_invalid", "/due_on"),
    "the year 0": ("/v1/invoices", INVOICE | {"issued_on": "0000-01-01"}, "field_invalid", "/issued_on"),
    "the year 1": ("/v1/invoices", INVOICE | {"issued_on": "0001-01-01"}, "date_invalid", "/issued_on"),
    "the year 9999": ("/v1/invoices", INVOICE | {"due_on": "9999-12-31"}, "date_invalid", "/due_on"),
    "the year 10000": ("/v1/invoices", INVOICE | {"due_on": "10000-01-01"}, "field_invalid", "/due_on"),
    "an instant for a day": (
        "/v1/invoices", INVOICE | {"issued_on": "2026-03-15T00:00:00Z"},
        "field_invalid", "/issued_on",
    ),
    "an instant without a zone": (
        "/v1/credits", INVOICE | {"expires_at": "2026-03-15T00:00:00"}, "field_invalid", "/expires_at",
    ),
    "an instant in the year 9999": (
        "/v1/credits", INVOICE | {"expires_at": "9999-12-31T23:59:59Z"}, "instant_invalid", "/expires_at",
    ),
    "a number for an instant": ("/v1/credits", INVOICE | {"expires_at": 1773576000}, "field_invalid", "/expires_at"),
    "yen with cents": (
        "/v1/invoices", {"customer": "tim", "amount": "15.00", "currency": "JPY"}, "field_invalid", "/amount",
    ),
    "a currency that is none": ("/v1/invoices", INVOICE | {"currency": "XXX"}, "unknown_currency", "/currency"),
    "a currency in small letters": ("/v1/payments", INVOICE | {"currency": "eur"}, "unknown_currency", "/currency"),
    "a currency with look-alikes": ("/v1/invoices", INVOICE | {"currency": "ЕUR"}, "unknown_currency", "/currency"),
    "no currency": ("/v1/invoices", INVOICE | {"currency": ""}, "unknown_currency", "/currency"),
    "two currencies": (
        "/v1/invoices", {"customer": "tim", "amount": {"amount": 1, "currency": "USD"}, "currency": "EUR"},
        "currency_mismatch", "/amount/currency",
    ),
    "1 001 lines": ("/v1/invoices", {"customer": "tim", "items": ["a"] * 1001}, "too_many", "/items"),
    "no lines": ("/v1/invoices", {"customer": "tim", "items": []}, "amount_missing", "/items"),
    "neither lines nor an amount": ("/v1/invoices", {"customer": "tim"}, "amount_missing", "/items"),
    "51 notes": (
        "/v1/customers", {"name": "a", "metadata": {f"k{nth}": "v" for nth in range(51)}},
        "unusable_text", "/metadata",
    ),
    "a long key": ("/v1/customers", {"name": "a", "metadata": {"k" * 41: "v"}}, "unusable_text", "/metadata"),
    "a long note": ("/v1/customers", {"name": "a", "metadata": {"k": "v" * 501}}, "unusable_text", "/metadata/k"),
    "one key, typed in two ways": (
        "/v1/customers", {"name": "a", "metadata": {"é": "1", "e\u0301": "2"}}, "unusable_text", "/metadata",
    ),
    "21 tags": ("/v1/customers", {"name": "a", "tags": [f"t{nth}" for nth in range(21)]}, "unusable_text", "/tags"),
    "501 invoices": ("/v1/invoices/batch", {"invoices": [INVOICE] * 501}, "too_many", "/invoices"),
    "no invoices": ("/v1/invoices/batch", {"invoices": []}, "too_many", "/invoices"),
    "a price of 13 places": (
        "/v1/invoices", {"customer": "tim", "items": [{"name": "a", "unit_price": "0.0000000000001"}]},
        "decimal_malformed", "/items/0/unit_price",
    ),
    "a price that is not a number": (
        "/v1/invoices", {"customer": "tim", "items": [{"name": "a", "unit_price": "NaN"}]}, "decimal_malformed",
        "/items/0/unit_price",
    ),
    "a quantity in other digits": (
        "/v1/invoices", {"customer": "tim", "items": [{"name": "a", "quantity": "٣"}]}, "decimal_malformed",
        "/items/0/quantity",
    ),
    "an unknown field": ("/v1/payments", INVOICE | {"amount_eur": 1}, "field_invalid", "/amount_eur"),
    "a boolean that is a text": ("/v1/invoices", INVOICE | {"draft": "true"}, "field_invalid", "/draft"),
    "terms of 11 years": ("/v1/invoices", INVOICE | {"terms_days": 4000}, "date_invalid", "/terms_days"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
async def test_a_bad_body_is_refused_and_stores_nothing(
    client: AsyncClient, invoice: NewInvoice, nothing_stored: NothingStored, name: str
) -> None:
    path, body, code, pointer = REFUSED[name]
    if "{open}" in path:
        path = path.format(open=(await invoice())["id"])
    async with nothing_stored():
        is_problem(await send(client, path, body), 422, code, pointer)


ATTACKS = [
    "' OR 1=1 --", "'; DROP TABLE invoices; --", "1; SELECT pg_sleep(10)", "\\'", "%", "_", "%%%", "$1",
    "{}", "${jndi:ldap://x}",
    "{{7*7}}", "<img src=x onerror=alert(1)>", '=HYPERLINK("http://example.com")', "../../etc/passwd", "a\\u0000b",
]  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
async def test_nothing_in_a_query_or_path_becomes_sql(
    client: AsyncClient, invoice: NewInvoice, nothing_stored: NothingStored, attack: str
) -> None:
    made = await invoice(external_id="e1", metadata={"a": "b"})
    sent = quote(attack, safe="")
    async with nothing_stored():
        for query in (
            f"metadata[a]={sent}",
            f"metadata[{sent}]=b",
            f"currency={sent}",
            f"customer=tim&external_id={sent}",
        ):
            found = await client.get(f"/v1/invoices?{query}")
            assert found.status_code == 422 or found.json()["data"] == [], query
        for query in (f"cursor={sent}", f"tags={sent}", f"order={sent}", f"issued_on[gte]={sent}", f"{sent}=1"):
            is_problem(await client.get(f"/v1/invoices?{query}"), 422, "parameter_invalid")
        is_problem(await client.get(f"/v1/invoices?customer={sent}"), 404, "customer_not_found")
        is_problem(await client.get(f"/v1/invoices/{sent}"), 404)
        is_problem(await client.get(f"/v1/events?type={sent}"), 422, "parameter_invalid")
        assert [one["id"] for one in (await client.get("/v1/invoices")).json()["data"]] == [made["id"]]


KEPT = [
    "<img src=x onerror=alert(1)>", "{{7*7}}", "${7*7}", '=HYPERLINK("http://example.com","x")', "+1+1", "@SUM(1)",
    "'; DROP TABLE customers; --", "\\u0041 \\n", "\u202eevil\u202c", "שלום עולם", "مرحبا", "👩‍👩‍👧‍👦 🏳️‍🌈",
    "𝔘𝔫𝔦", "日本語", "İıſ",
    "a" + "\u0301" * 200, "\u0958", "Ω K Å", "&amp;lt;", "100 %", "~/a", "\ufeffa", "a\u200bb", "null", "NaN", "-0",
]  # fmt: skip


@pytest.mark.parametrize("text", KEPT)
async def test_odd_text_comes_back_as_it_was_sent(client: AsyncClient, customer: dict[str, Any], text: str) -> None:
    """As it was sent means composed (NFC): nothing is escaped, cut or cleaned; who shows it escapes it."""
    expected = unicodedata.normalize("NFC", text)
    body = {"name": text, "external_id": text, "metadata": {text[:20]: text}}
    made = (await client.post("/v1/customers", json=body)).json()
    read = (await client.get(f"/v1/customers/{made['id']}")).json()
    assert (read["name"], read["external_id"]) == (expected, expected)
    assert list(read["metadata"].values()) == [expected]
    found = (await client.get(f"/v1/customers?external_id={quote(expected, safe='')}")).json()["data"]
    assert [one["id"] for one in found] == [made["id"]]
    line = {"customer": text, "title": text, "memo": f"{text}\n{text}", "items": [{"name": text, "amount": 1}]}
    invoice = (await client.post("/v1/invoices", json=line)).json()
    invoice = (await client.get(f"/v1/invoices/{invoice['id']}")).json()
    assert (invoice["title"], invoice["memo"]) == (expected, f"{expected}\n{expected}")
    assert invoice["lines"][0]["description"] == expected
    events = (await client.get("/v1/events?limit=100")).json()["data"]
    assert expected in json.dumps(events, ensure_ascii=False).encode().decode() or json.dumps(expected)[
        1:-1
    ] in json.dumps(events)


async def test_limits_are_the_limits_and_not_one_less(client: AsyncClient, customer: dict[str, Any]) -> None:
    body = {
        "name": "n" * 250, "external_id": "e" * 200, "tags": [f"t{nth}" for nth in range(20)],
        "metadata": {f"{nth:040}": "v" * 500 for nth in range(50)},
    }  # fmt: skip
    assert (await client.post("/v1/customers", json=body)).status_code == 201
    for many in (1000, 1):
        made = await client.post("/v1/invoices", json={"customer": "tim", "items": [{"name": "a", "amount": 1}] * many})
        assert (made.status_code, made.json()["total"]) == (201, many)
    largest = await client.post("/v1/invoices", json={"customer": "tim", "amount": 10**15 - 1})
    assert largest.json()["total"] == 10**15 - 1
    leap = await client.post("/v1/invoices", json={"customer": "tim", "amount": 1, "issued_on": "2024-02-29"})
    assert leap.json()["issued_on"] == "2024-02-29"


@pytest.mark.parametrize(
    ("currency", "price", "total"),
    [("JPY", "15", 15), ("KWD", "1.2345", 1235), ("CLF", "1.2345", 12345), ("EUR", "1.005", 101)],
)
async def test_every_currency_has_its_own_minor_units(
    client: AsyncClient, customer: dict[str, Any], currency: str, price: str, total: int
) -> None:
    item = {"name": "a", "unit_price": price}
    made = await client.post("/v1/invoices", json={"customer": "tim", "currency": currency, "items": [item]})
    assert made.json()["total"] == total
    whole = await client.post("/v1/invoices", json={"customer": "tim", "currency": currency, "amount": 1500})
    assert whole.json()["total"] == 1500


async def test_a_body_of_100_megabytes_is_not_read_to_its_end(
    client: AsyncClient, nothing_stored: NothingStored
) -> None:
    sent = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 1
            yield MEGABYTE

    async with nothing_stored():
        is_problem(await client.post("/v1/invoices", content=pieces(), headers=JSON), 413, "body_too_large")
        unread = {**JSON, "Content-Length": str(100 << 20)}
        is_problem(await client.post("/v1/payments", content=b"{}", headers=unread), 413, "body_too_large")
        for length in ("9" * 5000, "٣", "-1", "1e9", ""):  # a server refuses these; without one they mean nothing
            said = {**JSON, "Content-Length": length.encode()}
            lying = await client.post("/v1/invoices", content=MEGABYTE + MEGABYTE, headers=said)  # type: ignore[arg-type]
            is_problem(lying, 413, "body_too_large")
    assert sent < 4


HEADERS = [
    ("Billsmith-Reason", b"a\r\nSet-Cookie: b=c"), ("Billsmith-Reason", b"a\0b"), ("Billsmith-Reason", b""),
    ("Billsmith-Reason", b"\xff\xfe"), ("Billsmith-Reason", b"x" * 1001), ("Idempotency-Key", b"a\r\nb"),
    ("Idempotency-Key", b"\xc3\xa9"), ("Idempotency-Key", b"k" * 256),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), HEADERS)
async def test_nothing_in_a_header_becomes_another_header(
    client: AsyncClient, nothing_stored: NothingStored, name: str, value: bytes
) -> None:
    async with nothing_stored():
        refused = await client.post("/v1/customers", json={"name": "a"}, headers={name: value})  # type: ignore[dict-item]
        assert is_problem(refused, 422, "header_invalid")["header"] == name
        assert "set-cookie" not in refused.headers


async def test_a_request_id_that_is_none_is_not_echoed(client: AsyncClient) -> None:
    for odd in (b"a\r\nSet-Cookie: b=c", b"<script>", b"a b", b"\xff", b"x" * 101):
        answered = await client.get("/v1/tenant", headers={"Request-Id": odd})  # type: ignore[dict-item]
        assert answered.headers["request-id"].startswith("req_")
        assert "set-cookie" not in answered.headers


async def test_what_was_wrong_is_shown_without_harm(client: AsyncClient, customer: dict[str, Any]) -> None:
    """Problems quote what was sent: as JSON, cut, and never as a page that a browser would run."""
    for body in (
        '{"customer": "<script>alert(1)</script>", "amount": 1}',
        '{"<img onerror=x>": 1}',
        '{"customer": "' + "x" * 9000 + '"}',
    ):
        refused = await send(client, "/v1/invoices", body)
        assert refused.headers["content-type"] == "application/problem+json"
        assert len(refused.content) < 2000


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("/v1/invoices", "", "the body is empty; a JSON object is needed"),
        ("/v1/invoices", '{"amount": 1}', "the field 'customer' is missing"),
        ("/v1/invoices", '{"customer": "tim", "ammount": 1}', "there is no field 'ammount' here"),
        ("/v1/invoices", '{"customer": "tim", "due_on": "2026-02-30"}', "this is no date of the calendar"),
        ("/v1/tenant/clock", '{"to": "2026-03-31"}', "this is no instant, such as 2026-03-31T00:00:00Z"),
        ("/v1/tenant/clock", '{"to": "2026-03-31T00:00:00"}', "this instant has no zone"),
    ],
)
async def test_what_was_wrong_is_said_in_words(
    client: AsyncClient, customer: dict[str, Any], path: str, body: str, sentence: str
) -> None:
    assert sentence in is_problem(await send(client, path, body), 422)["detail"]
