"""Checks about money that moves: amounts, charges, declines, lost replies, refunds."""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any

import msgspec

from billsmith.core.payments.results import OperationKind, OperationResult, OperationStatus
from billsmith.gateways.amounts import NotRepresentable
from billsmith.gateways.calling import call_gateway, no_check
from billsmith.gateways.conformance.stage import (
    AMOUNT_MINOR,
    BrokenPromise,
    Situation,
    Stage,
    asked,
    found,
    look,
    method,
    moved,
    needs,
    promise,
    send,
    succeed,
)
from billsmith.gateways.port import GatewayOperation, InvalidRequest, NotFound, OutcomeUnknown, Unsupported

CURRENCIES = ("EUR", "USD", "GBP", "CHF", "HUF", "MGA", "JPY", "KRW", "ISK", "UGX", "KWD", "TND")
AMOUNTS_MINOR = (1, 5, 10, 99, 100, 1_230, 1_234, 99_999, 100_000, 123_456_789)
ROUND_AMOUNT_MINOR = 100_000
CUT_SECONDS = 0.5
LONGEST_SECONDS = 20
AT_ONCE = 20


async def amounts_come_back(stage: Stage) -> None:
    """In 12 currencies an amount is read back as it was written, or refused; never rounded."""
    taken = 0
    for currency in CURRENCIES:
        written = {}
        for amount_minor in AMOUNTS_MINOR:
            try:
                written[amount_minor] = stage.gateway.encode_amount(amount_minor, currency)
            except NotRepresentable:
                continue
            back = stage.gateway.decode_amount(written[amount_minor], currency)
            promise(back == amount_minor, f"{amount_minor} {currency} is read back as {back}")
        promise(
            not written or ROUND_AMOUNT_MINOR in written, f"it takes {currency}, but not {ROUND_AMOUNT_MINOR} of it"
        )
        taken += bool(written)
    promise(taken > 0, "it takes none of the 12 currencies")


async def a_charge_succeeds(stage: Stage) -> None:
    """A good payment method is charged, and a lookup says the same."""
    operation = asked(stage)
    result = await succeed(stage, operation)
    again = await found(stage, operation, result.gateway_id)
    promise(again.status is OperationStatus.SUCCEEDED, f"the lookup says {again.status}")
    promise(again.amount_minor == result.amount_minor, f"the lookup says {again.amount_minor}")
    await moved(stage, operation, AMOUNT_MINOR)


async def declines_are_told(stage: Stage) -> None:
    """Each decline is a failure with its bucket and a message that may be shown; no money moves."""
    needs(bool(stage.declines()), "its sandbox declines nothing")
    for token, bucket in stage.declines().items():
        operation = asked(stage, payment_method=token)
        result = await send(stage, operation)
        if result.status is OperationStatus.PENDING:
            await stage.pass_time()
            result = await found(stage, operation, result.gateway_id)
        if result.status is not OperationStatus.FAILED or result.decline is None:
            raise BrokenPromise(f"{token} ended as {result.status}")
        promise(result.decline.bucket is bucket, f"{token} is said to be {result.decline.bucket}, not {bucket}")
        promise(bool(result.decline.public_message.strip()), f"{token} has no message for the customer")
        await moved(stage, operation, 0)


async def sent_twice_is_one_charge(stage: Stage) -> None:
    """The same operation sent again, one after the other and at once, is one charge with one answer."""
    needs(stage.gateway.capabilities(stage.account).key_window_seconds > 0, "it knows no idempotency keys")
    operation = asked(stage)
    first = await send(stage, operation)
    again = await asyncio.gather(*(send(stage, operation) for _ in range(3)))
    ids = {result.gateway_id for result in (first, *again)}
    promise(len(ids) == 1, f"one operation became {len(ids)}")
    if first.status is OperationStatus.PENDING:
        await stage.pass_time()
    await moved(stage, operation, AMOUNT_MINOR)


async def another_body_is_refused(stage: Stage) -> None:
    """An operation id that comes again with another amount is refused, and moves nothing more."""
    needs(stage.gateway.capabilities(stage.account).key_window_seconds > 0, "it knows no idempotency keys")
    operation = asked(stage)
    await succeed(stage, operation)
    try:
        await send(stage, msgspec.structs.replace(operation, amount_minor=2 * AMOUNT_MINOR))
    except InvalidRequest:
        await moved(stage, operation, AMOUNT_MINOR)
        return
    raise BrokenPromise("an operation id was taken again, with another amount")


async def a_lost_reply_is_found(stage: Stage) -> None:
    """When the reply is lost after the charge, nobody claims to know; a lookup finds it, and it is one charge."""
    operation = asked(stage, payment_method=method(stage, Situation.REPLY_LOST_AFTER_CHARGE))
    await _unknown(operation.kind, send(stage, operation))
    result = await found(stage, operation)
    promise(result.status is OperationStatus.SUCCEEDED, f"the lookup says {result.status}")
    promise(result.amount_minor == AMOUNT_MINOR, f"the lookup says {result.amount_minor}")
    await moved(stage, operation, AMOUNT_MINOR)


async def a_lost_request_is_not_found(stage: Stage) -> None:
    """When the request is lost before the charge, nobody claims to know; a lookup finds nothing."""
    operation = asked(stage, payment_method=method(stage, Situation.REQUEST_LOST))
    await _unknown(operation.kind, send(stage, operation))
    await _not_found(stage, await look(stage, operation))
    await moved(stage, operation, 0)


async def never_sent_is_not_found(stage: Stage) -> None:
    """A lookup of what was never sent finds nothing, and is certain of it where the gateway knows our references."""
    await _not_found(stage, await look(stage, asked(stage)))


async def what_waits_is_decided(stage: Stage) -> None:
    """A pending charge has no success yet; later it has come, or failed with its reason."""
    ends = {
        Situation.PENDING_THEN_SUCCEEDED: OperationStatus.SUCCEEDED,
        Situation.PENDING_THEN_FAILED: OperationStatus.FAILED,
    }
    needs(stage.gateway.capabilities(stage.account).async_days > 0, "every answer is final")
    for situation, status in ends.items():
        operation = asked(stage, payment_method=method(stage, situation))
        result = await send(stage, operation)
        promise(result.status is OperationStatus.PENDING, f"the first answer is {result.status}")
        await moved(stage, operation, 0)
        await stage.pass_time()
        later = await found(stage, operation, result.gateway_id)
        promise(later.status is status, f"{situation} ended as {later.status}")
        promise((later.decline is not None) is (status is OperationStatus.FAILED), "a failure has a reason")
        await moved(stage, operation, AMOUNT_MINOR if status is OperationStatus.SUCCEEDED else 0)


async def held_money_is_captured_or_released(stage: Stage) -> None:
    """An authorization moves nothing; a capture takes what it says, a cancellation nothing."""
    capabilities = stage.gateway.capabilities(stage.account)
    needs(capabilities.authorize, "it holds nothing")
    amount_minor = 1000 if capabilities.partial_capture else AMOUNT_MINOR
    for kind, expected in ((OperationKind.CAPTURE, amount_minor), (OperationKind.CANCEL, 0)):
        held = asked(stage, authorize_only=True)
        result = await send(stage, held)
        promise(result.status is OperationStatus.AUTHORIZED, f"the authorization is {result.status}")
        await moved(stage, held, 0)
        end = asked(stage, kind, amount_minor=amount_minor, related_id=result.gateway_id)
        await send(stage, end)
        await send(stage, end)
        status = OperationStatus.SUCCEEDED if kind is OperationKind.CAPTURE else OperationStatus.CANCELLED
        after = await found(stage, held, result.gateway_id)
        promise(after.status is status, f"after {kind} the charge is {after.status}")
        await moved(stage, held, expected)


async def a_part_is_given_back(stage: Stage) -> None:
    """A refund of a part gives back that part."""
    needs(stage.gateway.capabilities(stage.account).partial_refund, "it refunds no part")
    charge = await succeed(stage, asked(stage))
    refund = asked(stage, OperationKind.REFUND, amount_minor=1000, related_id=charge.gateway_id)
    await succeed(stage, refund)
    await moved(stage, refund, 1000)


async def no_more_than_everything_is_given_back(stage: Stage) -> None:
    """A refund of more than was charged, or of more than is left, is refused and gives nothing."""
    charge = await succeed(stage, asked(stage))
    over = asked(stage, OperationKind.REFUND, amount_minor=AMOUNT_MINOR + 1, related_id=charge.gateway_id)
    await _refused(stage, over)
    await succeed(stage, asked(stage, OperationKind.REFUND, related_id=charge.gateway_id))
    await _refused(stage, asked(stage, OperationKind.REFUND, related_id=charge.gateway_id))


async def a_refund_sent_twice_is_one(stage: Stage) -> None:
    """The same refund sent again gives back once."""
    needs(stage.gateway.capabilities(stage.account).key_window_seconds > 0, "it knows no idempotency keys")
    charge = await succeed(stage, asked(stage))
    refund = asked(stage, OperationKind.REFUND, related_id=charge.gateway_id)
    first = await succeed(stage, refund)
    again = await send(stage, refund)
    promise(first.gateway_id == again.gateway_id, "one refund became two")
    await moved(stage, refund, AMOUNT_MINOR)


async def a_payout_pays_once(stage: Stage) -> None:
    """The same payout sent again pays once."""
    needs(stage.gateway.capabilities(stage.account).key_window_seconds > 0, "it knows no idempotency keys")
    payout = asked(stage, OperationKind.PAYOUT)
    first = await succeed(stage, payout)
    again = await send(stage, payout)
    promise(first.gateway_id == again.gateway_id, "one payout became two")
    await moved(stage, payout, AMOUNT_MINOR)


async def a_hanging_call_is_cut(stage: Stage) -> None:
    """A call that hangs is cut after its time, even against its will, and nobody claims to know."""
    operation = asked(stage, payment_method=method(stage, Situation.HANGING))
    async with asyncio.timeout(LONGEST_SECONDS):
        await _unknown(operation.kind, send(stage, operation, timeout_seconds=CUT_SECONDS))


async def twenty_at_once_are_twenty(stage: Stage) -> None:
    """Twenty operations at once are twenty charges, each of its amount."""
    operations = [asked(stage, amount_minor=AMOUNT_MINOR + number) for number in range(AT_ONCE)]
    results = await asyncio.gather(*(send(stage, operation) for operation in operations))
    ids = {result.gateway_id for result in results}
    promise(len(ids) == AT_ONCE, f"{AT_ONCE} operations became {len(ids)}")
    if any(result.status is OperationStatus.PENDING for result in results):
        await stage.pass_time()
    for operation in operations:
        await moved(stage, operation, operation.amount_minor)


async def what_it_can_not_do_is_refused(stage: Stage) -> None:
    """An operation that is not among its capabilities is `Unsupported`, also when it is called directly."""
    missing = set(OperationKind) - stage.gateway.capabilities(stage.account).operations
    needs(bool(missing), "it can do everything")
    for kind in sorted(missing):
        operation = msgspec.structs.replace(_any_operation(stage), kind=kind)
        call = partial(getattr(stage.gateway, kind.value), stage.account, operation, stage.now)
        try:
            await call_gateway(call, object, assert_no_transaction=no_check)
        except Unsupported:
            continue
        raise BrokenPromise(f"{kind} is not among its capabilities, and yet it answers")


def _any_operation(stage: Stage) -> GatewayOperation:
    return GatewayOperation("check_1", OperationKind.CHARGE, AMOUNT_MINOR, stage.currency, "CHECK-1", "none", "none")


async def _unknown(kind: OperationKind, sending: Coroutine[Any, Any, OperationResult]) -> None:
    try:
        result = await sending
    except OutcomeUnknown:
        return
    raise BrokenPromise(f"{kind} is said to be {result.status}, though nobody can know")


async def _not_found(stage: Stage, answer: OperationResult | NotFound) -> None:
    if not isinstance(answer, NotFound):
        raise BrokenPromise(f"a lookup finds {answer.status} where nothing was made")
    certain = stage.gateway.capabilities(stage.account).lookup_by_reference
    promise(answer.certain or not certain, "it knows our references, and yet it is not certain")


async def _refused(stage: Stage, operation: GatewayOperation) -> None:
    """Refused outright, or declined; nothing moves either way."""
    try:
        result = await send(stage, operation)
    except InvalidRequest:
        result = None
    promise(result is None or result.status is OperationStatus.FAILED, f"{operation.kind} of too much is taken")
    await moved(stage, operation, 0)
