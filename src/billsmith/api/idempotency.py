"""Idempotency keys: read from the header, tied to what was sent, and what is stored under them."""

import hashlib
import re
from collections.abc import Callable
from typing import Any

from starlette.requests import Request

from billsmith.actions.calls import Answer, Keyed
from billsmith.errors import Invalid

HEADER = "Idempotency-Key"
REPLAYED = {"Idempotent-Replayed": "true"}
LONGEST_KEY = 255
_KEY = re.compile(rf"[\x21-\x7e]{{1,{LONGEST_KEY}}}")


class HeaderInvalid(Invalid):
    """A header with a value that it can't have; `header` names it."""

    code = "header_invalid"


def key_in(request: Request, *, needed: bool = False) -> str | None:
    """The key that was sent; `needed` where money moves, so that a repeat is known as one. Raises HeaderInvalid."""
    keys = request.headers.getlist(HEADER)
    if not keys and needed:
        said = f"money moves here: send the header {HEADER} with a text of your own, the same if you repeat this"
        raise HeaderInvalid(said, facts={"header": HEADER})
    if not keys:
        return None
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        raise HeaderInvalid(f"an idempotency key has 1 to {LONGEST_KEY} visible characters", facts={"header": HEADER})
    return keys[0]


def keyed_by(request: Request, body: bytes, reply: Callable[[Any], Answer]) -> Keyed | None:
    """The key of a request that has one: a repeat is one with the same method, path and body. Raises HeaderInvalid."""
    key = key_in(request)
    if key is None:
        return None
    sent = hashlib.sha256(f"{request.method} {request.scope['path']}\n".encode() + body)
    return Keyed(key, sent.digest(), reply)
