"""Bodies are read strictly: every mistake is a 422 that names its place, and nothing is stored."""

import json
from typing import Any

import pytest
from httpx2 import AsyncClient

from tests.api.conftest import is_problem

JSON = {"Content-Type": "application/json"}


async def refused(client: AsyncClient, body: str | bytes, code: str, pointer: str | None = None) -> None:
    """The body is refused, and nothing came of it."""
    answered = await client.post("/v1/invoices", content=body, headers=JSON)
    is_problem(answered, 422, code, pointer)
    assert (await client.get("/v1/invoices")).json()["data"] == []


@pytest.mark.parametrize("money", ["1.0", "1e3", "1.5", '"1500"', "true", "NaN", "Infinity", "-Infinity", "[1]", '""'])
@pytest.mark.parametrize(
    ("place", "pointer"),
    [
        ('"amount": {}', "/amount"),
        ('"amount": {{"amount": {}, "currency": "EUR"}}', "/amount/amount"),
        ('"items": ["a", {{"name": "b", "amount": {}}}]', "/items/1/amount"),
        ('"items": [{{"name": "b", "amount": 1, "discount": {{"amount": {}}}}}]', "/items/0/discount/amount"),
        ('"amount": 1, "adjustments": [{{"amount": {}, "reason": "r"}}]', "/adjustments/0/amount"),
    ],
)
async def test_money_is_whole_minor_units(
    client: AsyncClient, customer: dict[str, Any], money: str, place: str, pointer: str
) -> None:
    await refused(client, '{"customer": "tim", %s}' % place.format(money), "field_invalid", pointer)  # noqa: UP031


@pytest.mark.parametrize(
    "number", ["1", "0.5", '"1e3"', '"NaN"', '" 1"', '"1\\n"', '"+1"', '".5"', '"1,5"', '"٣"', "true"]
)
async def test_prices_and_quantities_are_decimals_in_strings(
    client: AsyncClient, customer: dict[str, Any], number: str
) -> None:
    for field in ("quantity", "unit_price"):
        body = '{"customer": "tim", "amount": 1, "items": [{"name": "a", "%s": %s}]}' % (field, number)  # noqa: UP031
        answered = await client.post("/v1/invoices", content=body.encode(), headers=JSON)
        is_problem(answered, 422, pointer=f"/items/0/{field}")


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ("", "json_malformed", ""),
        ("{", "json_malformed", ""),
        ("nonsense", "json_malformed", ""),
        ('{"customer": "tim", "amount": 1} {}', "json_malformed", ""),
        ('{"customer": "tim", "amount": 1,}', "json_malformed", ""),
        ('{"customer": "tim", "amount": 1, "amount": 2}', "json_malformed", ""),
        ('{"customer": "tim", "amount": 1, "metadata": {"a": "b", "a": "c"}}', "json_malformed", ""),
        ('{"customer": "tim", "amount": ' + "9" * 5000 + "}", "json_malformed", ""),
        ("[" * 10_000 + "]" * 10_000, "json_malformed", ""),
        ('{"customer": "tim", "items": ' + '[{"a":' * 10_000 + "1" + "}]" * 10_000 + "}", "json_malformed", ""),
        (b'{"customer": "t\xffm", "amount": 1}', "json_malformed", ""),
        ("\ufeff{}", "json_malformed", ""),
        ("[]", "field_invalid", ""),
        ("null", "field_invalid", ""),
        ('"text"', "field_invalid", ""),
        ("{}", "field_invalid", "/customer"),
        ('{"customer": "tim", "amount": 1, "colour": "red"}', "field_invalid", "/colour"),
        ('{"customer": "tim", "items": [{"name": "a", "amount": 1, "a/b~c": 1}]}', "field_invalid", "/items/0/a~1b~0c"),
        ('{"customer": "tim", "amount": 1, "period": {"start": "2026-02-30"}}', "field_invalid", "/period/start"),
        ('{"customer": "tim", "amount": 1, "metadata": {"a": "b", "c": 1}}', "field_invalid", "/metadata/c"),
        ('{"customer": "tim", "amount": 1, "tags": ["a", 1]}', "field_invalid", "/tags/1"),
        ('{"customer": "tim", "amount": 1, "draft": 1}', "field_invalid", "/draft"),
        ('{"customer": "tim", "amount": 1, "title": "a\\u0000b"}', "character_unusable", "/title"),
        ('{"customer": "tim\\u0000", "amount": 1}', "character_unusable", "/customer"),
        ('{"customer": "tim", "amount": 1, "memo": "\\ud800"}', "character_unusable", "/memo"),
        ('{"customer": "tim", "amount": 1, "metadata": {"\\udfff": "x"}}', "character_unusable", "/metadata"),
        ('{"customer": "tim", "amount": 1, "\\ud83d": 1}', "character_unusable", ""),
        ('{"customer": "tim", "amount": 99999999999999999999999999}', "amount_too_large", "/amount"),
        ('{"customer": "tim", "amount": 1000000000000000}', "amount_too_large", "/amount"),
        ('{"customer": "tim", "amount": 1, "terms_days": 99999999999999999999}', "date_invalid", "/terms_days"),
        ('{"customer": "tim", "amount": 1, "currency": "eur"}', "unknown_currency", "/currency"),
    ],
)
async def test_a_body_means_one_thing_or_is_refused(
    client: AsyncClient, customer: dict[str, Any], body: str | bytes, code: str, pointer: str
) -> None:
    await refused(client, body, code, pointer)


async def test_a_pair_of_surrogates_is_a_character(client: AsyncClient, customer: dict[str, Any]) -> None:
    body = '{"customer": "tim", "amount": 1, "title": "\\ud83d\\ude00"}'
    assert (await client.post("/v1/invoices", content=body, headers=JSON)).json()["title"] == "😀"


async def test_an_unknown_reference_with_odd_characters_is_shown_safely(client: AsyncClient) -> None:
    answered = await client.post("/v1/invoices", content='{"customer": "é\'\\"<", "amount": 1}'.encode(), headers=JSON)
    is_problem(answered, 404, "customer_not_found", "/customer")


async def test_a_body_says_that_it_is_json(client: AsyncClient, customer: dict[str, Any]) -> None:
    body = json.dumps({"customer": "tim", "amount": 1})
    for kind in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data", "application/xml", "json"):
        answered = await client.post("/v1/invoices", content=body, headers={"Content-Type": kind})
        is_problem(answered, 415, "media_type_unsupported")
    for kind in ("application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.shop+json"):
        made = await client.post("/v1/invoices", content=body, headers={"Content-Type": kind})
        assert made.status_code == 201
    del client.headers["accept"]
    assert (await client.post("/v1/invoices", content=body)).status_code == 201


async def test_a_body_has_a_limit_whether_announced_or_not(client: AsyncClient, customer: dict[str, Any]) -> None:
    fits = {"customer": "tim", "amount": 1, "metadata": {}}
    padding = b" " * ((1 << 20) - len(json.dumps(fits)))
    body = json.dumps(fits).encode() + padding
    assert (await client.post("/v1/invoices", content=body, headers=JSON)).status_code == 201
    is_problem(await client.post("/v1/invoices", content=body + b" ", headers=JSON), 413, "body_too_large")

    async def pieces() -> Any:
        for _ in range(64):
            yield b" " * (1 << 15)

    answered = await client.post("/v1/invoices", content=pieces(), headers=JSON)
    is_problem(answered, 413, "body_too_large")
    assert len((await client.get("/v1/invoices")).json()["data"]) == 1
