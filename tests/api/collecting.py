"""What tests of gateways and payment methods say over and over: post under a key, and look at what was made."""

from collections.abc import Awaitable, Callable
from typing import Any

from httpx2 import Response

SECRETS = {"api_key": "fake_1", "webhook_secret": "whsec_hush"}
Post = Callable[..., Awaitable[Response]]
"""Posts fields under an idempotency key of its own."""


def made(answered: Response, status: int = 201) -> dict[str, Any]:
    """What was answered, if it was no refusal."""
    assert answered.status_code == status, answered.text
    return dict(answered.json())


async def added(post: Post, reference: str = "tok_ok", **fields: Any) -> dict[str, Any]:
    """A payment method of Tim."""
    return made(await post("/v1/payment-methods", customer="tim", payment_method=reference, **fields))
