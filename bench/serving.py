"""Servers under load: started as processes of their own, and how much of a processor they used."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil

START_SECONDS = 60


class Served(msgspec.Struct, frozen=True):
    """A running server."""

    port: int
    process: psutil.Process

    def cpu_seconds(self) -> float:
        """User and system time so far, of this process alone."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


@contextlib.contextmanager
def billsmith(url: str, folder: Path) -> Iterator[Served]:
    """`billsmith serve` as everybody runs it, its worker inside, without the limit per key."""
    program = Path(sys.executable).parent / "billsmith"
    with _running([str(program), "serve", "--port", "{port}"], url, folder, "/readyz") as served:
        yield served


@contextlib.contextmanager
def bare(url: str, folder: Path) -> Iterator[Served]:
    """The baseline: bare_server.py."""
    with _running([sys.executable, "-m", "bench.bare_server", "{port}"], url, folder, None) as served:
        yield served


@contextlib.contextmanager
def _running(command: list[str], url: str, folder: Path, ready: str | None) -> Iterator[Served]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    environment = os.environ | {
        "DATABASE_URL": url, "MIGRATE_DATABASE_URL": "", "BILLSMITH_RATE_LIMIT": "1000000",
        "BILLSMITH_LOG_FORMAT": "json",
    }  # fmt: skip
    path = folder / "server.log"
    with path.open("w") as log:
        started = [word.format(port=port) for word in command]
        process = subprocess.Popen(started, env=environment, stderr=log, stdout=log)
        try:
            _wait(process, port, ready, path)
            yield Served(port, psutil.Process(process.pid))
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(process: "subprocess.Popen[bytes]", port: int, ready: str | None, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError, urllib.error.URLError):
            if ready is None:
                socket.create_connection(("127.0.0.1", port), 1).close()
            else:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{ready}", timeout=1).close()
            return
        time.sleep(0.05)
    raise RuntimeError(f"the server did not start: {log.read_text()[-2000:]}")
