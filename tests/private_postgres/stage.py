"""A home for a server of its own, and what the tests do with it."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg

from billsmith.private_postgres import PrivateServer, find_binaries, start
from billsmith.private_postgres.pid_file import read_pid_file
from billsmith.private_postgres.placement import Placement, place
from billsmith.private_postgres.server import Supervisor

USER = """
import sys
from pathlib import Path
from billsmith.private_postgres import start

with start(Path(sys.argv[1]), system_folder=Path(sys.argv[2])) as server:
    print(server.url(), flush=True)
    sys.stdin.readline()
"""


class Stage:
    """A home and a system folder that the server's user can reach, and the other programs that use the server."""

    def __init__(self, home: Path, system_folder: Path) -> None:
        self.home = home
        self.system_folder = system_folder
        self.users: list[subprocess.Popen[str]] = []

    def start(self, **options: object) -> PrivateServer:
        return start(self.home, system_folder=self.system_folder, **options)  # type: ignore[arg-type]

    def start_user(self) -> subprocess.Popen[str]:
        """Another program that starts the server and holds it until it is told to let go."""
        command = [sys.executable, "-c", USER, str(self.home), str(self.system_folder)]
        user = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.users.append(user)
        return user

    @property
    def placement(self) -> Placement:
        return place(self.home, self.system_folder)

    @property
    def postmaster(self) -> int:
        """The number of the server's process; fails if there is no server."""
        said = read_pid_file(self.placement.pgdata)
        assert said is not None
        return int(said.lines[0])

    @property
    def runs(self) -> bool:
        return Supervisor(self.placement, find_binaries()).answers()

    def close(self) -> None:
        """End what this stage started: other programs first, then the server, whoever left it running."""
        for user in self.users:
            user.kill()
            user.communicate()
        self.users.clear()
        placement = self.placement
        if placement.cluster.is_dir() and self.runs:
            pg_ctl = find_binaries().program("pg_ctl")
            placement.account.run([pg_ctl, "stop", "-m", "immediate", "-D", "data"], placement.cluster)


def url_of(user: subprocess.Popen[str]) -> str:
    """The URL that another program was given, once it has it."""
    assert user.stdout is not None
    return user.stdout.readline().strip()


def let_go(user: subprocess.Popen[str]) -> None:
    """Tell another program to release the server, and wait for its end."""
    user.communicate("\n", timeout=60)
    assert user.returncode == 0


def ask(url: str, sql: str) -> object:
    """The one value that the query gives, over a connection of its own."""

    async def fetch() -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as aside:  # a thread of its own: the tests' event loop stays as it is
        return aside.submit(asyncio.run, fetch()).result()


def await_true(holds: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until it holds; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def kill(process_number: int) -> None:
    os.kill(process_number, signal.SIGKILL)


def in_threads(*calls: Callable[[], None]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Forked:
    """A forked child that does `first`, waits until `finish`, then does `last` with what it got."""

    def __init__(self, first: Callable[[], PrivateServer], last: Callable[[PrivateServer], None]) -> None:
        did_first, tell = os.pipe()
        waits, self._wake = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            status = 1
            try:
                server = first()
                os.write(tell, b"x")
                os.read(waits, 1)
                last(server)
                status = 0
            finally:
                os._exit(status)
        os.close(tell)
        os.close(waits)
        assert os.read(did_first, 1) == b"x"
        os.close(did_first)

    def finish(self) -> None:
        os.write(self._wake, b"x")
        os.close(self._wake)
        assert os.waitstatus_to_exitcode(os.waitpid(self._child, 0)[1]) == 0
