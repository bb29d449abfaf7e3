"""A gateway that is far away: the fake one in a process of its own, behind a loopback connection, 300 ms late.

One connection carries any number of requests at once, as HTTP/2 would: frames of a length and msgpack, the answer with
its request's number. What it did stands in the fake gateway's book, as ever; who asks has neither book nor its memory.
How late it is, is a setting of the account.
"""

import asyncio
import contextlib
import itertools
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from billsmith.core.payments.results import OperationResult
from billsmith.gateways import port
from billsmith.gateways.fake import FakeGateway
from billsmith.gateways.port import (
    Changes,
    GatewayAccount,
    GatewayError,
    GatewayOperation,
    MethodDetails,
    NotFound,
    OutcomeUnknown,
)

LATENCY_MS = 300

Verb = Literal["charge", "capture", "cancel", "refund", "payout", "lookup", "list_changes", "read_method"]


class Asked(msgspec.Struct, array_like=True):
    """Something that is asked for."""

    number: int
    verb: Verb
    account: GatewayAccount
    about: GatewayOperation | str
    """The operation; since when changes are asked for; a token."""
    at: datetime


class Said(msgspec.Struct, array_like=True):
    """What became of it: one of these, or else there is no such operation."""

    number: int
    result: OperationResult | None = None
    changes: Changes | None = None
    method: MethodDetails | None = None
    error: tuple[str, str] | None = None
    """The name of what it raised, and what that says."""


_ASKED, _SAID = msgspec.msgpack.Decoder(Asked), msgspec.msgpack.Decoder(Said)


class FarGateway(FakeGateway):
    """The fake gateway as seen from another process: charges go there, all that asks nobody is done here."""

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(folder)
        self._port = port
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[Said]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None
        self._connecting = asyncio.Lock()

    async def charge(self, account: GatewayAccount, operation: GatewayOperation, at: datetime) -> OperationResult:
        """Ask over there, as for all that follow."""
        return await self._operation("charge", account, operation, at)

    async def capture(self, account: GatewayAccount, operation: GatewayOperation, at: datetime) -> OperationResult:
        return await self._operation("capture", account, operation, at)

    async def cancel(self, account: GatewayAccount, operation: GatewayOperation, at: datetime) -> OperationResult:
        return await self._operation("cancel", account, operation, at)

    async def refund(self, account: GatewayAccount, operation: GatewayOperation, at: datetime) -> OperationResult:
        return await self._operation("refund", account, operation, at)

    async def payout(self, account: GatewayAccount, operation: GatewayOperation, at: datetime) -> OperationResult:
        return await self._operation("payout", account, operation, at)

    async def lookup(
        self, account: GatewayAccount, operation: GatewayOperation, at: datetime
    ) -> OperationResult | NotFound:
        said = await self._ask("lookup", account, operation, at)
        return NotFound(certain=True) if said.result is None else said.result

    async def list_changes(self, account: GatewayAccount, since: datetime, at: datetime) -> Changes:
        said = await self._ask("list_changes", account, since.isoformat(), at)
        assert said.changes is not None
        return said.changes

    async def read_method(self, account: GatewayAccount, token: str, at: datetime) -> MethodDetails:
        said = await self._ask("read_method", account, token, at)
        assert said.method is not None
        return said.method

    async def _operation(
        self, verb: Verb, account: GatewayAccount, operation: GatewayOperation, at: datetime
    ) -> OperationResult:
        said = await self._ask(verb, account, operation, at)
        assert said.result is not None
        return said.result

    async def _ask(self, verb: Verb, account: GatewayAccount, about: GatewayOperation | str, at: datetime) -> Said:
        async with self._connecting:
            if self._writer is None:
                reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
                self._listening = asyncio.create_task(self._listen(reader))
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        _write(self._writer, Asked(number, verb, account, about, at))
        said = await answer
        if said.error is not None:
            raise _raised(*said.error)
        return said

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                said = _SAID.decode(await _read(reader))
                if not (waiting := self._waiting.pop(said.number)).cancelled():  # who asked may have lost patience
                    waiting.set_result(said)
        except asyncio.IncompleteReadError:
            for waiting in self._waiting.values():
                waiting.set_exception(OutcomeUnknown("the gateway hung up"))


@contextlib.contextmanager
def far_gateway(folder: Path) -> Iterator[int]:
    """The port of a running one; its books are in `folder`."""
    command = [sys.executable, "-m", "bench.slow_gateway", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(10)


def _raised(name: str, detail: str) -> Exception:
    """What it raised over there; what is none of the port's exceptions is a surprise here, too."""
    kind = getattr(port, name, None)
    return kind(detail) if isinstance(kind, type) and issubclass(kind, GatewayError) else ValueError(detail)


async def _said(gateway: FakeGateway, asked: Asked) -> Said:
    try:
        about = asked.about if asked.verb != "list_changes" else datetime.fromisoformat(str(asked.about))
        answer = await getattr(gateway, asked.verb)(asked.account, about, asked.at)
    except (GatewayError, ValueError) as error:
        return Said(asked.number, error=(type(error).__name__, str(error)))
    match answer:
        case OperationResult():
            return Said(asked.number, result=answer)
        case Changes():
            return Said(asked.number, changes=answer)
        case MethodDetails():
            return Said(asked.number, method=answer)
        case _:
            return Said(asked.number)


def _write(writer: asyncio.StreamWriter, message: Any) -> None:
    octets = msgspec.msgpack.encode(message)
    writer.write(len(octets).to_bytes(4) + octets)


async def _read(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(4)))


async def _serve(folder: Path) -> None:
    gateway = FakeGateway(folder)
    answering: set[asyncio.Task[None]] = set()

    async def answer(writer: asyncio.StreamWriter, asked: Asked) -> None:
        _write(writer, await _said(gateway, asked))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                task = asyncio.create_task(answer(writer, _ASKED.decode(await _read(reader))))
                answering.add(task)
                task.add_done_callback(answering.discard)

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(Path(sys.argv[1])))
