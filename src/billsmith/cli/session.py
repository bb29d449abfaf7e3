"""What every command needs: settings, a Context for as long as it runs, and errors a person can read."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, NoReturn, TypeVar

import msgspec
import typer
from rich.console import Console
from rich.markup import escape

from billsmith.actions import tenants
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.config import Settings, settings_from
from billsmith.core.ids import show_id
from billsmith.errors import BillsmithError
from billsmith.wiring import open_context, open_database

T = TypeVar("T")

screen = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
TenantOption = Annotated[
    str | None, typer.Option("--tenant", "-t", help="Name or id of the tenant; not needed while there is only one.")
]

FAILED = 1


def settings_or_fail() -> Settings:
    """The settings; a bad one ends the command."""
    try:
        return settings_from()
    except BillsmithError as error:
        fail(error)


def in_context(work: Callable[[Context, Settings, str], Awaitable[T]]) -> T:
    """Run `work(context, settings, owner_url)` on the configured database; an error of ours ends the command."""
    settings = settings_or_fail()
    try:
        with open_database(settings) as url:
            return asyncio.run(_in_context(settings, url, work))
    except BillsmithError as error:
        fail(error)


async def _in_context(settings: Settings, url: str, work: Callable[[Context, Settings, str], Awaitable[T]]) -> T:
    async with open_context(settings, url) as context:
        return await work(context, settings, url)


async def call_for(context: Context, tenant: str | None, reason: str | None = None) -> Call:
    """A call of this command for the tenant that is meant. Raises TenantNotFound, TenantAmbiguous."""
    found = await tenants.find_tenant(context, tenant)
    return Call(found, "cli", new_request_id(context), reason)


def new_request_id(context: Context) -> str:
    """The request id under which this command's facts can be found."""
    return show_id("request", context.ids.new(context.ids.any_shard()))


def fail(error: BillsmithError) -> NoReturn:
    """Say what is wrong, and where, on stderr; end with exit code 1."""
    errors.print(f"[red]✗[/red] {escape(error.detail)}", markup=True, soft_wrap=True)
    for field in error.errors:
        if field.pointer and field.detail != error.detail:
            errors.print(f"  {field.pointer}: {field.detail}", markup=False, soft_wrap=True)
    raise typer.Exit(FAILED)


def print_json(result: Any) -> None:
    """One JSON document on stdout."""
    print(json.dumps(msgspec.to_builtins(result, str_keys=True), indent=2, ensure_ascii=False))
