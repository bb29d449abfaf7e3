"""Runs the checks, each on a fresh stage, and says what was found."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

import msgspec

from billsmith.gateways.conformance import hearsay, money
from billsmith.gateways.conformance.stage import BrokenPromise, DoesNotApply, Stage

Check = Callable[[Stage], Awaitable[None]]

CHECKS: tuple[Check, ...] = (
    money.amounts_come_back,
    money.a_charge_succeeds,
    money.declines_are_told,
    money.sent_twice_is_one_charge,
    money.another_body_is_refused,
    money.a_lost_reply_is_found,
    money.a_lost_request_is_not_found,
    money.never_sent_is_not_found,
    money.what_waits_is_decided,
    money.held_money_is_captured_or_released,
    money.a_part_is_given_back,
    money.no_more_than_everything_is_given_back,
    money.a_refund_sent_twice_is_one,
    money.a_payout_pays_once,
    money.a_hanging_call_is_cut,
    money.twenty_at_once_are_twenty,
    money.what_it_can_not_do_is_refused,
    hearsay.a_webhook_is_read,
    hearsay.a_forged_webhook_is_refused,
    hearsay.a_replayed_webhook_is_the_same_event,
    hearsay.another_accounts_webhook_is_refused,
    hearsay.a_dispute_is_seen,
    hearsay.changes_are_listed,
    hearsay.references_are_brought_to_the_token,
    hearsay.revoked_credentials_are_told,
    hearsay.raw_replies_hold_no_secrets,
    hearsay.accounts_hide_their_credentials,
)


class Finding(msgspec.Struct, frozen=True):
    """What one check found."""

    check: str
    promise: str
    verdict: Literal["passed", "failed", "does not apply"]
    detail: str = ""


async def run(make_stage: Callable[[], Awaitable[Stage]], checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """One finding per check; a check that fails does not stop the others."""
    return [await _finding(make_stage, check) for check in checks]


async def _finding(make_stage: Callable[[], Awaitable[Stage]], check: Check) -> Finding:
    name, said = getattr(check, "__name__", ""), (check.__doc__ or "").strip()
    try:
        await check(await make_stage())
    except DoesNotApply as reason:
        return Finding(name, said, "does not apply", str(reason))
    except BrokenPromise as broken:
        return Finding(name, said, "failed", str(broken))
    except Exception as error:  # noqa: BLE001  a gateway under test may fail in any way
        return Finding(name, said, "failed", f"{type(error).__name__}: {error}")
    return Finding(name, said, "passed")
