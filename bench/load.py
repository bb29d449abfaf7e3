"""The load generator: a process of its own that sends prepared requests over a few connections and times the answers.

With a rate the requests are sent when they are due, whether or not earlier ones were answered, and a request's time
counts from when it was due: an answer that is late makes those behind it late, too, and that is measured.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

CONNECTIONS = 16


class Plan(msgspec.Struct, frozen=True):
    """What is to be sent. `rate` 0: as fast as answers come."""

    port: int
    requests: str
    """The file they are in: raw HTTP, msgpack."""
    rate: float = 0
    connections: int = CONNECTIONS


class Answered(msgspec.Struct, frozen=True):
    """What came back."""

    requests: int
    per_second: float
    p50_ms: float
    p99_ms: float
    worst_ms: float
    statuses: dict[str, int]
    generator_cpu_seconds: float


def request(method: str, path: str, secret: str, headers: str = "", body: bytes = b"") -> bytes:
    """One HTTP request as it goes over the wire."""
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret}\r\n{headers}"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def put_under_load(port: int, requests: Sequence[bytes], folder: Path, rate: float = 0) -> Answered:
    """Send the requests from another process."""
    file = folder / "requests"
    file.write_bytes(msgspec.msgpack.encode(list(requests)))
    plan = msgspec.json.encode(Plan(port, str(file), rate))
    done = subprocess.run([sys.executable, "-m", "bench.load"], input=plan, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the load generator failed: {done.stderr.decode()[-2000:]}")
    return msgspec.json.decode(done.stdout, type=Answered)


class Line(asyncio.Protocol):
    """One connection: a request at a time."""

    def __init__(self) -> None:
        self._transport: Any = None
        self._waiting: asyncio.Future[int] | None = None
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # uvloop's own kind

    def ask(self, octets: bytes) -> "asyncio.Future[int]":
        """The status, once the whole answer is there."""
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(octets)
        return self._waiting

    def data_received(self, octets: bytes) -> None:
        self._received += octets
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._received[:end]).lower()
        at = head.index(b"content-length: ") + 16
        length = int(head[at : at + 12].split(b"\r", 1)[0])
        if len(self._received) >= end + 4 + length and self._waiting is not None:
            del self._received[: end + 4 + length]
            self._waiting.set_result(int(head[9:12]))

    def connection_lost(self, error: Exception | None) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error or ConnectionResetError("the server hung up"))


async def _send(plan: Plan) -> Answered:
    requests = msgspec.msgpack.decode(Path(plan.requests).read_bytes(), type=list[bytes])
    loop = asyncio.get_running_loop()
    lines = [(await loop.create_connection(Line, "127.0.0.1", plan.port))[1] for _ in range(plan.connections)]
    statuses: Counter[str] = Counter()
    took: list[float] = []
    waiting = iter(enumerate(requests))
    began, cpu_began = time.perf_counter(), time.process_time()

    async def work(line: Line) -> None:
        for nth, octets in waiting:
            due = began + nth / plan.rate if plan.rate else time.perf_counter()
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            statuses[str(await line.ask(octets))] += 1
            took.append(time.perf_counter() - due)

    await asyncio.gather(*(work(line) for line in lines))
    seconds = time.perf_counter() - began
    took.sort()
    return Answered(
        requests=len(took),
        per_second=round(len(took) / seconds, 1),
        p50_ms=round(took[len(took) // 2] * 1000, 2),
        p99_ms=round(took[len(took) * 99 // 100] * 1000, 2),
        worst_ms=round(took[-1] * 1000, 2),
        statuses=dict(statuses),
        generator_cpu_seconds=round(time.process_time() - cpu_began, 3),
    )


if __name__ == "__main__":
    import uvloop

    print(json.dumps(msgspec.to_builtins(uvloop.run(_send(msgspec.json.decode(sys.stdin.buffer.read(), type=Plan))))))
