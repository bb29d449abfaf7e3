"""Locks on files, held by open file descriptions: whoever dies, however it dies, lets go."""

import os
import sys
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from billsmith.private_postgres.account import Account

if sys.platform == "win32":
    import msvcrt

    # Windows has no shared lock in Python: a user takes any one of these bytes, and who takes all of them is alone.
    SEATS = 1024

    def _try(opened: int, seat: int, seats: int) -> bool:
        os.lseek(opened, seat, os.SEEK_SET)
        try:
            msvcrt.locking(opened, msvcrt.LK_NBLCK, seats)
        except OSError:
            return False
        return True

    def _take_shared(opened: int) -> None:
        """Hold the lock beside others; waits for one who holds it alone."""
        while not any(_try(opened, seat, 1) for seat in range(SEATS)):
            time.sleep(0.05)

    def _try_alone(opened: int) -> bool:
        """Hold the lock alone if nobody else holds it."""
        return _try(opened, 0, SEATS)

    def _take_alone(opened: int) -> None:
        """Hold the lock alone; waits for everybody else."""
        while not _try_alone(opened):
            time.sleep(0.05)

else:
    import fcntl

    def _take_shared(opened: int) -> None:
        """Hold the lock beside others; waits for one who holds it alone."""
        fcntl.flock(opened, fcntl.LOCK_SH)

    def _try_alone(opened: int) -> bool:
        """Hold the lock alone if nobody else holds it."""
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _take_alone(opened: int) -> None:
        """Hold the lock alone; waits for everybody else."""
        fcntl.flock(opened, fcntl.LOCK_EX)


class FileLock:
    """A new open file description of a lock file, which belongs to the server's user; closing it lets go.

    It is this process's alone. Python opens files so that programs it starts don't inherit them, and a forked child
    closes its copy at once: else a child that never asked for the server would keep it up, or hold it against itself.
    """

    def __init__(self, path: Path, account: Account) -> None:
        self._opened: int | None = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        _open_locks.add(self)
        if sys.platform != "win32" and account.switches:
            found = os.fstat(self._opened)
            # Only what we have just made: a second name of one of root's files is not given away.
            if found.st_uid == os.geteuid() and found.st_nlink == 1:
                os.fchown(self._opened, account.uid, account.gid)

    @property
    def is_open(self) -> bool:
        """Whether it was neither closed nor left behind by a fork."""
        return self._opened is not None

    @property
    def descriptor(self) -> int:
        """What a program is given that shall hold the lock as well; only while this is open."""
        assert self._opened is not None
        return self._opened

    def take_shared(self) -> None:
        """Hold the lock beside others; waits for one who holds it alone."""
        _take_shared(self.descriptor)

    def take_alone(self) -> None:
        """Hold the lock alone; waits for everybody else."""
        _take_alone(self.descriptor)

    def try_alone(self) -> bool:
        """Hold the lock alone if nobody else holds it."""
        return _try_alone(self.descriptor)

    def close(self) -> None:
        """Let go. Calling it again does nothing."""
        if sys.platform != "win32" and self._opened is not None:
            # Said explicitly: a child forked this very moment may not have closed its copy yet.
            fcntl.flock(self._opened, fcntl.LOCK_UN)
        self.hand_over()

    def hand_over(self) -> None:
        """Close it here only: programs that were given the descriptor hold the lock from now on."""
        opened, self._opened = self._opened, None
        if opened is not None:
            os.close(opened)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


_open_locks: "weakref.WeakSet[FileLock]" = weakref.WeakSet()


def _close_inherited() -> None:
    for lock in list(_open_locks):
        lock.hand_over()  # the parent's lock stays


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_close_inherited)


@contextmanager
def alone(path: Path, account: Account) -> Iterator[None]:
    """Hold the lock file alone inside the block; waits for whoever holds it."""
    with FileLock(path, account) as lock:
        lock.take_alone()
        yield
