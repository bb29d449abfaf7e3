"""What became of an operation of the fake gateway by an instant, worked out from its book alone. Pure."""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from billsmith.core.payments.results import (
    GatewayDispute,
    NextAction,
    OperationKind,
    OperationResult,
    OperationStatus,
)
from billsmith.gateways.fake.book import Operated, Pages
from billsmith.gateways.fake.script import AUTHORIZED_FOR, Behaviour, behaviour_of, decline_of
from billsmith.gateways.port import redacted

_WAITING = {OperationStatus.PENDING, OperationStatus.REQUIRES_ACTION}
_LIVE = _WAITING | {OperationStatus.AUTHORIZED, OperationStatus.SUCCEEDED}


class Step(msgspec.Struct, frozen=True):
    """An operation comes to a status."""

    at: datetime
    status: OperationStatus
    amount_minor: int
    decline: str | None = None


class Movement(msgspec.Struct, frozen=True):
    """Money that really moved: positive to us, negative away from us."""

    operation_id: str
    gateway_id: str
    what: str
    amount_minor: int
    currency: str
    at: datetime


def steps(pages: Pages, operated: Operated) -> list[Step]:
    """Every status the operation comes to, future ones included, in order."""
    found = list(_until_decided(pages, operated))
    last = found[-1]
    if last.status is OperationStatus.AUTHORIZED:
        last = _after_authorized(pages, operated, last.at)
        found.append(last)
    if last.status is OperationStatus.SUCCEEDED and (reversed_at := _reversed_at(pages, operated, last.at)):
        found.append(Step(reversed_at, OperationStatus.REVERSED, last.amount_minor))
    return found


def standing(pages: Pages, operated: Operated, at: datetime) -> Step:
    """The step that holds at an instant."""
    found = steps(pages, operated)
    return next((step for step in reversed(found) if step.at <= at), found[0])


def disputes(pages: Pages, operated: Operated) -> list[GatewayDispute]:
    """Disputes of a charge as they end, future ones included."""
    success = next((step for step in steps(pages, operated) if step.status is OperationStatus.SUCCEEDED), None)
    if operated.kind is not OperationKind.CHARGE or success is None:
        return []
    behaviour = behaviour_of(operated.words)
    opened = [success.at + behaviour.disputed_after] if behaviour.disputed_after is not None else []
    opened += [decision.at for decision in pages.decisions.get(_key(operated), ()) if decision.what == "dispute"]
    return [
        _dispute(pages, operated, behaviour, success, at, number) for number, at in enumerate(sorted(opened), start=1)
    ]


def disputes_by(pages: Pages, operated: Operated, at: datetime) -> list[GatewayDispute]:
    """Disputes of a charge as they stand at an instant."""
    return [
        dispute
        if dispute.decided_at is not None and dispute.decided_at <= at
        else msgspec.structs.replace(dispute, status="opened", decided_at=None)
        for dispute in disputes(pages, operated)
        if dispute.opened_at <= at
    ]


def refundable_minor(pages: Pages, charge: Operated, at: datetime) -> int:
    """What of a charge has not been given back, or is on its way back."""
    step = standing(pages, charge, at)
    if step.status is not OperationStatus.SUCCEEDED:
        return 0
    given_back = sum(
        refund.amount_minor
        for refund in pages.following.get(_key(charge), ())
        if refund.kind is OperationKind.REFUND and standing(pages, refund, at).status in _LIVE
    )
    return step.amount_minor - given_back


def result(pages: Pages, operated: Operated, at: datetime) -> OperationResult:
    """What the gateway answers when it is asked about an operation at an instant."""
    step = standing(pages, operated, at)
    behaviour = behaviour_of(operated.words, operated.kind)
    waiting = step.status in _WAITING and behaviour.decided_after is not None
    raw = {
        "id": operated.gateway_id,
        "status": step.status,
        "amount": step.amount_minor,
        "currency": operated.currency,
        "client_secret": f"{operated.gateway_id}_secret",
        "card": {"number": "4242424242424242", "last4": "4242"},
    }
    return OperationResult(
        status=step.status,
        gateway_id=operated.gateway_id,
        amount_minor=step.amount_minor,
        currency=operated.currency,
        fee_minor=operated.fee_minor if step.status is OperationStatus.SUCCEEDED else 0,
        next_action=_next_action(operated) if step.status is OperationStatus.REQUIRES_ACTION else None,
        decline=decline_of(step.decline) if step.decline is not None else None,
        settles_at=operated.at + behaviour.decided_after if waiting and behaviour.decided_after is not None else None,
        happened_at=step.at,
        disputes=tuple(disputes_by(pages, operated, at)),
        raw=msgspec.json.encode(redacted(raw)),
    )


def movements(pages: Pages, account: str, at: datetime) -> list[Movement]:
    """All money that has moved by an instant, by operation."""
    return [
        movement
        for operated in pages.of_account.get(account, ())
        for movement in _movements(pages, operated)
        if movement.at <= at
    ]


def _movements(pages: Pages, operated: Operated) -> Iterator[Movement]:
    def moved(what: str, amount_minor: int, at: datetime) -> Movement:
        return Movement(operated.id, operated.gateway_id, what, amount_minor, operated.currency, at)

    # A capture is the success of its charge: counted there. A cancellation moves nothing.
    if operated.kind in {OperationKind.CAPTURE, OperationKind.CANCEL}:
        return
    sign = 1 if operated.kind is OperationKind.CHARGE else -1
    for step in steps(pages, operated):
        if step.status is OperationStatus.SUCCEEDED:
            yield moved(operated.kind, sign * step.amount_minor, step.at)
        elif step.status is OperationStatus.REVERSED:
            yield moved("reversal", -sign * step.amount_minor, step.at)
    for dispute in disputes(pages, operated):
        yield moved("dispute_opened", -dispute.amount_minor, dispute.opened_at)
        if dispute.status == "won" and dispute.decided_at is not None:
            yield moved("dispute_won", dispute.amount_minor, dispute.decided_at)


def _until_decided(pages: Pages, operated: Operated) -> Iterator[Step]:
    """The first answer, and what it comes to: a decision of its own, a person's, or a cancellation."""
    behaviour = behaviour_of(operated.words, operated.kind)
    if behaviour.first == "decided":
        yield _decided(operated, behaviour, behaviour.outcome, operated.at)
        return
    yield Step(operated.at, OperationStatus(behaviour.first), operated.amount_minor)
    ends = [] if behaviour.decided_after is None else [(operated.at + behaviour.decided_after, behaviour.outcome)]
    ends += [
        (decision.at, "succeed" if decision.what == "succeed" else "fail")
        for decision in pages.decisions.get(_key(operated), ())
        if decision.what in {"succeed", "fail"}
    ]
    ends += [(cancel.at, "cancel") for cancel in _following(pages, operated, OperationKind.CANCEL)]
    if ends:
        at, outcome = min(ends, key=lambda end: end[0])
        yield _decided(operated, behaviour, outcome, at)


def _decided(operated: Operated, behaviour: Behaviour, outcome: str, at: datetime) -> Step:
    if outcome == "succeed":
        status = OperationStatus.AUTHORIZED if operated.authorize_only else OperationStatus.SUCCEEDED
        return Step(at, status, operated.amount_minor)
    if outcome == "cancel":
        return Step(at, OperationStatus.CANCELLED, operated.amount_minor)
    return Step(at, OperationStatus.FAILED, operated.amount_minor, decline=behaviour.decline)


def _after_authorized(pages: Pages, operated: Operated, authorized_at: datetime) -> Step:
    """Whichever comes first: captured, released, or forgotten after seven days."""
    ends = [Step(authorized_at + AUTHORIZED_FOR, OperationStatus.EXPIRED, operated.amount_minor)]
    ends += [
        Step(at, OperationStatus.SUCCEEDED, capture.amount_minor)
        for capture in _following(pages, operated, OperationKind.CAPTURE)
        if (at := _succeeded_at(pages, capture)) is not None
    ]
    ends += [
        Step(cancel.at, OperationStatus.CANCELLED, operated.amount_minor)
        for cancel in _following(pages, operated, OperationKind.CANCEL)
    ]
    return min(ends, key=lambda step: step.at)


def _following(pages: Pages, operated: Operated, kind: OperationKind) -> list[Operated]:
    """Operations of a kind about this one that are not failures from the start."""
    return [
        later
        for later in pages.following.get(_key(operated), ())
        if later.kind is kind and behaviour_of(later.words, kind).outcome == "succeed"
    ]


def _succeeded_at(pages: Pages, operated: Operated) -> datetime | None:
    return next((step.at for step in steps(pages, operated) if step.status is OperationStatus.SUCCEEDED), None)


def _reversed_at(pages: Pages, operated: Operated, succeeded_at: datetime) -> datetime | None:
    after = behaviour_of(operated.words, operated.kind).reversed_after
    ends = [succeeded_at + after] if after is not None else []
    ends += [decision.at for decision in pages.decisions.get(_key(operated), ()) if decision.what == "reverse"]
    return min(ends, default=None)


def _dispute(
    pages: Pages, operated: Operated, behaviour: Behaviour, success: Step, opened_at: datetime, number: int
) -> GatewayDispute:
    ends = [
        (decision.at, decision.what)
        for decision in pages.decisions.get(_key(operated), ())
        if decision.what in {"won", "lost"} and decision.at >= opened_at
    ]
    if behaviour.dispute_decided_after is not None:
        ends.append((opened_at + behaviour.dispute_decided_after, behaviour.dispute_ends))
    decided_at, status = min(ends, default=(None, "opened"))
    return GatewayDispute(
        id=f"fdp_{operated.gateway_id.removeprefix('fch_')}_{number}",
        status="won" if status == "won" else "lost" if status == "lost" else "opened",
        amount_minor=success.amount_minor * behaviour.dispute_halves // 2,
        currency=operated.currency,
        reason="fraudulent",
        opened_at=opened_at,
        decided_at=decided_at,
    )


def _next_action(operated: Operated) -> NextAction:
    return NextAction("redirect", url=f"https://fake-gateway.example/confirm/{operated.gateway_id}")


def _key(operated: Operated) -> tuple[str, str]:
    return operated.account, operated.gateway_id
