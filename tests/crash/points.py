"""Where a process is killed: before the n-th line of `actions`, `store` or `gateways` that any of its threads runs."""

import itertools
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import billsmith

ROOT = Path(billsmith.__file__).parent
ROOMS = ("actions", "store", "gateways")
_FOLDERS = tuple(f"{ROOT / room}{os.sep}" for room in ROOMS)

Trace = Callable[[FrameType, str, Any], Any]


class Points:
    """Counts the executed lines of the three rooms, repeated ones too, and kills this process before the wanted one."""

    def __init__(self, kill_at: int | None, tell: Callable[[str], None]) -> None:
        self._kill_at, self._tell = kill_at, tell
        self._next = itertools.count(1)
        self.passed = 0

    def start(self) -> None:
        """From now on: in every frame that begins or goes on after this, in this thread and in later ones."""
        threading.settrace(self._call)
        sys.settrace(self._call)

    def stop(self) -> None:
        """No more."""
        sys.settrace(None)
        threading.settrace(None)  # type: ignore[arg-type]  it takes None as sys.settrace does

    def _call(self, frame: FrameType, event: str, argument: Any) -> Trace | None:
        return self._line if frame.f_code.co_filename.startswith(_FOLDERS) else None

    def _line(self, frame: FrameType, event: str, argument: Any) -> Trace:
        if event == "line":
            self.passed = next(self._next)
            if self.passed == self._kill_at:
                self._tell(f"{Path(frame.f_code.co_filename).relative_to(ROOT)}:{frame.f_lineno}")
                os.kill(os.getpid(), signal.SIGKILL)
        return self._line
