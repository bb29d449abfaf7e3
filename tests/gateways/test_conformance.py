"""Ours and a stranger's gateway keep every promise of the port; broken ones are found by the right checks."""

from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path

import pytest

from billsmith.gateways.calling import TIMEOUT_SECONDS
from billsmith.gateways.conformance import CHECKS, Finding, Stage, run
from billsmith.gateways.fake import FakeGateway
from billsmith.gateways.port import NotFound, OutcomeUnknown
from tests.gateways.made import charged, fake_account, look, operation, send
from tests.gateways.samples.broken import ChargesTwice, LosesCents, RaisesAfterCharging
from tests.gateways.stages import AwkwardStage, ExternalStage, FakeStage

MakeStage = Callable[[], Awaitable[Stage]]


def fresh(folder: Path, make: type[FakeGateway] = FakeGateway, **options: bool) -> MakeStage:
    """A maker of stages, each with books of its own."""
    numbers = count(1)

    async def make_stage() -> Stage:
        return FakeStage(folder / str(next(numbers)), make, **options)

    return make_stage


async def external() -> Stage:
    return ExternalStage()


async def awkward() -> Stage:
    return AwkwardStage()


def failed(findings: list[Finding]) -> dict[str, str]:
    """The checks that failed, and what they found."""
    return {finding.check: finding.detail for finding in findings if finding.verdict == "failed"}


def not_applied(findings: list[Finding]) -> set[str]:
    """The checks that had nothing to say."""
    return {finding.check for finding in findings if finding.verdict == "does not apply"}


@pytest.mark.parametrize("like_stripe", [False, True])
async def test_the_fake_gateway_keeps_every_promise(tmp_path: Path, like_stripe: bool) -> None:
    findings = await run(fresh(tmp_path, like_stripe=like_stripe))
    assert failed(findings) == {}
    assert not_applied(findings) == {"what_it_can_not_do_is_refused"}


async def test_external_payments_keep_every_promise_that_is_about_them() -> None:
    findings = await run(external)
    assert failed(findings) == {}
    assert {finding.check for finding in findings if finding.verdict == "passed"} == {
        "amounts_come_back",
        "what_it_can_not_do_is_refused",
        "references_are_brought_to_the_token",
        "revoked_credentials_are_told",
        "accounts_hide_their_credentials",
    }


async def test_an_awkward_gateway_keeps_every_promise() -> None:
    findings = await run(awkward)
    assert failed(findings) == {}
    assert not_applied(findings) == {
        "a_lost_reply_is_found",
        "held_money_is_captured_or_released",
        "a_part_is_given_back",
        "a_payout_pays_once",
        "a_dispute_is_seen",
        "changes_are_listed",
    }


async def test_a_gateway_that_raises_after_charging_is_found(tmp_path: Path) -> None:
    findings = failed(await run(fresh(tmp_path, RaisesAfterCharging)))
    assert findings["a_charge_succeeds"] == "OutcomeUnknown: the gateway's plugin failed: ValueError"
    assert "sent_twice_is_one_charge" in findings
    assert "amounts_come_back" not in findings


async def test_a_charge_that_raised_ends_as_unknown_and_is_found(tmp_path: Path) -> None:
    gateway, account, asked = RaisesAfterCharging(tmp_path), fake_account(), operation()
    with pytest.raises(OutcomeUnknown) as raised:
        await send(gateway, account, asked)
    assert isinstance(raised.value.__cause__, ValueError)
    assert not isinstance(await look(gateway, account, asked), NotFound)
    assert await charged(gateway, account) == [("charge", 1000, "EUR")]


async def test_a_gateway_that_charges_twice_is_found(tmp_path: Path) -> None:
    findings = failed(await run(fresh(tmp_path, ChargesTwice)))
    assert findings["sent_twice_is_one_charge"] == "one operation became 4"
    assert findings["another_body_is_refused"] == "an operation id was taken again, with another amount"
    assert "amounts_come_back" not in findings


async def test_a_gateway_that_loses_cents_is_found(tmp_path: Path) -> None:
    assert failed(await run(fresh(tmp_path, LosesCents))) == {"amounts_come_back": "1 EUR is read back as 0"}


def test_every_check_says_what_it_promises() -> None:
    assert [check for check in CHECKS if not check.__doc__] == []
    assert len(CHECKS) == len(set(CHECKS)) > 20


def test_a_hanging_call_is_cut_before_a_request_of_ours_is() -> None:
    assert TIMEOUT_SECONDS < 30
