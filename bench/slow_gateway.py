"""A gateway that is far away: the fake one in a process of its own, behind a loopback connection, 300 ms late.

One connection carries any number of requests at once, as HTTP/2 would: frames of a length and msgpack, the answer with
its request's number. What it charged stands in the fake gateway's book, as ever.
"""

import asyncio
import contextlib
import itertools
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from billsmith.core.payments.results import OperationResult
from billsmith.gateways.fake import FakeGateway
from billsmith.gateways.port import GatewayAccount, GatewayOperation, OutcomeUnknown

LATENCY_MS = 300


class Asked(msgspec.Struct, array_like=True):
    """A charge that is asked for."""

    number: int
    account: GatewayAccount
    operation: GatewayOperation
    at: datetime


class Said(msgspec.Struct, array_like=True):
    """What became of it."""

    number: int
    result: OperationResult


_ASKED, _SAID = msgspec.msgpack.Decoder(Asked), msgspec.msgpack.Decoder(Said)


class FarGateway(FakeGateway):
    """The fake gateway as seen from another process: charges go there, all that asks nobody is done here."""

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(folder)
        self._port = port
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[OperationResult]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None
        self._connecting = asyncio.Lock()

    async def charge(self, account: GatewayAccount, operation: GatewayOperation, at: datetime) -> OperationResult:
        """Ask over there."""
        async with self._connecting:
            if self._writer is None:
                reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
                self._listening = asyncio.create_task(self._listen(reader))
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        _write(self._writer, Asked(number, account, operation, at))
        return await answer

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                said = _SAID.decode(await _read(reader))
                self._waiting.pop(said.number).set_result(said.result)
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


def _write(writer: asyncio.StreamWriter, message: Any) -> None:
    octets = msgspec.msgpack.encode(message)
    writer.write(len(octets).to_bytes(4) + octets)


async def _read(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(4)))


async def _serve(folder: Path) -> None:
    gateway = FakeGateway(folder)
    answering: set[asyncio.Task[None]] = set()

    async def answer(writer: asyncio.StreamWriter, asked: Asked) -> None:
        _write(writer, Said(asked.number, await gateway.charge(asked.account, asked.operation, datetime.now(UTC))))

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
