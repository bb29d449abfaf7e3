"""Requests made up from the description, good and bad: each answer is one that is described, and none is our mistake.

`BILLSMITH_FUZZ=500 pytest tests/api/test_schemathesis.py` makes so many per operation, other ones each time, and tries
every bound of every field, of which the default suite tries one in three.
"""

import asyncio
import os
import zlib
from collections.abc import Callable, Iterator, MutableMapping
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
import schemathesis
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.generation.meta import TestPhase
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    missing_required_header,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from billsmith.actions import tenants
from billsmith.actions.context import Context
from billsmith.api.app import make_app
from billsmith.api.openapi import openapi_document
from billsmith.clock import FixedClock
from billsmith.core.tenants import NewTenant
from billsmith.gateways.registry import Registry
from billsmith.ids import IdMaker
from billsmith.store.pool import open_pool
from billsmith.vault import Vault
from tests.api.conftest import ADDRESS, secret_for
from tests.api.things import Things, kind_of_path, make_things
from tests.conftest import NOON
from tests.contexts import TEST_KEY

ASKED_FOR = os.environ.get("BILLSMITH_FUZZ", "")
CONFIG = f"""
{"" if ASKED_FOR else "seed = 421"}
[generation]
max-examples = {int(ASKED_FOR or 8)}
deterministic = {"false" if ASKED_FOR else "true"}
database = "none"
with-security-parameters = false
"""
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance, negative_data_rejection, missing_required_header, unsupported_method,
    allow_header_conformance,
]  # fmt: skip

schema = schemathesis.openapi.from_dict(deepcopy(openapi_document()), config=SchemathesisConfig.from_str(CONFIG))

Message = MutableMapping[str, Any]


class Served:
    """An application that runs in a loop of its own, for clients in any other."""

    def __init__(self, app: FastAPI, portal: BlockingPortal, secret: str, things: Things) -> None:
        self._app = app
        self._portal = portal
        self.secret = secret
        self.things = things

    async def __call__(self, scope: Message, receive: Callable[[], Any], send: Callable[[Message], Any]) -> None:
        if scope["type"] != "http":
            return
        octets, more = b"", True
        while more:
            message = await receive()
            octets, more = octets + message.get("body", b""), message.get("more_body", False)
        for message in await asyncio.wrap_future(self._portal.start_task_soon(self._answer, scope, octets)):
            await send(message)

    async def _answer(self, scope: Message, octets: bytes) -> list[Message]:
        said: list[Message] = []
        unread = [{"type": "http.disconnect"}, {"type": "http.request", "body": octets, "more_body": False}]

        async def receive() -> Message:
            return unread.pop() if len(unread) > 1 else unread[0]

        async def send(message: Message) -> None:
            said.append(message)

        await self._app(scope, receive, send)
        return said


@pytest.fixture(scope="module")
async def own_database(new_database: Callable[..., Any]) -> str:
    """A database that only this module writes to."""
    return str(await new_database())


@pytest.fixture(scope="module")
def served(own_database: str, gateways: Registry) -> Iterator[Served]:
    """The application over a sandbox that has one thing of each kind."""
    with start_blocking_portal() as portal:

        async def begin() -> tuple[Context, Served]:
            ids = IdMaker(lambda: datetime.now(UTC))
            pool = await open_pool(own_database)
            context = Context(pool=pool, clock=FixedClock(NOON), ids=ids, gateways=gateways, vault=Vault([TEST_KEY]))
            given = NewTenant(name="Steve's Cloud", currency="EUR", mode="sandbox", clock_at=NOON)
            tenant = await tenants.create_tenant(context, given, actor="test", request_id="req_test")
            secret, app = await secret_for(context, tenant), make_app(context)
            headers = {"Authorization": f"Bearer {secret}"}
            async with AsyncClient(transport=ASGITransport(app), base_url=ADDRESS, headers=headers) as client:
                things = await make_things(client, "tim")
            return context, Served(app, portal, secret, things)

        context, made = portal.call(begin)
        yield made
        portal.call(context.pool.close)


def aim(case: schemathesis.Case, things: Things) -> None:
    """Half of the good requests are about something that is there: a made-up id is nobody's."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    kind = kind_of_path(case.path)
    if kind is not None and hits(case.path_parameters.get("id")):
        case.path_parameters["id"] = things.id_for(kind)
    if isinstance(case.body, dict):
        case.body = aimed(case.body, things)  # another one: an example is the description's own
    case.query = aimed(case.query or {}, things)


def aimed(given: dict[str, Any], things: Things) -> dict[str, Any]:
    """The fields, half of those that name a thing naming one that is there."""
    meant = [field for field, value in given.items() if field in things.by_name and isinstance(value, str)]
    return {**given, **{field: things.id_for(field) for field in meant if hits(given[field])}}


def left_out(case: schemathesis.Case) -> bool:
    """Whether this bound of a field is left to a longer run: always the same two of three."""
    meta = case.meta
    return (
        meta is not None
        and meta.phase.name == TestPhase.COVERAGE
        and zlib.crc32(repr(meta.phase.data).encode()) % 3 > 0
    )


def hits(text: Any) -> bool:
    """Whether this one is replaced: decided by the text, so that a repetition is the same."""
    return zlib.crc32(repr(text).encode()) % 2 == 0


@schema.parametrize()
def test_every_answer_is_one_that_is_described(case: schemathesis.Case, served: Served) -> None:
    if not ASKED_FOR and left_out(case):
        return
    aim(case, served.things)
    headers = {"Authorization": f"Bearer {served.secret}"}
    case.call_and_validate(app=served, headers=headers, checks=CHECKS)
