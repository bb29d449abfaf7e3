"""The application: routes, and the edge where every request gets its id and every error its one format."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars

from billsmith.actions.context import Context
from billsmith.api.auth import Callers
from billsmith.api.catalogue import ENDPOINTS
from billsmith.api.endpoints import Doors, Endpoint, enter
from billsmith.api.limits import REQUESTS_PER_SECOND, RateLimit
from billsmith.api.metrics import UNMATCHED, Metrics
from billsmith.api.openapi import openapi_document
from billsmith.api.problems import MethodNotAllowed, PathUnknown, problem_answer
from billsmith.api.request_ids import REQUEST_ID, request_id_for
from billsmith.api.routes.gateway_webhooks import gateway_webhook_routes
from billsmith.api.routes.health import health_routes
from billsmith.api.routes.schemas import schema_routes
from billsmith.errors import BillsmithError

log = structlog.get_logger("billsmith.api")

OPENAPI_PATH = "/v1/openapi.json"
QUIET = frozenset({"/livez", "/readyz", "/metrics"})
"""Asked every few seconds by machines: logged only when something is wrong."""
LONGEST_PATH_LOGGED = 200


def make_app(context: Context, *, requests_per_second: int = REQUESTS_PER_SECOND) -> FastAPI:
    """The HTTP application on a context; each key may ask so often per second in this process."""
    app = FastAPI(title="Billsmith", openapi_url=OPENAPI_PATH, docs_url=None, redoc_url=None, redirect_slashes=False)
    document = openapi_document()
    app.openapi = lambda: document  # type: ignore[method-assign]
    doors = Doors(context, Callers(context), RateLimit(requests_per_second))
    metrics = Metrics(context.pool)
    app.router.routes += [*_endpoint_routes(doors), *schema_routes(), *health_routes(context, metrics)]
    app.router.routes += gateway_webhook_routes(context, metrics)
    app.add_exception_handler(HTTPException, _said_by_the_router)
    paths = {route.endpoint: route.path for route in app.router.routes if isinstance(route, Route)}
    app.add_middleware(Edge, context=context, metrics=metrics, paths=paths)
    return app


class Edge:
    """Around everything: the request's id, what it is counted as, and errors turned into problem documents."""

    def __init__(self, app: ASGIApp, context: Context, metrics: Metrics, paths: dict[Any, str]) -> None:
        self._app = app
        self._paths = paths
        self._context = context
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        request_id = scope["request_id"] = request_id_for(scope, self._context)
        clear_contextvars()  # of the request before on this connection
        bind_contextvars(request_id=request_id)
        shown = request_id.encode()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (REQUEST_ID, shown)]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except BillsmithError as error:
            await problem_answer(error, request_id)(scope, receive, send_with_id)
        except ClientDisconnect:
            status = 499  # nobody is left to answer
        except Exception as error:
            log.error("request failed", route=self._route_of(scope), exc_info=error)
            if status:
                raise  # the answer had begun: cutting it off is all that is left
            unforeseen = BillsmithError("this is our mistake; it was noted under the request id")
            await problem_answer(unforeseen, request_id)(scope, receive, send_with_id)
        finally:
            self._note(scope, status, time.perf_counter() - began)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        """Count the request, and write its one line: no query, no header and no body, for they may hold secrets."""
        route = self._route_of(scope)
        self._metrics.answered(scope["method"], route, status, seconds)
        path = scope["path"][:LONGEST_PATH_LOGGED]
        write = log.debug if path in QUIET and status < 400 else log.info
        write("request", method=scope["method"][:20], path=path, status=status, ms=round(seconds * 1000, 1))

    def _route_of(self, scope: Scope) -> str:
        """The template of the path, as the router left it in the scope: what was asked for may be anything."""
        return self._paths.get(scope.get("endpoint"), UNMATCHED)


def _endpoint_routes(doors: Doors) -> list[Route]:
    """One route per path, so that a method it does not have is answered with all that it has.

    Paths without an id come first: /v1/invoices/batch is not the invoice `batch`.
    """
    by_path: dict[str, dict[str, Endpoint]] = {}
    for endpoint in ENDPOINTS:
        by_path.setdefault(endpoint.path, {})[endpoint.method] = endpoint
    return [
        Route(path, _entrance(doors, methods), methods=list(methods), include_in_schema=False)
        for path, methods in sorted(by_path.items(), key=lambda entry: "{" in entry[0])
    ]


def _entrance(doors: Doors, methods: dict[str, Endpoint]) -> Callable[[Request], Awaitable[Response]]:
    async def entrance(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        return await enter(doors, methods[method], request)

    return entrance


async def _said_by_the_router(request: Request, error: Any) -> Response:
    """No such path, no such method: the only errors that are not ours to raise."""
    headers = dict(error.headers or {})
    path = request.url.path[:200]
    ours: BillsmithError = PathUnknown(f"there is nothing under {path}")
    if error.status_code == 405:
        ours = MethodNotAllowed(f"{path} does not have {request.method[:20]}; it has {headers.get('Allow', 'others')}")
    return problem_answer(ours, request.scope["request_id"], headers)
