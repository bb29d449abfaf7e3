"""`billsmith serve`"""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator
from typing import Annotated

import structlog
import typer
import uvicorn

from billsmith.actions import tenants
from billsmith.actions.context import Context
from billsmith.cli.running import Stop, run_until_stopped
from billsmith.cli.session import fail, screen, settings_or_fail
from billsmith.config import Settings
from billsmith.errors import Unavailable
from billsmith.wiring import make_api, make_worker, preload_api

BACKLOG = 2048
ADMIN_PORTS_BELOW = 1024

log = structlog.get_logger("billsmith")


class PortTaken(Unavailable):
    """Somebody listens there already."""

    code = "port_taken"


class AddressUnusable(Unavailable):
    """This machine can't listen at that address."""

    code = "address_unusable"


class Server(uvicorn.Server):
    """uvicorn, with signals left to us."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; default: BILLSMITH_HOST, 127.0.0.1.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Port to listen on; default: BILLSMITH_PORT, 8080.")
    ] = None,
    worker: Annotated[bool, typer.Option("--worker/--no-worker", help="With a worker inside.")] = True,
) -> None:
    """Serve the API, with a worker inside.

    Ctrl-C or SIGTERM stops it: running requests and the worker's batch end first, for up to BILLSMITH_STOP_SECONDS. A
    second one quits at once.

    Example: billsmith serve --port 8000
    """
    settings = settings_or_fail()
    preload_api()
    try:
        listener = listen(settings.host if host is None else host, settings.port if port is None else port)
    except Unavailable as error:
        fail(error)

    async def service(context: Context, stop: Stop) -> None:
        server = Server(_config(context, settings))
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(server.serve(sockets=[listener]), name="server")
            working = worker and group.create_task(make_worker(context).run(stop.asked), name="worker")
            stop.runs = True
            await _greet(context, settings, url_of(listener))
            await stop.asked.wait()
            server.should_exit = True
            tasks = [serving, working] if working else [serving]
            _, late = await asyncio.wait(tasks, timeout=settings.stop_seconds + 1)
            for task in late:
                log.warning("cut off", what=task.get_name(), after_seconds=settings.stop_seconds)
                task.cancel()

    with listener:
        run_until_stopped(settings, service)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises PortTaken, AddressUnusable."""
    where = f"port {port} of {host}"
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        number = error.errno if isinstance(error, OSError) else None
        if number == errno.EADDRINUSE:
            raise PortTaken(f"{where} is taken: stop who listens there, or choose another with --port") from error
        if number == errno.EACCES and port < ADMIN_PORTS_BELOW:
            raise AddressUnusable(f"{where} is open to administrators only: choose one above 1023") from error
        raise AddressUnusable(f"this machine can't listen on {where}: {error}") from error


def url_of(listener: socket.socket) -> str:
    """Where a browser on this machine finds it."""
    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}"


def _config(context: Context, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        make_api(context, settings),
        log_config=None,  # logs.py has set them up
        access_log=False,  # the application writes one line per request, with what it knows of it
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=settings.stop_seconds,
    )


async def _greet(context: Context, settings: Settings, url: str) -> None:
    log.info("listening", url=url)
    if settings.log_format != "console":
        return
    screen.print(f"[green]✓[/green] Billsmith serves [bold]{url}/v1[/bold]  (Ctrl-C stops it)")
    if not await tenants.list_tenants(context):
        screen.print(
            '  There is no tenant yet: billsmith tenant create "My company" makes one and shows its API key.',
            soft_wrap=True,
        )
