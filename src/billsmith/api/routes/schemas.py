"""/v1/schemas: the JSON Schema of what is pushed, for who makes it. Needs no key."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from billsmith.api.examples import INVOICE
from billsmith.api.schemas.invoices import InvoiceToCreate

INVOICE_SCHEMA_PATH = "/v1/schemas/invoice"
MEDIA_TYPE = "application/schema+json"


def schema_routes() -> list[Route]:
    """The route of the published schema."""
    shown = msgspec.json.encode(invoice_schema())

    async def schema(request: Request) -> Response:
        return Response(shown, media_type=MEDIA_TYPE)

    return [Route(INVOICE_SCHEMA_PATH, schema)]


def invoice_schema() -> dict[str, Any]:
    """The schema of a pushed invoice (`POST /v1/invoices`), with the sample in it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:billsmith:schema:invoice",
        **msgspec.json.schema(InvoiceToCreate),
        "examples": [INVOICE],
    }
