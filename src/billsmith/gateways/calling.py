"""The one way to call a gateway: outside any transaction, cut after its time, and with no surprises.

A plugin is somebody else's code. Whatever it raises that is not one of the port's exceptions, and whatever it answers
that is not a result, means that nobody knows what happened: `OutcomeUnknown`.
"""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, TypeVar

from billsmith.core.payments.results import OperationResult, OperationStatus
from billsmith.gateways.amounts import NotRepresentable
from billsmith.gateways.port import (
    Capabilities,
    Gateway,
    GatewayAccount,
    GatewayError,
    GatewayOperation,
    NotFound,
    OutcomeUnknown,
    Unsupported,
)
from billsmith.gateways.references import ReferenceRefused

TIMEOUT_SECONDS = 25
GRACE_SECONDS = 1
"""How long a call that was cut may take to clean up; then it is left behind."""

T = TypeVar("T")

# What a plugin may raise; everything else is a surprise.
NAMED = (GatewayError, NotRepresentable, ReferenceRefused)

# Calls that were cut and would not stop: kept, so that they are not collected while they run.
_left_behind: set[asyncio.Task[Any]] = set()


def no_check() -> None:
    """For callers that can't have a transaction open: tests, and commands without a database."""


async def submit(
    gateway: Gateway,
    account: GatewayAccount,
    operation: GatewayOperation,
    at: datetime,
    *,
    assert_no_transaction: Callable[[], None],
    timeout_seconds: float | None = None,
) -> OperationResult:
    """Send an operation and give its result. Raises one of the port's exceptions, nothing else.

    Every one but OutcomeUnknown means that this call moved no money.
    """

    async def send() -> OperationResult:
        if operation.kind not in gateway.capabilities(account).operations:
            raise Unsupported(f"{gateway.name} has no {operation.kind}")
        answer: OperationResult = await getattr(gateway, operation.kind.value)(account, operation, at)
        return answer

    return await call_gateway(
        send,
        OperationResult,
        assert_no_transaction=assert_no_transaction,
        timeout_seconds=timeout_seconds,
    )


async def find(
    gateway: Gateway,
    account: GatewayAccount,
    operation: GatewayOperation,
    at: datetime,
    *,
    assert_no_transaction: Callable[[], None],
    timeout_seconds: float | None = None,
) -> OperationResult | NotFound:
    """What the gateway knows of an operation. Raises one of the port's exceptions, which then say nothing about it."""
    return await call_gateway(
        lambda: gateway.lookup(account, operation, at),
        (OperationResult, NotFound),
        assert_no_transaction=assert_no_transaction,
        timeout_seconds=timeout_seconds,
    )


def capabilities_of(gateway: Gateway, account: GatewayAccount) -> Capabilities:
    """What the account can do. Raises one of the port's exceptions, nothing else."""
    try:
        found = gateway.capabilities(account)
    except NAMED:
        raise
    except Exception as error:
        raise OutcomeUnknown(f"the gateway's plugin failed: {type(error).__name__}") from error
    if not isinstance(found, Capabilities):
        raise OutcomeUnknown(f"the gateway's plugin answered with a {type(found).__name__}")
    return found


async def call_gateway(
    call: Callable[[], Coroutine[Any, Any, T]],
    answers: type | tuple[type, ...],
    *,
    assert_no_transaction: Callable[[], None],
    timeout_seconds: float | None = None,
) -> T:
    """The answer of one call, of the expected type. Raises one of the port's exceptions, nothing else."""
    assert_no_transaction()
    answer = await _cut_after(timeout_seconds or TIMEOUT_SECONDS, _only_named(call))
    if not isinstance(answer, answers):
        raise OutcomeUnknown(f"the gateway's plugin answered with a {type(answer).__name__}")
    if isinstance(answer, OperationResult) and not _is_sound(answer):
        raise OutcomeUnknown("the gateway's plugin answered with a result that makes no sense")
    return answer


async def _only_named(call: Callable[[], Coroutine[Any, Any, T]]) -> T:
    try:
        return await call()
    except NAMED:
        raise
    except Exception as error:
        raise OutcomeUnknown(f"the gateway's plugin failed: {type(error).__name__}") from error


async def _cut_after(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """The work's result, or OutcomeUnknown when it takes longer, even if it refuses to be cancelled."""
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=GRACE_SECONDS)
            raise OutcomeUnknown(f"the gateway did not answer within {seconds:g} s")
        if task.cancelled():
            raise OutcomeUnknown("the gateway's plugin gave up its own call")
        return task.result()
    finally:
        _let_go(task)


def _let_go(task: asyncio.Task[Any]) -> None:
    """Stop what still runs, and look at its error so that nobody complains that it was never seen."""
    if task.done():
        _ = task.cancelled() or task.exception()
        return
    task.cancel()
    _left_behind.add(task)
    task.add_done_callback(_forget)


def _forget(task: asyncio.Task[Any]) -> None:
    _left_behind.discard(task)
    _ = task.cancelled() or task.exception()


def _is_sound(result: OperationResult) -> bool:
    """Whether a result says what its status needs: what moved, or why nothing did."""
    match result.status:
        case OperationStatus.SUCCEEDED | OperationStatus.AUTHORIZED | OperationStatus.REVERSED:
            return bool(result.gateway_id) and type(result.amount_minor) is int and bool(result.currency)
        case OperationStatus.PENDING:
            return bool(result.gateway_id)
        case OperationStatus.REQUIRES_ACTION:
            return result.next_action is not None
        case OperationStatus.FAILED:
            return result.decline is not None
        case _:
            return isinstance(result.status, OperationStatus)
