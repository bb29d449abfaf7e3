"""/v1/attempts: what nobody knows is listed, and resolved by an admin; a sandbox's clock can jump."""

from datetime import timedelta
from typing import Any

import pytest

from billsmith.actions.context import Context
from billsmith.core.ids import show_id
from billsmith.core.tenants import Scope
from tests.actions.money.looks import attempt_of, begun_and_killed, charged, owed
from tests.actions.money.stage import STARTS_AT, Stage, new_stage
from tests.api.conftest import NewClient, is_problem
from tests.invariants import assert_holds

WENT_THROUGH = {"outcome": "succeeded", "gateway_id": "ch_1", "evidence": "the dashboard"}
KEY = {"Idempotency-Key": "resolve-1"}


@pytest.fixture
async def stage(context: Context) -> Any:
    """A sandbox with a fake gateway."""
    made = await new_stage(context, book=f"book{context.ids.new(0).hex}")
    yield made
    await assert_holds(context.pool, made.call.tenant.id)


async def unknown_one(stage: Stage) -> str:
    """The id of an attempt that nobody knows the outcome of."""
    document = await owed(stage, "tok_ok")
    await begun_and_killed(stage, document)
    await stage.context.pool.execute(
        "UPDATE attempts SET status = 'unknown', lease_until = created_at, next_check_at = created_at"
        " WHERE tenant_id = $1 AND status = 'sent'",
        stage.call.tenant.id,
    )
    return show_id("attempt", (await attempt_of(stage, document)).id)


async def test_what_is_unknown_is_listed_until_an_admin_resolves_it(stage: Stage, new_client: NewClient) -> None:
    await charged(stage, "tok_ok")
    id_ = await unknown_one(stage)
    admin = await new_client(stage.call.tenant)
    listed = (await admin.get("/v1/attempts", params={"status": "unknown"})).json()
    assert [one["id"] for one in listed["data"]] == [id_]
    assert listed["data"][0]["payment"].startswith("pay_")
    resolved = await admin.post(f"/v1/attempts/{id_}/resolve", json=WENT_THROUGH, headers=KEY)
    assert (resolved.status_code, resolved.json()["status"]) == (200, "succeeded")
    again = await admin.post(f"/v1/attempts/{id_}/resolve", json=WENT_THROUGH, headers=KEY)
    assert (again.content, again.headers["idempotent-replayed"]) == (resolved.content, "true")
    assert (await admin.get("/v1/attempts")).json()["data"] == []
    assert (await admin.get(f"/v1/attempts/{id_}")).json()["evidence"] == "the dashboard"


async def test_resolving_needs_the_scope_a_key_and_evidence(stage: Stage, new_client: NewClient) -> None:
    id_ = await unknown_one(stage)
    path = f"/v1/attempts/{id_}/resolve"
    writer, admin = await new_client(stage.call.tenant, Scope.WRITE), await new_client(stage.call.tenant)
    is_problem(await writer.post(path, json=WENT_THROUGH, headers=KEY), 403)
    is_problem(await admin.post(path, json=WENT_THROUGH), 422)
    is_problem(await admin.post(path, json={"outcome": "failed"}, headers=KEY), 422)
    is_problem(await admin.post(path, json=WENT_THROUGH | {"evidence": ""}, headers=KEY), 422, pointer="/evidence")
    is_problem(await admin.post(path, json={"outcome": "succeeded", "evidence": "x"}, headers=KEY), 422)
    assert (await admin.get(f"/v1/attempts/{id_}")).json()["status"] == "unknown"


async def test_what_is_decided_is_a_conflict_and_anothers_is_not_found(
    stage: Stage, new_client: NewClient, other_client: Any
) -> None:
    _, document = await charged(stage, "tok_ok")
    id_ = show_id("attempt", (await attempt_of(stage, document)).id)
    admin = await new_client(stage.call.tenant)
    is_problem(await admin.post(f"/v1/attempts/{id_}/resolve", json=WENT_THROUGH, headers=KEY), 409, "attempt_decided")
    is_problem(await other_client.get(f"/v1/attempts/{id_}"), 404, "attempt_not_found")
    is_problem(await other_client.post(f"/v1/attempts/{id_}/resolve", json=WENT_THROUGH, headers=KEY), 404)
    is_problem(await admin.get("/v1/attempts", params={"status": "failed"}), 422)


@pytest.mark.parametrize("jump", [False, True])
async def test_a_clock_goes_from_one_due_instant_to_the_next_or_jumps(
    stage: Stage, new_client: NewClient, jump: bool
) -> None:
    _, document = await charged(stage, "tok_insufficient_funds")
    admin = await new_client(stage.call.tenant)
    to = (STARTS_AT + timedelta(days=5)).isoformat()
    moved = await admin.post("/v1/tenant/clock", json={"to": to, "jump": jump}, headers=KEY)
    assert moved.status_code == 200, moved.text
    assert (await stage.read(document)).invoice.attempt_count == (2 if jump else 3)
