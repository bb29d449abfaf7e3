"""The API's description (OpenAPI 3.1), made from the endpoints. `python -m billsmith.api.openapi FILE` writes it."""

import json
import re
import sys
from http import HTTPStatus
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from billsmith.api.catalog_examples import catalog_examples
from billsmith.api.catalogue import ENDPOINTS
from billsmith.api.compatibility import breaking_changes
from billsmith.api.endpoints import JSON, REASON_HEADER, Endpoint
from billsmith.api.examples import BODIES, INVOICE, REQUEST_ID, shown_examples
from billsmith.api.idempotency import HEADER, LONGEST_KEY
from billsmith.api.money_examples import money_examples
from billsmith.api.parameters import Parameter
from billsmith.api.problems import MEDIA_TYPE, Problem
from billsmith.api.routes.schemas import INVOICE_SCHEMA_PATH, invoice_schema
from billsmith.api.schemas.invoices import InvoiceToCreate
from billsmith.api.subscription_examples import subscription_examples

REFUSALS = (401, 403, 422, 429, 500, 503)
"""What every endpoint may answer."""

_BODY_REFUSALS = (409, 413, 415)
_ABOUT = """\
Amounts are integers in minor units (1500 is 15.00 EUR); prices, quantities and percentages are decimals in strings.
Instants are RFC 3339, local dates plain. Unknown fields and parameters are refused, never dropped.
Every error is a problem document (RFC 9457) with a stable `code`; `errors[]` names fields by JSON pointers.
`/v1` only ever gains: new fields, paths and values of open lists may come, none goes.\
"""


def openapi_document() -> dict[str, Any]:
    """The whole description, the same for the same code."""
    types = [InvoiceToCreate, Problem, *(endpoint.answers for endpoint in ENDPOINTS)]
    types += [endpoint.body for endpoint in ENDPOINTS if endpoint.body is not None]
    _, schemas = msgspec.json.schema_components(dict.fromkeys(types), ref_template="#/components/schemas/{name}")
    shown = shown_examples() | money_examples() | catalog_examples() | subscription_examples()
    examples = {kind.__name__: msgspec.json.decode(msgspec.json.encode(one)) for kind, one in shown.items()}
    paths: dict[str, Any] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, examples)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Billsmith", "version": metadata.version("billsmith"), "description": _ABOUT,
                 "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"basic": []}],
        "paths": paths | _public_paths(),
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "An API key: `sk_live_…`, `sk_test_…`."},
                "basic": {"type": "http", "scheme": "basic", "description": "The key as user name, no password."},
            },
            "parameters": _PARAMETERS,
            "headers": _HEADERS,
            "responses": {f"Problem{status}": _problem(status) for status in (404, *_BODY_REFUSALS, *REFUSALS)},
            "schemas": msgspec.json.decode(msgspec.json.encode(dict(sorted(schemas.items())))),
        },
    }  # fmt: skip


_PARAMETERS: dict[str, Any] = {
    "IdempotencyKey": {
        "name": HEADER,
        "in": "header",
        "description": "Makes a repeat safe: it gets the first answer again. Kept for 30 days.",
        "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY, "pattern": "^[!-~]+$"},
    },
    "RequestId": {
        "name": "Request-Id",
        "in": "header",
        "description": "Your own id for this request, up to 100 of A-Z a-z 0-9 . _ : -; otherwise one is made.",
        "schema": {"type": "string"},
    },
    "Reason": {
        "name": REASON_HEADER,
        "in": "header",
        "description": "Why this is done, in a sentence; kept with every event and transfer that comes of it.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 1000, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    },
}
_HEADERS: dict[str, Any] = {
    "RequestId": {"description": "The id of this request.", "schema": {"type": "string"}, "example": REQUEST_ID},
    "IdempotentReplayed": {
        "description": "`true` when this is the stored answer of an earlier request with the same key.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "RetryAfter": {"description": "Seconds to wait.", "schema": {"type": "string", "pattern": "^[0-9]+$"}},
}
_ANY = {"type": "object"}
_ECHOED = {"Request-Id": {"$ref": "#/components/headers/RequestId"}}


def _operation(endpoint: Endpoint, examples: dict[str, Any]) -> dict[str, Any]:
    writes = endpoint.method != "GET"
    keyed = endpoint.method in ("POST", "PATCH")
    problems = {*REFUSALS, *endpoint.problems, *(_BODY_REFUSALS if keyed or endpoint.method == "PUT" else ())}
    headers = [*(("IdempotencyKey",) if keyed else ()), *(("Reason",) if writes else ()), "RequestId"]
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "description": f"{endpoint.description}\n\nScope: `{endpoint.scope}`.".strip(),
        "tags": [endpoint.path.split("/")[2]],
        "parameters": [
            *_in_path(endpoint.path),
            *map(_in_query, endpoint.parameters),
            *({"$ref": f"#/components/parameters/{name}"} for name in headers),
        ],
        "responses": {str(endpoint.status): _success(endpoint, examples, keyed)}
        | {str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in sorted(problems)},
    }
    if endpoint.body is not None:
        content: dict[str, Any] = {"schema": _reference(endpoint.body)}
        if endpoint.example is not None:
            content["example"] = BODIES[endpoint.example]
        operation["requestBody"] = {"required": True, "content": {JSON: content}}
    return operation


def _in_path(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", path)
    ]


def _in_query(parameter: Parameter) -> dict[str, Any]:
    shape = {"style": "deepObject", "explode": True} if parameter.deep else {}
    return {
        "name": parameter.name, "in": "query", "description": parameter.description, **shape,
        "schema": parameter.schema,
    }  # fmt: skip


def _success(endpoint: Endpoint, examples: dict[str, Any], keyed: bool) -> dict[str, Any]:
    schema = _reference(endpoint.answers)
    example = examples.get(endpoint.answers.__name__)
    if endpoint.lists:
        schema = {
            "type": "object",
            "required": ["object", "data", "has_more", "next_cursor"],
            "properties": {
                "object": {"type": "string", "enum": ["list"]},
                "data": {"type": "array", "items": schema},
                "has_more": {"type": "boolean"},
                "next_cursor": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            },
        }
        example = example and {"object": "list", "data": [example], "has_more": False, "next_cursor": None}
    replayed = {"Idempotent-Replayed": {"$ref": "#/components/headers/IdempotentReplayed"}} if keyed else {}
    content = {"schema": schema} | ({"example": example} if example else {})
    return {"description": endpoint.summary, "headers": _ECHOED | replayed, "content": {JSON: content}}


def _problem(status: int) -> dict[str, Any]:
    waits = {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}} if status in (409, 429, 503) else {}
    return {
        "description": HTTPStatus(status).phrase,
        "headers": _ECHOED | waits,
        "content": {MEDIA_TYPE: {"schema": _reference(Problem)}},
    }


def _reference(kind: type) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def _public_paths() -> dict[str, Any]:
    """What is served without a key."""
    said = {
        INVOICE_SCHEMA_PATH: (
            "getInvoiceSchema",
            "JSON Schema of a pushed invoice",
            "application/schema+json",
            "schemas",
        ),
        "/livez": ("isAlive", "Whether the process runs", JSON, "health"),
        "/readyz": ("isReady", "Whether the database can be reached and is up to date", JSON, "health"),
    }
    return {
        path: {
            "get": {
                "operationId": name, "summary": summary, "tags": [tag], "security": [],
                "parameters": [{"$ref": "#/components/parameters/RequestId"}],
                "responses": {
                    "200": {"description": summary, "headers": _ECHOED, "content": {kind: {"schema": _ANY}}},
                    "500": {"$ref": "#/components/responses/Problem500"},
                }
                | ({"503": {"$ref": "#/components/responses/Problem503"}} if path == "/readyz" else {}),
            }
        }
        for path, (name, summary, kind, tag) in said.items()
    }  # fmt: skip


def rendered(document: Any) -> str:
    """JSON as it is committed."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Write the description, the schema of a pushed invoice and its sample; refuse to break programs unasked."""
    paths = [Path(argument) for argument in arguments if argument != "--breaking"]
    if len(paths) != 1:
        print("usage: python -m billsmith.api.openapi [--breaking] docs/reference/openapi.json", file=sys.stderr)
        return 2
    document = openapi_document()
    before = json.loads(paths[0].read_text()) if paths[0].exists() else {}
    broken = breaking_changes(before, document)
    if broken and "--breaking" not in arguments:
        print(
            "this would break programs written for the API as it is described now:",
            *broken,
            sep="\n  ",
            file=sys.stderr,
        )
        return 1
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    paths[0].write_text(rendered(document))
    paths[0].with_name("invoice.schema.json").write_text(rendered(invoice_schema()))
    paths[0].with_name("invoice.sample.json").write_text(rendered(INVOICE))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
