"""A `billsmith` command in a process of its own, and what a test asks of it."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

COMMAND = "from billsmith.cli.main import main; main()"
KEPT = ("PATH", "HOME", "LANG", "VIRTUAL_ENV", "TMPDIR", "SYSTEMROOT")
PATIENCE_SECONDS = 60


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Program:
    """Started by its making; whatever it says, on stdout or stderr, is kept in one file."""

    def __init__(self, *args: str, environment: Mapping[str, str], dev: bool = False, user: int | None = None) -> None:
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  closed by close()
        self._process = subprocess.Popen(
            [sys.executable, *(["-X", "dev"] if dev else []), "-c", COMMAND, *args],
            env={**kept, "BILLSMITH_LOG_FORMAT": "json", "BILLSMITH_PORT": "0", **environment},
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=subprocess.STDOUT,
            user=user,
            start_new_session=True,  # as a Ctrl-C at a terminal would reach the server of PostgreSQL too
        )

    @property
    def output(self) -> str:
        """All it has said so far."""
        size = os.fstat(self._said.fileno()).st_size
        return os.pread(self._said.fileno(), size, 0).decode()

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines of its log."""
        return [json.loads(line) for line in self.output.splitlines() if line.startswith("{")]

    def event(self, name: str) -> dict[str, Any]:
        """The first event of that name, once it is there."""
        await_true(lambda: any(entry["event"] == name for entry in self.events) or self.ended, self)
        found = [entry for entry in self.events if entry["event"] == name]
        assert found, f"it ended before {name!r}; it said:\n{self.output}"
        return found[0]

    @property
    def url(self) -> str:
        """Where it serves, once it does."""
        return str(self.event("listening")["url"])

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def tell(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self) -> int:
        """Its exit code, once it has ended."""
        try:
            return self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end; it said:\n{self.output}") from None

    def stop(self) -> int:
        """Stop it as a service manager does; its exit code."""
        self.tell(signal.SIGTERM)
        return self.end()

    def close(self) -> None:
        """However it stands, it is gone afterwards."""
        if not self.ended:
            self._process.kill()
            self._process.wait()
        self._said.close()


def await_true(holds: Callable[[], bool], program: Program) -> None:
    """Wait until it holds; fails with what the program said."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain; it said:\n{program.output}"
        time.sleep(0.02)


def ask(url: str, *, key: str | None = None, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
    """GET, or POST of a body, with a key if one is given."""
    sent = {**({"Authorization": f"Bearer {key}"} if key else {}), **(headers or {})}
    octets = None
    if body is not None:
        octets = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **sent}
    request = urllib.request.Request(url, octets, sent)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as refusal:
        with refusal:
            return Answer(refusal.code, refusal.headers, refusal.read())


def folder_for_everybody() -> Path:
    """A new folder that the server's user can enter, also as root."""
    folder = Path(tempfile.mkdtemp(prefix="billsmith-test-")).resolve()
    folder.chmod(0o755)
    return folder
