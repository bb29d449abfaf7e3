"""/v1/gateway-webhooks: where gateways tell us what changed. No key: a gateway signs what it sends."""

import msgspec
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from billsmith.actions.context import Context
from billsmith.actions.money.accounts import GatewayAccountNotFound
from billsmith.actions.money.webhooks import WebhookNotBelieved, look_into_received, receive_webhook
from billsmith.api.limits import body_within
from billsmith.api.metrics import Metrics
from billsmith.core.ids import find_id
from billsmith.errors import NotFound

GATEWAY_WEBHOOK_PATH = "/v1/gateway-webhooks/{gateway_account}"
_UNKNOWN = "unknown"


def gateway_webhook_routes(context: Context, metrics: Metrics) -> list[Route]:
    """The route that is given to a gateway as the address of its webhooks."""

    async def webhook(request: Request) -> Response:
        body = await body_within(request)
        try:
            account_id = find_id("gateway_account", request.path_params["gateway_account"])
            received = await receive_webhook(context, account_id, dict(request.headers), body)
        except (GatewayAccountNotFound, NotFound):
            metrics.webhook(_UNKNOWN, "refused")
            raise
        except WebhookNotBelieved as error:
            metrics.webhook(error.gateway, "refused")
            raise
        metrics.webhook(received.gateway, "kept" if received.stored else "known")
        # Answered at once, and looked into afterwards: a gateway waits a few seconds, and then tells it again.
        later = BackgroundTask(look_into_received, context, received)
        told = msgspec.json.encode({"received": received.told})
        return Response(told, media_type="application/json", background=later)

    return [Route(GATEWAY_WEBHOOK_PATH, webhook, methods=["POST"])]
