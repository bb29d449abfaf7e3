"""What nobody knows is listed, and decided by a person with evidence, once."""

import msgspec
import pytest

from billsmith.actions.money import unknown
from billsmith.actions.money.refunds import RefundTarget, get_refund, refund
from billsmith.actions.money.unknown import AttemptDecided, AttemptNotFound, Resolution, ResolutionInvalid
from billsmith.clock import FixedClock
from billsmith.core.collecting.refunding import NewRefund
from billsmith.core.currencies import UnknownCurrency
from billsmith.core.invoices import Document
from billsmith.core.payments.payment import Attempt
from billsmith.core.text import UnusableText
from billsmith.gateways.fake import FakeGateway
from billsmith.store.pool import Pool
from tests.actions.made import events, keyed, refused
from tests.actions.money.looks import attempt_of, attempts_of, charged, payment_of, recover_everything, state
from tests.actions.money.stage import Stage
from tests.actions.money.test_recovery import LEASE

WENT_THROUGH = Resolution("succeeded", "the gateway's dashboard says so", "ch_by_hand")
CAME_TO_NOTHING = Resolution("failed", "the gateway's support says so")


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that never tells what became of anything."""

    async def broken(*_: object) -> object:
        raise ConnectionError("no route")

    monkeypatch.setattr(FakeGateway, "lookup", broken)


async def unknown_one(
    stage: Stage, clock: FixedClock, method: str = "tok_lost_reply_after"
) -> tuple[Document, Attempt]:
    """An invoice and its attempt of which nobody knows the outcome."""
    _, document = await charged(stage, method)
    clock.at += LEASE
    await recover_everything(stage)
    attempt = await attempt_of(stage, document)
    assert attempt.status == "unknown"
    return document, attempt


@pytest.mark.usefixtures("deaf")
async def test_what_is_unknown_is_listed_until_it_is_resolved(now: Stage, clock: FixedClock) -> None:
    _, attempt = await unknown_one(now, clock)
    tenant = now.call.tenant
    (listed,) = await unknown.newest_unknown(now.context, tenant, 10)
    assert (listed.id, listed.amount_minor, listed.checks) == (attempt.id, 10_000, 1)
    await unknown.resolve_attempt(now.context, now.call, attempt.id, WENT_THROUGH)
    assert await unknown.newest_unknown(now.context, tenant, 10) == []


@pytest.mark.usefixtures("deaf")
async def test_resolved_as_succeeded_it_pays_its_invoice_and_names_who_said_so(now: Stage, clock: FixedClock) -> None:
    document, attempt = await unknown_one(now, clock)
    call = msgspec.structs.replace(now.call, actor="key_anna", reason="looked it up")
    resolved = (await unknown.resolve_attempt(now.context, call, attempt.id, WENT_THROUGH)).fresh
    assert (resolved.status, resolved.evidence, resolved.gateway_id) == (
        "succeeded", "the gateway's dashboard says so", "ch_by_hand",
    )  # fmt: skip
    assert await state(now, document) == ("paid", None, None)
    (paid,) = [one for one in await events(now.context, now.call.tenant) if one.type == "payment.succeeded"]
    assert (paid.actor, paid.reason) == ("key_anna", "looked it up")


@pytest.mark.usefixtures("deaf")
async def test_resolved_as_failed_it_is_a_try_like_any_other(now: Stage, clock: FixedClock) -> None:
    document, attempt = await unknown_one(now, clock, "tok_never_reached")
    await unknown.resolve_attempt(now.context, now.call, attempt.id, CAME_TO_NOTHING)
    assert (await payment_of(now, attempt)).status == "failed"
    assert await state(now, document) == ("open", "retrying", None)
    assert (await now.read(document)).invoice.attempt_count == 1


@pytest.mark.usefixtures("deaf")
async def test_another_amount_than_asked_waits_for_a_person(now: Stage, clock: FixedClock) -> None:
    document, attempt = await unknown_one(now, clock)
    other = msgspec.structs.replace(WENT_THROUGH, amount_minor=9_000)
    await unknown.resolve_attempt(now.context, now.call, attempt.id, other)
    assert (await payment_of(now, attempt)).suspended_minor == 9_000
    assert await state(now, document) == ("open", "stopped", "amount_mismatch")


async def test_an_unknown_refund_is_resolved_likewise(
    now: Stage, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, document = await charged(now, "tok_ok.refund_never_reached")

    async def broken(*_: object) -> object:
        raise ConnectionError("no route")

    monkeypatch.setattr(FakeGateway, "lookup", broken)
    for resolution, status in ((CAME_TO_NOTHING, "failed"), (WENT_THROUGH, "succeeded")):
        target = RefundTarget(invoice_id=document.invoice.id)
        (asked,) = (await refund(now.context, now.call, target, NewRefund(amount_minor=1_000))).fresh
        clock.at += LEASE
        await recover_everything(now)
        assert (await get_refund(now.context, now.call.tenant, asked.id)).needs_attention
        (attempt,) = await unknown.newest_unknown(now.context, now.call.tenant, 10)
        await unknown.resolve_attempt(now.context, now.call, attempt.id, resolution)
        assert (await get_refund(now.context, now.call.tenant, asked.id)).status == status


async def test_what_is_decided_or_under_way_is_not_resolved_by_hand(now: Stage, clock: FixedClock, pool: Pool) -> None:
    _, paid = await charged(now, "tok_ok")
    _, lost = await charged(now, "tok_lost_reply_after")
    _, pending = await charged(now, "tok_pending")
    for document in (paid, lost, pending):
        attempt = await attempt_of(now, document)
        async with refused(pool, now.call.tenant, AttemptDecided):
            await unknown.resolve_attempt(now.context, now.call, attempt.id, CAME_TO_NOTHING)
    clock.at += LEASE
    await unknown.resolve_attempt(now.context, now.call, (await attempt_of(now, lost)).id, WENT_THROUGH)
    assert await state(now, lost) == ("paid", None, None)


@pytest.mark.usefixtures("deaf")
@pytest.mark.parametrize(
    ("given", "error"),
    [
        (msgspec.structs.replace(WENT_THROUGH, gateway_id=None), ResolutionInvalid),
        (msgspec.structs.replace(WENT_THROUGH, amount_minor=0), ResolutionInvalid),
        (msgspec.structs.replace(WENT_THROUGH, currency="EURO"), UnknownCurrency),
        (msgspec.structs.replace(WENT_THROUGH, evidence=" "), UnusableText),
        (msgspec.structs.replace(CAME_TO_NOTHING, gateway_id="ch_1"), ResolutionInvalid),
        (msgspec.structs.replace(CAME_TO_NOTHING, amount_minor=5), ResolutionInvalid),
    ],
)
async def test_a_resolution_that_can_not_be_meant_changes_nothing(
    now: Stage, clock: FixedClock, pool: Pool, given: Resolution, error: type[Exception]
) -> None:
    _, attempt = await unknown_one(now, clock)
    async with refused(pool, now.call.tenant, error):  # type: ignore[arg-type]
        await unknown.resolve_attempt(now.context, now.call, attempt.id, given)


@pytest.mark.usefixtures("deaf")
async def test_the_same_resolution_again_gets_the_same_answer_and_another_one_is_refused(
    now: Stage, clock: FixedClock
) -> None:
    document, attempt = await unknown_one(now, clock)
    call = keyed(now.call, "resolve")
    first = await unknown.resolve_attempt(now.context, call, attempt.id, WENT_THROUGH)
    again = await unknown.resolve_attempt(now.context, call, attempt.id, WENT_THROUGH)
    assert (again.replayed, again.answer) == (True, first.answer)
    with pytest.raises(AttemptDecided):
        await unknown.resolve_attempt(now.context, now.call, attempt.id, CAME_TO_NOTHING)
    assert len(await attempts_of(now, document)) == 1


async def test_another_tenants_attempt_is_not_found(now: Stage, stage: Stage) -> None:
    _, document = await charged(now, "tok_lost_reply_after")
    attempt = await attempt_of(now, document)
    with pytest.raises(AttemptNotFound):
        await unknown.get_attempt(stage.context, stage.call.tenant, attempt.id)
    with pytest.raises(AttemptNotFound):
        await unknown.resolve_attempt(stage.context, stage.call, attempt.id, CAME_TO_NOTHING)
