"""The one way to call a gateway: no transaction, cut in time, and every surprise is an unknown outcome."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from billsmith.core.payments.results import OperationKind, OperationResult, OperationStatus
from billsmith.gateways.calling import call_gateway, no_check, submit
from billsmith.gateways.external import ExternalGateway
from billsmith.gateways.fake import FakeGateway
from billsmith.gateways.port import GatewayAccount, OutcomeUnknown, RateLimited, Unsupported
from tests.gateways.made import NOON, charged, operation

GOOD = OperationResult(OperationStatus.SUCCEEDED, "x", 1, "EUR")


async def ask(answer: Callable[[], Any], **options: Any) -> OperationResult:
    """Call a plugin that answers so."""

    async def call() -> Any:
        made = answer()
        return await made if asyncio.iscoroutine(made) else made

    return await call_gateway(call, OperationResult, assert_no_transaction=no_check, **options)


def raising(error: BaseException) -> Callable[[], Any]:
    def answer() -> Any:
        raise error

    return answer


async def test_a_good_answer_comes_through() -> None:
    assert await ask(lambda: GOOD) is GOOD


@pytest.mark.parametrize(
    "error",
    [ValueError("x"), KeyError("x"), OSError("x"), TimeoutError(), AssertionError(), RecursionError(), StopIteration(),
     asyncio.CancelledError(), ExceptionGroup("x", [ValueError()])],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
async def test_whatever_a_plugin_raises_is_an_unknown_outcome(error: BaseException) -> None:
    with pytest.raises(OutcomeUnknown):
        await ask(raising(error))


async def test_a_named_exception_comes_through_as_it_is() -> None:
    with pytest.raises(RateLimited) as raised:
        await ask(raising(RateLimited("slow down", retry_after_seconds=7)))
    assert raised.value.retry_after_seconds == 7


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {"status": "succeeded"},
        OperationResult(OperationStatus.SUCCEEDED),
        OperationResult(OperationStatus.SUCCEEDED, "x", 1),
        OperationResult(OperationStatus.AUTHORIZED, "x", None, "EUR"),
        OperationResult(OperationStatus.PENDING),
        OperationResult(OperationStatus.REQUIRES_ACTION, "x"),
        OperationResult(OperationStatus.FAILED, "x"),
        OperationResult("paid", "x", 1, "EUR"),  # type: ignore[arg-type]
    ],
)
async def test_an_answer_that_makes_no_sense_is_an_unknown_outcome(answer: object) -> None:
    with pytest.raises(OutcomeUnknown):
        await ask(lambda: answer)


async def test_a_plugin_that_will_not_be_cancelled_is_left_behind() -> None:
    freed = asyncio.Event()

    async def stubborn() -> OperationResult:
        while not freed.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await freed.wait()
        return GOOD

    async with asyncio.timeout(20):
        with pytest.raises(OutcomeUnknown):
            await ask(stubborn, timeout_seconds=0.05)
    freed.set()


async def test_who_gives_up_waiting_stops_the_call() -> None:
    began, stopped = asyncio.Event(), asyncio.Event()

    async def slow() -> OperationResult:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return GOOD

    waiting = asyncio.create_task(ask(slow))
    await began.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(20):
        await stopped.wait()


async def test_nothing_is_sent_while_a_transaction_is_open(gateway: FakeGateway, account: GatewayAccount) -> None:
    def open_transaction() -> None:
        raise AssertionError("a transaction is open")

    with pytest.raises(AssertionError):
        await submit(gateway, account, operation(), NOON, assert_no_transaction=open_transaction)
    assert await charged(gateway, account) == []


@pytest.mark.parametrize("kind", OperationKind)
async def test_what_a_gateway_can_not_do_is_not_sent(kind: OperationKind) -> None:
    account = GatewayAccount("acc_1", "external", "live")
    with pytest.raises(Unsupported):
        await submit(ExternalGateway(), account, operation(kind), NOON, assert_no_transaction=no_check)
