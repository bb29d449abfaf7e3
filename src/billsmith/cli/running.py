"""Programs that run until they are told to stop: signals, the loop, and the way out."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import NoReturn

import structlog
import typer

from billsmith.actions.context import Context
from billsmith.cli.logs import Redaction, configure_logs
from billsmith.cli.session import FAILED, fail
from billsmith.config import Settings
from billsmith.errors import BillsmithError
from billsmith.wiring import open_context, open_database

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SIGNAL_EXIT = 128

log = structlog.get_logger("billsmith")

Service = Callable[[Context, "Stop"], Awaitable[None]]


class Stop:
    """Whether the program was told to stop. The second time, or before it runs, it is cut off at once."""

    def __init__(self, task: "asyncio.Task[None]") -> None:
        self.asked = asyncio.Event()
        self.runs = False
        self._task = task

    def ask(self, number: int) -> None:
        """What a signal does."""
        name = signal.Signals(number).name
        if self.runs and not self.asked.is_set():
            log.info("stopping", signal=name)
            self.asked.set()
            return
        log.warning("stopping at once", signal=name)
        self._task.cancel()


def run_until_stopped(settings: Settings, service: Service) -> None:
    """Run `service(context, stop)` on the configured database until a signal; ends the command with its exit code.

    Whatever ends it, connections are closed and the private server is let go.
    """
    redaction = configure_logs(settings)
    signal.signal(signal.SIGTERM, _leave)  # while starting; as for Ctrl-C, what was opened is closed on the way out
    try:
        with open_database(settings) as url:
            redaction.learn(url)
            try:
                with asyncio.Runner(loop_factory=_fast_loop()) as runner:
                    runner.run(_run(settings, url, service))
            finally:
                signal.signal(signal.SIGTERM, _leave)  # the loop has taken its handlers with it
    except BillsmithError as error:
        fail(_without_secrets(error, redaction))
    except (asyncio.CancelledError, KeyboardInterrupt):
        raise typer.Exit(FAILED) from None


async def _run(settings: Settings, url: str, service: Service) -> None:
    task = asyncio.current_task()
    assert task is not None
    stop = Stop(task)
    _let_signals_go_to(stop)
    async with open_context(settings, url) as context:
        await service(context, stop)
    log.info("stopped")


def _let_signals_go_to(stop: Stop) -> None:
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        if sys.platform == "win32":  # loops there take no signals
            signal.signal(number, lambda number, _: loop.call_soon_threadsafe(stop.ask, number))
        else:
            loop.add_signal_handler(number, stop.ask, number)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(SIGNAL_EXIT + number)


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's where it is installed: it isn't made for Windows."""
    try:
        import uvloop  # noqa: PLC0415
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def _without_secrets(error: BillsmithError, redaction: Redaction) -> BillsmithError:
    error.detail = redaction.text(error.detail)
    return error
