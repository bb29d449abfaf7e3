"""`billsmith tenant …`"""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.markup import escape

from billsmith.actions import tenants
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.objects import key_object, tenant_object
from billsmith.cli.session import JsonOption, in_context, new_request_id, print_json, screen
from billsmith.config import Settings
from billsmith.core.tenants import NewTenant, Scope, Tenant
from billsmith.errors import Invalid

app = typer.Typer(help="Companies that bill with Billsmith.", no_args_is_help=True)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What the company is called on its invoices.")],
    currency: Annotated[str, typer.Option(help="ISO 4217 code.")] = "EUR",
    time_zone: Annotated[str, typer.Option(help="IANA name, such as Europe/Berlin.")] = "UTC",
    sandbox: Annotated[bool, typer.Option("--sandbox", help="A place to try things, with a clock of its own.")] = False,
    clock: Annotated[str | None, typer.Option(help="A sandbox's first instant, such as 2026-01-31T12:00:00Z.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Create a company, and a first API key for it.

    Example: billsmith tenant create "Steve's Cloud" --currency EUR --time-zone Europe/Berlin
    """

    async def work(context: Context, settings: Settings, url: str) -> tuple[Tenant, tenants.NewKey]:
        given = NewTenant(
            name=name,
            currency=currency,
            time_zone=time_zone,
            mode="sandbox" if sandbox else "live",
            clock_at=None if clock is None else instant(clock),
        )
        request_id = new_request_id(context)
        tenant = await tenants.create_tenant(context, given, "cli", request_id)
        call = Call(tenant, "cli", request_id)
        return tenant, (await tenants.create_key(context, call, "first key", [Scope.ADMIN])).fresh

    tenant, key = in_context(work)
    if as_json:
        print_json({"tenant": tenant_object(tenant), "key": key_object(key.key, key.secret)})
        return
    shown = tenant_object(tenant)
    screen.print(
        f"[green]✓[/green] {escape(shown.name)}  {shown.id}  {shown.mode}, {shown.currency}, {shown.time_zone}",
        soft_wrap=True,
    )
    screen.print(f"  API key, shown only this once: [bold]{key.secret}[/bold]", soft_wrap=True)


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List the companies of this database."""

    async def work(context: Context, settings: Settings, url: str) -> list[Tenant]:
        return await tenants.list_tenants(context)

    found = [tenant_object(tenant) for tenant in in_context(work)]
    if as_json:
        print_json(found)
        return
    for shown in found:
        screen.print(f"{shown.id}  {escape(shown.name)}  {shown.mode}, {shown.currency}, {shown.time_zone}")
    if not found:
        screen.print('There is none yet. Create one: billsmith tenant create "Steve\'s Cloud"')


class InstantMalformed(Invalid):
    """A text that is no instant."""

    code = "instant_malformed"


def instant(text: str) -> datetime:
    """An ISO 8601 instant; without an offset it is UTC. Raises InstantMalformed."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InstantMalformed(f"{text!r} is not an instant such as 2026-01-31T12:00:00Z") from None
    return at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)
