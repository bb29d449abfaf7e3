"""postmaster.pid, where a running server says what it is: process, port and whether it is ready."""

import os
from dataclasses import dataclass
from pathlib import Path

from billsmith.private_postgres.account import Account

# Above the highest number that Linux gives to a process, so it is surely nobody's.
NOBODYS_PROCESS = 2**31 - 1
PROCESSES = Path("/proc")


@dataclass(frozen=True)
class PidFile:
    """The lines: process, data folder, start time, port, socket folder, address, shared memory, status."""

    lines: tuple[str, ...]

    @property
    def port(self) -> int | None:
        """The port, once the server has written it."""
        return int(self.lines[3]) if len(self.lines) > 3 and self.lines[3] else None

    @property
    def says_ready(self) -> bool:
        """Whether the server has finished starting and isn't stopping."""
        return len(self.lines) > 7 and self.lines[7].strip() == "ready"


def read_pid_file(data_directory: Path) -> PidFile | None:
    """What the server of that folder says, or said before it was killed; None if it was stopped well."""
    try:
        return PidFile(tuple((data_directory / "postmaster.pid").read_text().splitlines()))
    except FileNotFoundError:
        return None


def disown_if_dead(data_directory: Path, account: Account) -> None:
    """After a kill: if the process in the pid file is a zombie or another program by now, take its number out.

    PostgreSQL takes any process of that number for a running server and refuses to start: in containers, where nobody
    buries the dead and numbers come again after a restart, for good. Only the number is replaced. The file stays, since
    its line about shared memory is how PostgreSQL notices children that outlived their postmaster.
    """
    left = read_pid_file(data_directory)
    if left is None or not left.lines or not PROCESSES.joinpath("self").exists():
        return
    if _works_in(left.lines[0], data_directory):
        return
    account.write(data_directory / "postmaster.pid", "\n".join([str(NOBODYS_PROCESS), *left.lines[1:]]) + "\n")


def _works_in(number: str, data_directory: Path) -> bool:
    """Whether the process of that number has the data folder as its working folder, as every postmaster does."""
    try:
        return os.path.samefile(PROCESSES / number / "cwd", data_directory)
    except FileNotFoundError:  # gone, or a zombie
        return False
    except OSError:  # another user's: PostgreSQL ignores those
        return True
