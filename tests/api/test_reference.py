"""The committed description is what the code makes; it never takes back what it promised; its samples work."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from httpx2 import AsyncClient

from billsmith.api.catalogue import ENDPOINTS
from billsmith.api.compatibility import breaking_changes
from billsmith.api.examples import BODIES, INVOICE
from billsmith.api.openapi import main, openapi_document, rendered
from billsmith.api.routes.schemas import invoice_schema

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("openapi.json", openapi_document),
        ("invoice.schema.json", invoice_schema),
        ("invoice.sample.json", lambda: INVOICE),
    ],
)
def test_what_is_committed_is_what_the_code_makes(name: str, made: Any) -> None:
    assert (REFERENCE / name).read_text() == rendered(made()), f"run `make openapi` and commit docs/reference/{name}"


async def test_the_description_and_the_schema_are_served_without_a_key(stranger: AsyncClient) -> None:
    assert (await stranger.get("/v1/openapi.json")).json() == openapi_document()
    answered = await stranger.get("/v1/schemas/invoice")
    assert answered.headers["content-type"] == "application/schema+json"
    assert answered.json() == json.loads((REFERENCE / "invoice.schema.json").read_text())


async def test_the_sample_of_a_pushed_invoice_is_valid_and_can_be_pushed(
    client: AsyncClient, customer: dict[str, Any]
) -> None:
    schema = json.loads((REFERENCE / "invoice.schema.json").read_text())
    sample = json.loads((REFERENCE / "invoice.sample.json").read_text())
    validator = jsonschema_rs.Draft202012Validator(schema)
    validator.validate(sample)
    assert not validator.is_valid(sample | {"colour": "red"})
    assert not validator.is_valid(sample | {"amount": 1.5})
    made = await client.post("/v1/invoices", json=sample)
    assert made.status_code == 201, made.text
    assert made.json()["total"] == 6020


async def test_every_example_of_a_body_is_valid_and_does_what_it_says(
    client: AsyncClient, customer: dict[str, Any]
) -> None:
    await client.post("/v1/customers", json={"name": "Ada", "external_id": "ada"})
    batch = await client.post("/v1/invoices/batch", json=BODIES["batch"])
    assert [result["status"] for result in batch.json()["data"]] == ["created", "created"]
    assert (await client.post("/v1/credits", json=BODIES["credit"])).status_code == 201
    assert (await client.post("/v1/keys", json=BODIES["key"])).status_code == 201
    changed = await client.patch(f"/v1/customers/{customer['id']}", json=BODIES["customer_change"])
    assert changed.status_code == 200
    made = (await client.post("/v1/invoices", json={"customer": "tim", "amount": 1})).json()
    refused = await client.patch(f"/v1/invoices/{made['id']}", json=BODIES["invoice_change"])
    assert refused.status_code == 409  # a title is for drafts
    drafted = (await client.post("/v1/invoices", json={"customer": "tim", "amount": 1, "draft": True})).json()
    assert (await client.patch(f"/v1/invoices/{drafted['id']}", json=BODIES["invoice_change"])).status_code == 200


def test_every_operation_is_documented_whole() -> None:
    paths = openapi_document()["paths"]
    operations = [operation for methods in paths.values() for operation in methods.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for endpoint in ENDPOINTS:
        operation = paths[endpoint.path][endpoint.method.lower()]
        named = {entry.get("$ref", "").rpartition("/")[2] or entry["name"] for entry in operation["parameters"]}
        assert "RequestId" in named
        assert ("IdempotencyKey" in named) == (endpoint.method in ("POST", "PATCH"))
        assert {"401", "403", "422", "429", "500", "503"} <= set(operation["responses"])
        success = operation["responses"][str(endpoint.status)]["content"]["application/json"]
        assert "example" in success or endpoint.name in ("createInvoices", "listEvents")
        assert endpoint.body is None or "example" in operation["requestBody"]["content"]["application/json"]
        assert operation["summary"]
        assert operation["description"]


def test_examples_of_answers_fit_their_schemas() -> None:
    document = openapi_document()
    for methods in document["paths"].values():
        for operation in methods.values():
            for answer in operation["responses"].values():
                for content in answer.get("content", {}).values():
                    if "example" in content:
                        schema = content["schema"] | {"components": document["components"]}
                        jsonschema_rs.Draft202012Validator(schema).validate(content["example"])


BEFORE: dict[str, Any] = {
    "paths": {
        "/a": {
            "get": {
                "parameters": [{"in": "query", "name": "status", "schema": {"type": "string", "enum": ["x", "y"]}}],
                "responses": {"200": {}, "404": {}},
            }
        }
    },
    "components": {
        "schemas": {
            "Shown": {
                "type": "object",
                "required": ["id"],
                "properties": {
                    "id": {"type": "string"},
                    "who": {"anyOf": [{"enum": ["p"]}, {"$ref": "#/W"}]},
                    "list": {"type": "array", "items": {"type": "string", "enum": ["p", "q"]}},
                },
            },
            "Given": {"type": "object", "required": ["a"], "additionalProperties": False,
                      "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}},
        }
    },
}  # fmt: skip


def changed(path: str, value: Any) -> dict[str, Any]:
    """BEFORE with another value, or with none where that is `...`, at a place written with dots."""
    after = deepcopy(BEFORE)
    *parents, last = path.split(".")
    place: Any = after
    for step in parents:
        place = place[int(step)] if isinstance(place, list) else place[step]
    if value is ...:
        del place[int(last) if isinstance(place, list) else last]
    elif isinstance(place, list):
        place.append(value)
    else:
        place[last] = value
    return after


GET = "paths./a.get"
SHOWN = "components.schemas.Shown"
GIVEN = "components.schemas.Given"
STATUS = {"in": "query", "name": "status"}


@pytest.mark.parametrize(
    ("after", "sentences"),
    [
        (BEFORE, []),
        (changed("paths./b", {"get": {"responses": {}}}), []),
        (changed(f"{GET}.parameters.-", {"in": "query", "name": "limit"}), []),
        (changed(f"{SHOWN}.properties.new", {"type": "string"}), []),
        (changed(f"{GIVEN}.properties.c", {"type": "string"}), []),
        (changed("components.schemas.New", {"type": "object"}), []),
        (changed("paths./a", ...), ["GET /a is gone"]),
        (changed(f"{GET}", ...), ["GET /a is gone"]),
        (changed(f"{GET}.parameters", []), ["GET /a no longer takes status"]),
        (
            changed(f"{GET}.parameters", [STATUS | {"schema": {"type": "string", "enum": ["x"]}}]),
            ["GET /a, status no longer has 'y'"],
        ),
        (changed(f"{GET}.parameters.-", {"in": "query", "name": "n", "required": True}), ["GET /a demands n"]),
        (changed(f"{GET}.requestBody", {}), ["GET /a demands a body"]),
        (changed(f"{GET}.responses.200", ...), ["GET /a no longer answers 200"]),
        (changed(SHOWN, ...), ["Shown is gone"]),
        (changed(f"{SHOWN}.properties.id", ...), ["Shown.id is gone"]),
        (changed(f"{SHOWN}.properties.id.type", "integer"), ["Shown.id has another type"]),
        (changed(f"{SHOWN}.properties.id.enum", ["x"]), ["Shown.id is limited to some values"]),
        (changed(f"{SHOWN}.required", []), ["Shown.id may be missing"]),
        (changed(f"{SHOWN}.properties.list.items.enum.-", "new"), []),
        (changed(f"{SHOWN}.properties.who.anyOf.0.enum.-", "new"), []),
        (changed(f"{SHOWN}.properties.who.anyOf.1", ...), ["Shown.who no longer is #/W"]),
        (changed(f"{SHOWN}.properties.list.items.enum.0", ...), ["Shown.list[] no longer has 'p'"]),
        (changed(f"{GIVEN}.properties.b", ...), ["Given.b is gone"]),
        (changed(f"{GIVEN}.required.-", "b"), ["Given.b is demanded"]),
        (changed(f"{GIVEN}.required", []), []),
    ],
)
def test_what_breaks_programs_is_named_and_additions_are_not(after: dict[str, Any], sentences: list[str]) -> None:
    assert breaking_changes(BEFORE, after) == sentences


def test_the_description_is_not_overwritten_by_one_that_breaks_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "openapi.json"
    assert main([str(path)]) == 0
    assert path.read_text() == (REFERENCE / "openapi.json").read_text()
    document = openapi_document()
    document["components"]["schemas"]["InvoiceObject"]["properties"]["colour"] = {"type": "string"}
    path.write_text(rendered(document))
    assert main([str(path)]) == 1
    assert "InvoiceObject.colour is gone" in capsys.readouterr().err
    assert json.loads(path.read_text()) == document
    assert main(["--breaking", str(path)]) == 0
    assert json.loads(path.read_text()) == openapi_document()
    assert main([]) == 2
