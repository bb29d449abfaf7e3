"""The server's settings, in a file of ours that postgresql.conf includes and every start writes anew."""

import os
from pathlib import Path

from billsmith.private_postgres.account import Account

FILE_NAME = "billsmith.conf"
INCLUDE = f"\ninclude '{FILE_NAME}'  # written anew on every start; it comes last and so wins\n"
SHARED_BUFFERS_CAP_MB = 8 * 1024
SHARED_BUFFERS_FLOOR_MB = 32
# What is assumed where the platform doesn't say: small enough for any machine that runs a server.
UNKNOWN_MEMORY_BYTES = 1024**3
CONTROL_GROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def memory_bytes() -> int:
    """The memory of the machine, or less where a container's limit is lower."""
    try:
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        machine = UNKNOWN_MEMORY_BYTES
    return min([machine, *_container_limits()])


def _container_limits() -> list[int]:
    limits = []
    for file in CONTROL_GROUP_LIMITS:
        try:
            limits.append(int(file.read_text()))
        except (OSError, ValueError):  # not there, or the word max
            continue
    return [limit for limit in limits if limit > 0]


def shared_buffers_mb(memory: int) -> int:
    """A sixth of the memory, in MB, between a floor and a cap."""
    return max(SHARED_BUFFERS_FLOOR_MB, min(SHARED_BUFFERS_CAP_MB, memory // 6 // 1024**2))


def settings_text(sockets: Path | None, port: int, memory: int) -> str:
    """The settings; without `sockets` (Windows) the server listens on the loopback address."""
    settings = {
        "listen_addresses": "" if sockets else "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": str(sockets) if sockets else "",
        "unix_socket_permissions": "0700",
        "password_encryption": "scram-sha-256",
        "max_connections": "200",
        "shared_buffers": f"{shared_buffers_mb(memory)}MB",
        "max_wal_size": "8GB",
        "wal_compression": "pglz",
        "jit": "off",
        "random_page_cost": "1.1",
        # What was committed stays, whatever happens to the machine: it is money.
        "fsync": "on",
        "synchronous_commit": "on",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
    return "".join(f"{name} = {quoted(value)}\n" for name, value in settings.items())


def quoted(value: str) -> str:
    """The value as postgresql.conf wants it."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def write_settings(data_directory: Path, sockets: Path | None, port: int, account: Account) -> None:
    """Write our file into the data folder, whole or not at all."""
    account.write(data_directory / FILE_NAME, settings_text(sockets, port, memory_bytes()))
