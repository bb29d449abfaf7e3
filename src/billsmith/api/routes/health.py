"""/livez, /readyz and /metrics: for who runs the server, without a key."""

import asyncio

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from billsmith.actions.context import Context
from billsmith.api.metrics import MEDIA_TYPE, Metrics
from billsmith.store.migrations import require_migrated
from billsmith.store.pool import DatabaseUnavailable, outage_named

READY_WITHIN_SECONDS = 5


def health_routes(context: Context, metrics: Metrics) -> list[Route]:
    """The routes for whoever watches over the process."""

    async def livez(request: Request) -> Response:
        return _fine()

    async def readyz(request: Request) -> Response:
        await _ready(context)
        return _fine()

    async def shown_metrics(request: Request) -> Response:
        return Response(metrics.text(), media_type=MEDIA_TYPE)

    return [Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", shown_metrics)]


async def _ready(context: Context) -> None:
    """Raises DatabaseUnavailable, DatabaseNotMigrated."""
    try:
        async with asyncio.timeout(READY_WITHIN_SECONDS):
            with outage_named():
                await require_migrated(context.pool)
    except TimeoutError:
        raise DatabaseUnavailable("the database did not answer in time") from None


def _fine() -> Response:
    return Response(msgspec.json.encode({"status": "ok"}), media_type="application/json")
