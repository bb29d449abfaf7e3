"""Memory: how much a process has, by the system's own count, and how often it is searched for rubbish."""

import contextlib
import gc
import sys
from pathlib import Path

if sys.platform != "win32":
    import resource

_STATUS = Path("/proc/self/status")


_COLLECT_EVERY = (100_000, 50, 100)


def collect_rarely() -> None:
    """From now on look for circles of rubbish a hundred times less often, and never in what is loaded already.

    Rows, lines and postings are trees and go when nobody holds them. Looking through them took a seventh of a worker's
    time; its memory stays the same without.
    """
    gc.freeze()
    gc.set_threshold(*_COLLECT_EVERY)


def peak_memory_mb() -> float:
    """The most resident memory this process itself has ever had; 0 where nobody counts it.

    Linux hands a parent's peak down through `getrusage` to the processes it starts, so there the process is asked.
    """
    with contextlib.suppress(OSError, ValueError, StopIteration):
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    if sys.platform == "win32":
        return 0
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return own / 1024 / (1024 if sys.platform == "darwin" else 1)
