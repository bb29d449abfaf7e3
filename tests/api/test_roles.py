"""Who may do what: a table of every operation, so that a change of what a key is needed for is noticed."""

import ast
import asyncio
import base64
import inspect
import re
from pathlib import Path
from textwrap import dedent
from typing import Any

from httpx2 import AsyncClient

from billsmith.actions.tenants import authenticate
from billsmith.api import auth, openapi
from billsmith.api.auth import Callers
from billsmith.api.catalogue import ENDPOINTS
from billsmith.api.endpoints import Endpoint
from billsmith.api.examples import BODIES
from billsmith.core.tenants import Scope, Tenant
from billsmith.store.pool import Pool
from tests.actions.made import everything
from tests.api.conftest import NewClient, is_problem
from tests.api.things import Things

NEEDS = {
    "read": {
        "listInvoices", "getInvoice", "listCustomers", "getCustomer", "listPayments", "getPayment", "listRefunds",
        "getRefund", "previewRefundMany", "listOperations", "getOperation", "listOperationItems", "listCreditNotes",
        "getCreditNote", "listWriteOffs", "getWriteOff", "reportWriteOffs", "listCredits", "getCredit",
        "listTransfers", "listEvents", "getTenant", "listPaymentMethods", "getPaymentMethod", "listBlockedCustomers",
        "listUnknownAttempts", "getAttempt", "listDisputes", "getDispute", "listGatewayEvents", "getGatewayEvent",
        "getCatalog", "listPlans", "getPlan", "listSubscriptions", "getSubscription", "getEntitlement", "getTimeline",
        "previewSubscription", "previewChange",
    },
    "write": {
        "createInvoice", "changeInvoice", "deleteInvoice", "finaliseInvoice", "createInvoices", "createCustomer",
        "changeCustomer", "deleteCustomer", "cancelRefund", "cancelOperation", "grantCredit", "deleteCredit",
        "moveClock", "addPaymentMethod", "changePaymentMethod", "validatePaymentMethod", "detachPaymentMethod",
        "holdInvoice", "retryGatewayEvent", "createSubscription", "changeSubscription", "changePlan", "changeQuantity",
        "changeBillCycleDay", "cancelSubscription", "undoChange", "pauseSubscription", "resumeSubscription",
        "transferSubscription", "billCustomer",
    },
    "write, moves money": {
        "recordPayment", "allocatePayment", "releaseSuspense", "reversePayment", "refund", "refundMany",
        "issueCreditNote", "adjustInvoice", "voidInvoice", "reviseInvoice", "writeOffInvoice", "undoWriteOff",
        "moveCredit", "giveInvoicePaymentMethod", "collectInvoice", "assignGatewayEvent",
    },
    "admin": {
        "createKey", "listKeys", "revokeKey", "createGatewayAccount", "listGatewayAccounts", "getGatewayAccount",
        "changeGatewayAccount", "testGatewayAccount", "resumeGatewayAccount", "closeGatewayAccount", "changeTenant",
        "applyCatalog", "retirePlan",
    },
    "admin, moves money": {"resolveAttempt"},
}  # fmt: skip
"""Which scope each operation needs, and whether it is asked for with an idempotency key only."""

WITHOUT_A_KEY = {"/v1/schemas/invoice", "/livez", "/readyz"}
NOTHING = Things({})
"""Paths that name nobody's things: who is let in finds nothing."""


def needed(endpoint: Endpoint) -> str:
    """The scope that the table says."""
    return next(scope for scope, names in NEEDS.items() if endpoint.name in names).partition(",")[0]


async def ask(client: AsyncClient, endpoint: Endpoint, **headers: Any) -> Any:
    """The endpoint with its example, about something that is nobody's."""
    body = None if endpoint.example is None else BODIES[endpoint.example]
    if endpoint.method in ("POST", "PATCH"):
        headers = {"Idempotency-Key": "once"} | headers
    return await client.request(endpoint.method, NOTHING.path(endpoint), json=body, headers=headers)


def test_the_table_says_what_every_operation_needs() -> None:
    said = {
        endpoint.name: f"{endpoint.scope}, moves money" if endpoint.moves_money else str(endpoint.scope)
        for endpoint in ENDPOINTS
    }
    assert said == {name: scope for scope, names in NEEDS.items() for name in names}


async def test_every_operation_lets_in_who_may_and_nobody_else(
    new_client: NewClient, tenant: Tenant, pool: Pool
) -> None:
    for scope, may in (("none", ()), ("read", ("read",)), ("write", ("read", "write")), ("admin", tuple(Scope))):
        client = await new_client() if scope == "none" else await new_client(tenant, Scope(scope))
        await client.get("/v1/tenant")  # when a key was last used is no longer news
        before = await everything(pool, tenant)
        for endpoint in ENDPOINTS:
            if needed(endpoint) not in may:
                status, code = (401, "key_missing") if scope == "none" else (403, "scope_missing")
                is_problem(await ask(client, endpoint), status, code)
        assert await everything(pool, tenant) == before
        for endpoint in ENDPOINTS:
            if needed(endpoint) in may:
                answered = await ask(client, endpoint)
                assert answered.status_code in {200, 201, 202, 404, 409, 422}, (endpoint.name, answered.text)


async def test_every_operation_refuses_a_key_that_is_revoked_or_no_key(
    client: AsyncClient, stranger: AsyncClient
) -> None:
    made = (await client.post("/v1/keys", json={"name": "gone", "scopes": ["admin"]})).json()
    await client.delete(f"/v1/keys/{made['id']}")
    secret = made["secret"]
    as_password = base64.b64encode(f"user:{secret}".encode()).decode()
    for said in (
        f"Bearer {secret}", f"Bearer {secret}x", f"Bearer {secret.upper()}", secret, f"Token {secret}", "Bearer", "",
        f"Basic {secret}", f"Basic {as_password}", f"Bearer\t{secret}",
    ):  # fmt: skip
        for endpoint in ENDPOINTS:
            refused = is_problem(await ask(stranger, endpoint, Authorization=said), 401)
            assert secret not in str(refused)


async def test_what_needs_no_key_is_all_listed(stranger: AsyncClient) -> None:
    document = openapi.openapi_document()
    public = {
        path for path, methods in document["paths"].items() for operation in methods.values()
        if operation.get("security") == []
    }  # fmt: skip
    assert public == WITHOUT_A_KEY
    assert set(document["paths"]) - public == {endpoint.path for endpoint in ENDPOINTS}
    for path in (*public, "/v1/openapi.json", "/metrics"):
        assert (await stranger.get(path)).status_code == 200


async def test_a_key_is_looked_up_by_its_hash_alone(context: Any, tenant: Tenant, pool: Pool) -> None:
    """No time can tell how much of a guess was right: what is compared is a hash, in an index, in one query.

    Nothing in the way compares secrets, and the table of keys has none: only a hash, unique, and a hint for people.
    """
    columns = await pool.fetch("SELECT column_name FROM information_schema.columns WHERE table_name = 'api_keys'")
    assert {row[0] for row in columns if "secret" in row[0] or "hash" in row[0]} == {"secret_hash"}
    unique = "SELECT indexdef FROM pg_indexes WHERE tablename = 'api_keys' AND indexdef ~ 'UNIQUE.*\\(secret_hash\\)'"
    assert len(await pool.fetch(unique)) == 1
    sql = (Path(inspect.getfile(auth)).parents[1] / "store" / "sql" / "keys.sql").read_text()
    assert len(re.findall(r"secret_hash\s*=", sql)) == 1
    for function in (authenticate, Callers.find, auth.secret_in):
        tree = ast.parse(dedent(inspect.getsource(function)))
        compared = [node for node in ast.walk(tree) if isinstance(node, ast.Compare)]
        shown = " ".join(ast.unparse(node) for node in compared)
        assert not re.search(r"secret(?!\))\s*(==|!=)|(==|!=)\s*secret|hash\s*(==|!=)", shown), shown


async def test_money_moves_under_a_key_only(client: AsyncClient, tenant: Tenant, pool: Pool) -> None:
    await client.get("/v1/tenant")
    before = await everything(pool, tenant)
    for endpoint in ENDPOINTS:
        if endpoint.moves_money:
            body = None if endpoint.example is None else BODIES[endpoint.example]
            refused = await client.request(endpoint.method, NOTHING.path(endpoint), json=body)
            assert is_problem(refused, 422, "header_invalid")["header"] == "Idempotency-Key"
    assert await everything(pool, tenant) == before


async def test_a_payment_sent_eight_times_at_once_is_noted_once(
    client: AsyncClient, customer: dict[str, Any], invoice: Any
) -> None:
    made = await invoice(amount=5000)
    body = {"customer": "tim", "amount": 2000, "invoices": [{"invoice": made["id"]}]}
    key = {"Idempotency-Key": "transfer-17"}
    answers = await asyncio.gather(*[client.post("/v1/payments", json=body, headers=key) for _ in range(8)])
    assert {one.status_code for one in answers} == {201}
    assert len({one.content for one in answers}) == 1
    assert sorted(one.headers.get("idempotent-replayed", "first") for one in answers) == ["first", *["true"] * 7]
    assert (await client.get(f"/v1/invoices/{made['id']}")).json()["balance"] == 3000
    is_problem(await client.post("/v1/payments", json=body | {"amount": 1}, headers=key), 422, "idempotency_key_reused")
    assert len((await client.get("/v1/payments?customer=tim")).json()["data"]) == 1
