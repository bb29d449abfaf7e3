"""Starting, sharing and stopping the server."""

import socket
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from billsmith.private_postgres.binaries import Binaries, find_binaries
from billsmith.private_postgres.cluster import ROLE, made_by_major, make_cluster, require_same_major
from billsmith.private_postgres.errors import PostgresDidNotStart
from billsmith.private_postgres.locks import FileLock, alone
from billsmith.private_postgres.pid_file import disown_if_dead, read_pid_file
from billsmith.private_postgres.placement import SYSTEM_FOLDER, Placement, place
from billsmith.private_postgres.reachable_copy import reachable
from billsmith.private_postgres.settings import write_settings

DATABASE = "billsmith"
LOOPBACK = "127.0.0.1"
SOCKET_PORT = 5432
START_TIMEOUT_SECONDS = 600
# After a kill of the postmaster its children need a moment to notice; until they are gone no new one is started.
ORPHANS_TIMEOUT_SECONDS = 20
LOG_TAIL_LINES = 30
# Asks for the database, makes it only if it isn't there, and tells the version.
PREPARATION = rf"""
SELECT 'CREATE DATABASE {DATABASE}' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{DATABASE}') \gexec
SHOW server_version;
"""


class PrivateServer:
    """A running server. As long as one of these is held, by whichever program, the server stays up.

    It belongs to the process that started it: a forked child that outlives that process has to start its own.
    """

    def __init__(self, supervisor: "Supervisor", lock: FileLock, version: str, password: str) -> None:
        self.version = version
        self.data_directory: Path = supervisor.placement.pgdata
        self._supervisor = supervisor
        self._lock = lock
        self._password = password
        self._port = supervisor.port()

    def url(self, database: str = DATABASE, role: str | None = None) -> str:
        """Where that database is, for asyncpg and libpq; it holds the password.

        One logs in as billsmith, who owns everything; with `role` the session then acts as that role.
        """
        login = f"postgresql://{ROLE}:{quote(self._password, safe='')}"
        acting = [] if role is None else [f"options={quote(f'-c role={_escaped(role)}', safe='')}"]
        if sys.platform == "win32":
            address, query = f"{LOOPBACK}:{self._port}", acting
        else:
            # The port is named although it is the usual one: PGPORT would change it.
            folder = quote(str(self._supervisor.placement.sockets), safe="")
            address, query = "", [f"host={folder}", f"port={self._port}", *acting]
        return f"{login}@{address}/{quote(database, safe='')}" + (f"?{'&'.join(query)}" if query else "")

    def release(self) -> None:
        """Let go; the last user stops the server. Calling it again does nothing."""
        if not self._lock.is_open:
            return
        placement = self._supervisor.placement
        with alone(placement.change_lock, placement.account):
            self._supervisor.let_go(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def start(home: Path, *, places: Sequence[Path] | None = None, system_folder: Path = SYSTEM_FOLDER) -> PrivateServer:
    """The private server of `home`, made and started as needed, with the database billsmith in it.

    Programs come from `places` (the wheel, then installed servers); `system_folder` is used only as root.

    Raises PostgresNotFound, PostgresTooOld, MadeByOtherPostgres, FolderNotOurs, PostgresDidNotStart.
    """
    placement = place(home, system_folder)
    try:
        placement.prepare()
        with alone(placement.change_lock, placement.account):
            return _start_alone(placement, places)
    except OSError as trouble:  # a full disk, a file system without locks, a folder taken away meanwhile
        raise PostgresDidNotStart(f"The folder {placement.storage} can't be used: {trouble}.") from trouble


def _start_alone(placement: Placement, places: Sequence[Path] | None) -> PrivateServer:
    found = find_binaries(places, made_by_major(placement.pgdata))
    require_same_major(placement.pgdata, found)
    supervisor = Supervisor(placement, reachable(found, placement.account, placement.system_folder))
    lock = FileLock(placement.users_lock, placement.account)
    with ExitStack() as on_error:
        on_error.callback(supervisor.let_go, lock)
        lock.take_shared()
        supervisor.ensure_running()
        password = placement.account.read(placement.password_file).strip()
        server = PrivateServer(supervisor, lock, supervisor.ensure_database(password), password)
        on_error.pop_all()
    return server


class Supervisor:
    """Starts and stops one server; whoever calls it holds the change lock."""

    def __init__(self, placement: Placement, binaries: Binaries) -> None:
        self.placement = placement
        self.binaries = binaries

    def ensure_running(self) -> None:
        """Make the cluster if there is none and start it unless it runs. Raises PostgresDidNotStart.

        The server's processes inherit its lock, so the kernel knows whether one lives: also the children of a killed
        postmaster, and a server in another container on the same volume, whose process numbers mean nothing here.
        """
        if not self.placement.cluster.is_dir():
            make_cluster(self.placement, self.binaries)
        deadline = time.monotonic() + ORPHANS_TIMEOUT_SECONDS
        with FileLock(self.placement.server_lock, self.placement.account) as server_lock:
            while not self._wait_while_changing():
                if server_lock.try_alone():
                    self._start(server_lock)
                    return
                if time.monotonic() > deadline:
                    raise self._did_not_start(self._out_of_reach())
                time.sleep(0.02)

    def ensure_database(self, password: str) -> str:
        """Make the database unless it is there; gives the server's version, like 18.6."""
        where = LOOPBACK if sys.platform == "win32" else str(self.placement.sockets)
        options = ["-X", "-w", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-h", where, "-p", str(self.port())]
        done = self.placement.account.run(
            [self.binaries.program("psql"), *options, "-U", ROLE, "-d", "postgres"],
            self.placement.cluster,
            {"PGPASSWORD": password},
            PREPARATION,
        )
        if done.status != 0 or not done.said:
            raise self._did_not_start(f"The server runs, but the database {DATABASE} can't be made: {done.said}")
        return done.said.splitlines()[-1].split()[0]

    def let_go(self, lock: FileLock) -> None:
        """Drop a user's lock, and stop the server if nobody else holds one."""
        lock.close()
        with FileLock(self.placement.users_lock, self.placement.account) as last:
            # Only a server that answers is stopped: the number in an old pid file may be another program's by now.
            if last.try_alone() and self.answers():
                self._pg_ctl("stop", "-m", "fast")

    def answers(self) -> bool:
        """Whether someone listens where our server would."""
        if read_pid_file(self.placement.pgdata) is None:
            return False
        family = socket.AF_INET if sys.platform == "win32" else socket.AF_UNIX
        port = self.port()
        target = (LOOPBACK, port) if sys.platform == "win32" else str(self.placement.sockets / f".s.PGSQL.{port}")
        with socket.socket(family, socket.SOCK_STREAM) as client:
            client.settimeout(5)
            return client.connect_ex(target) == 0

    def port(self) -> int:
        """The port of the running server."""
        said = read_pid_file(self.placement.pgdata)
        return (said.port if said else None) or SOCKET_PORT

    def _wait_while_changing(self) -> bool:
        """Whether the server is ready, after waiting for one that recovers or stops; False if none runs."""
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while self.answers() and self._pg_ctl("status") == 0:
            said = read_pid_file(self.placement.pgdata)
            if said is not None and said.says_ready:
                return True
            if time.monotonic() > deadline:
                raise self._did_not_start("The server runs but doesn't get ready.")
            time.sleep(0.05)
        return False

    def _start(self, server_lock: FileLock) -> None:
        placement = self.placement
        if placement.log.exists():
            placement.log.replace(placement.log.with_suffix(".log.old"))
        sockets, port = (None, _free_port()) if sys.platform == "win32" else (placement.sockets, SOCKET_PORT)
        write_settings(placement.pgdata, sockets, port, placement.account)
        disown_if_dead(placement.pgdata, placement.account)
        # Left by a kill: we hold the server's lock and nobody answered. The process number in the lock file would stop
        # PostgreSQL as long as a zombie or another program has it.
        for left in placement.sockets.glob(".s.PGSQL.*"):
            left.unlink(missing_ok=True)
        try:
            status = self._pg_ctl("start", "-l", placement.log.name, descriptors=[server_lock.descriptor])
        finally:
            server_lock.hand_over()  # also after a failure: a server that is still recovering goes on
        if status != 0:
            raise self._did_not_start(f"PostgreSQL {self.binaries.version} did not start.")

    def _out_of_reach(self) -> str:
        said = read_pid_file(self.placement.pgdata)
        number = said.lines[0] if said and said.lines else "unknown"
        return (
            f"A server of {self.placement.pgdata} (process {number}) lives, but can't be reached from here: it runs in "
            "another container or on another machine with the same folder, or its socket in "
            f"{self.placement.sockets} was removed. Stop it there, or let everybody use one server with DATABASE_URL."
        )

    def _pg_ctl(self, verb: str, *options: str, descriptors: Sequence[int] = ()) -> int:
        # Relative names: pg_ctl puts them on a shell's command line, where a home with a $ in it would go wrong.
        waiting = [] if verb == "status" else ["-w", "-t", str(START_TIMEOUT_SECONDS)]
        command = [str(self.binaries.program("pg_ctl")), verb, "-s", "-D", "data", *waiting, *options]
        return self.placement.account.run(command, self.placement.cluster, descriptors=descriptors).status

    def _did_not_start(self, what: str) -> PostgresDidNotStart:
        try:
            tail = self.placement.log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        except OSError:
            tail = ["(the server has not written a log)"]
        return PostgresDidNotStart("\n".join([what, f"The end of {self.placement.log}:", *tail]))


def _escaped(value: str) -> str:
    """As one value among a session's options, where a space ends a value."""
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
