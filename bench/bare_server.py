"""What the same machine does at best: a server on the same libraries that knows nothing of billing.

POST stores the bytes of an answer in one row of one table and commits; GET reads them by their key. So its rate is
what HTTP, the driver and a durable commit leave room for.
"""

import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import uvicorn

STORE = "INSERT INTO bare (key, answer) VALUES ($1, $2)"
READ = "SELECT answer FROM bare WHERE key = $1"
TABLE = "CREATE TABLE IF NOT EXISTS bare (key text PRIMARY KEY, answer bytea NOT NULL)"

Message = dict[str, Any]


def application(pool: "asyncpg.Pool[asyncpg.Record]") -> Callable[..., Awaitable[None]]:
    """Stores and answers what is sent; answers what is stored."""

    async def run(scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[..., Any]) -> None:
        key = scope["path"]
        if scope["method"] == "POST":
            octets = (await receive())["body"]
            key = next(value for name, value in scope["headers"] if name == b"idempotency-key").decode()
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute(STORE, key, octets)
        else:
            octets = await pool.fetchval(READ, key)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(octets)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": octets})

    return run


async def serve(url: str, port: int) -> None:
    """Serve until told to stop."""
    async with asyncpg.create_pool(url, min_size=10, max_size=10, reset=_as_it_is) as pool:
        config = uvicorn.Config(application(pool), port=port, log_level="warning", access_log=False, lifespan="off")
        await uvicorn.Server(config).serve()


async def _as_it_is(connection: Any) -> None:
    """Nothing to be reset, as in our own pool."""


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(os.environ["DATABASE_URL"], int(sys.argv[1])))
