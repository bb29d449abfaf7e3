"""Whatever is another tenant's is not there: by id, external id, filter or cursor, at every operation there is."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from copy import deepcopy
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import pytest
from httpx2 import ASGITransport, AsyncClient, Response

from billsmith.actions import tenants
from billsmith.actions.context import Context
from billsmith.api.app import make_app
from billsmith.api.catalogue import ENDPOINTS
from billsmith.api.endpoints import Endpoint
from billsmith.api.examples import BODIES
from billsmith.api.paging import Cursor, show_cursor
from billsmith.clock import FixedClock
from billsmith.core.ids import PREFIXES, read_id
from billsmith.core.tenants import NewTenant, Tenant
from billsmith.gateways.registry import Registry
from billsmith.ids import IdMaker
from billsmith.store.pool import Pool
from billsmith.vault import Vault
from tests.actions.made import everything
from tests.api.conftest import ADDRESS, is_problem, secret_for
from tests.api.things import KINDS_IN_PATHS, Things, kind_of, make_things
from tests.conftest import NOON
from tests.contexts import TEST_KEY

ALTERNATIVES = [{"payment", "invoice", "credit"}]
"""Fields of which one body names exactly one."""

NO_ID_OF_OURS = {("addPaymentMethod", ("payment_method",))}
"""Named like a thing of ours, but it is the gateway's."""

DRAFTS = {"changeInvoice"}
"""What is about a draft, where a finalised invoice is refused before anything else is looked at."""

Place = tuple[str | int, ...]


class World(msgspec.Struct, frozen=True):
    """Two tenants with the same things; the first asks."""

    client: AsyncClient
    tenant: Tenant
    ours: Things
    other_tenant: Tenant
    theirs: Things
    pool: Pool

    async def everything(self) -> list[dict[str, list[str]]]:
        """What both have stored."""
        return [await everything(self.pool, tenant) for tenant in (self.tenant, self.other_tenant)]


@pytest.fixture(scope="module")
async def world(pool: Pool, gateways: Registry) -> AsyncIterator[World]:
    """Made once: nothing that is asked for here may change it."""
    ids = IdMaker(lambda: datetime.now(UTC))
    context = Context(pool=pool, clock=FixedClock(NOON), ids=ids, gateways=gateways, vault=Vault([TEST_KEY]))
    async with AsyncExitStack() as stack:

        async def company(name: str) -> tuple[AsyncClient, Tenant, Things]:
            given = NewTenant(name=name, currency="EUR", mode="sandbox", clock_at=NOON)
            tenant = await tenants.create_tenant(context, given, actor="test", request_id="req_test")
            headers = {"Authorization": f"Bearer {await secret_for(context, tenant)}"}
            transport = ASGITransport(make_app(context))
            client = await stack.enter_async_context(
                AsyncClient(transport=transport, base_url=ADDRESS, headers=headers)
            )
            return client, tenant, await make_things(client, name)

        client, tenant, ours = await company("ours")
        _, other_tenant, theirs = await company("theirs")
        for name in ("tim", "ada"):  # the customers that examples are about
            assert (await client.post("/v1/customers", json={"name": name, "external_id": name})).status_code == 201
        yield World(client, tenant, ours, other_tenant, theirs, pool)


def kind_named(field: str) -> str | None:
    """The kind of thing that a field or parameter of this name names."""
    kind = {"parent": "customer", "base": "subscription"}.get(field, field)
    return kind if kind in PREFIXES else None


def named_in(shape: Any, place: Place = ()) -> Iterator[Place]:
    """Where a body names things by their ids."""
    if isinstance(shape, type) and issubclass(shape, msgspec.Struct):
        for field, kind in get_type_hints(shape).items():
            if kind_named(field) is not None and str in (kind, *get_args(kind)):
                yield (*place, field)
            yield from named_in(kind, (*place, field))
    elif get_origin(shape) is list:
        yield from named_in(get_args(shape)[0], (*place, 0))
    else:
        for part in get_args(shape):
            yield from named_in(part, place)


def body_naming(endpoint: Endpoint, place: Place, id_: str) -> Any:
    """The example of a body, with this id at that place."""
    assert endpoint.example is not None
    body = deepcopy(BODIES[endpoint.example])
    for alternatives in ALTERNATIVES:
        if place[0] in alternatives and alternatives & set(body):
            body = {field: value for field, value in body.items() if field not in alternatives}
    inside: Any = body
    for step, following in pairwise(place):
        if isinstance(inside, dict) and step not in inside:
            inside[step] = [{}] if following == 0 else {}
        inside = inside[step]
    inside[place[-1]] = id_
    return body


def pointer(place: Place) -> str:
    """The place as a JSON pointer."""
    return "".join(f"/{step}" for step in place)


async def ask(client: AsyncClient, endpoint: Endpoint, path: str, body: Any = None) -> Response:
    """The endpoint with its example, as one who may do everything and does it for the first time."""
    if body is None and endpoint.example is not None:
        body = BODIES[endpoint.example]
    headers = {"Idempotency-Key": "once"} if endpoint.method in ("POST", "PATCH") else {}
    return await client.request(endpoint.method, path, json=body, headers=headers)


async def test_every_kind_of_thing_in_a_path_is_really_there(world: World) -> None:
    """A path with an id of another kind needs a line in tests/api/things.py, or nothing would be shown about it."""
    assert set(KINDS_IN_PATHS) <= set(PREFIXES)
    assert set(KINDS_IN_PATHS) <= set(world.ours.by_name)


@pytest.mark.parametrize("endpoint", [one for one in ENDPOINTS if kind_of(one)], ids=lambda one: one.name)
async def test_an_id_in_a_path_names_nothing_of_another_tenant(world: World, endpoint: Endpoint) -> None:
    before = await world.everything()
    refused = is_problem(await ask(world.client, endpoint, world.theirs.path(endpoint)), 404)
    assert refused["code"].endswith("_not_found"), refused
    assert "theirs" not in str(refused)
    assert await world.everything() == before


@pytest.mark.parametrize(
    ("endpoint", "place"),
    [
        pytest.param(endpoint, place, id=f"{endpoint.name}{pointer(place)}")
        for endpoint in ENDPOINTS
        if endpoint.body is not None
        for place in named_in(endpoint.body)
        if (endpoint.name, place) not in NO_ID_OF_OURS
    ],
)
async def test_an_id_in_a_body_names_nothing_of_another_tenant(world: World, endpoint: Endpoint, place: Place) -> None:
    kind = kind_named(str(place[-1]))
    assert kind is not None
    path = world.ours.path(endpoint)
    if endpoint.name in DRAFTS:
        path = path.replace(world.ours.id_for("invoice"), world.ours.id_for("draft"))
    before = await world.everything()
    for named in (world.theirs.id_for(kind), "theirs"):
        refused = await ask(world.client, endpoint, path, body_naming(endpoint, place, named))
        is_problem(refused, 404, pointer=pointer(place))
    assert await world.everything() == before


async def test_a_batch_names_nothing_of_another_tenant(world: World) -> None:
    before = await world.everything()
    entries = [{"customer": named, "amount": 1} for named in (world.theirs.id_for("customer"), "theirs")]
    methods = (world.theirs.id_for("payment_method"), "theirs")
    entries += [{"customer": "ours", "amount": 1, "payment_method": named} for named in methods]
    results = (await world.client.post("/v1/invoices/batch", json={"invoices": entries})).json()["data"]
    assert [(one["status"], one["problem"]["status"]) for one in results] == [("refused", 404)] * 4
    after = await world.everything()
    assert [table | {"causes": []} for table in after] == [table | {"causes": []} for table in before]


@pytest.mark.parametrize(
    ("endpoint", "parameter"),
    [
        pytest.param(endpoint, parameter.name, id=f"{endpoint.name}?{parameter.name}")
        for endpoint in ENDPOINTS
        for parameter in endpoint.parameters
        if kind_named(parameter.name) or parameter.name in ("external_id", "metadata", "tags")
    ],
)
async def test_a_filter_finds_nothing_of_another_tenant(world: World, endpoint: Endpoint, parameter: str) -> None:
    filters = {"metadata": ["metadata[house]=theirs"], "tags": ["tags=theirs"], "external_id": ["external_id=theirs"]}
    kind = kind_named(parameter)
    if kind is not None:
        filters[parameter] = [f"{parameter}={world.theirs.id_for(kind)}", f"{parameter}=theirs"]
    with_customer = f"&customer={world.ours.id_for('customer')}" if parameter == "external_id" else ""
    if with_customer and "customer" not in {one.name for one in endpoint.parameters}:
        with_customer = ""
    for query in filters[parameter]:
        answered = await world.client.get(f"{endpoint.path}?{query}{with_customer}")
        if kind is not None:
            is_problem(answered, 404)  # of nobody there is no list
        else:
            assert answered.status_code == 200, answered.text
            assert answered.json()["data"] == []


@pytest.mark.parametrize("endpoint", [one for one in ENDPOINTS if one.method == "GET"], ids=lambda one: one.name)
async def test_nothing_that_is_read_shows_another_tenant(world: World, endpoint: Endpoint) -> None:
    """Nor do cursors of the other tenant lead there: they are only a place in one's own list."""
    parameters = {one.name for one in endpoint.parameters}
    path = world.ours.path(endpoint)
    own = f"customer={world.ours.id_for('customer')}&" if "customer" in parameters else ""
    queries = ["?" + own]
    if "cursor" in parameters:
        places = [read_id(text_kind, id_) for id_ in world.theirs.by_name.values() if (text_kind := kind_behind(id_))]
        queries += [f"?{own}cursor={show_cursor(Cursor(place))}" for place in places]
    for query in queries:
        answered = await world.client.get(path + query.rstrip("?&"))
        assert answered.status_code == 200, answered.text
        for id_ in (*world.theirs.by_name.values(), "theirs"):
            assert id_ not in answered.text


def kind_behind(id_: str) -> str:
    """The kind of an id, by its prefix."""
    return next(kind for kind, prefix in PREFIXES.items() if id_.startswith(prefix + "_"))
