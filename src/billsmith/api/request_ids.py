"""The id of a request: the caller's own where it is a sane one, otherwise a new one."""

import re

from starlette.types import Scope

from billsmith.actions.context import Context
from billsmith.core.ids import show_id

REQUEST_ID = b"request-id"
_SANE = re.compile(rb"[A-Za-z0-9._:-]{1,100}")


def request_id_for(scope: Scope, context: Context) -> str:
    """The Request-Id that was sent, or `req_…`: under it the request is found in answers, events and logs."""
    for name, value in scope["headers"]:
        if name == REQUEST_ID and _SANE.fullmatch(value):
            return str(value, "ascii")
    return show_id("request", context.ids.new(context.ids.any_shard()))
