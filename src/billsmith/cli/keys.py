"""`billsmith keys …`"""

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from billsmith.actions import tenants
from billsmith.actions.context import Context
from billsmith.actions.objects import key_object
from billsmith.cli.session import JsonOption, TenantOption, call_for, in_context, print_json, screen
from billsmith.config import Settings
from billsmith.core.ids import find_id
from billsmith.core.tenants import ApiKey, Scope

app = typer.Typer(help="API keys: created, listed, revoked.", no_args_is_help=True)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[list[Scope] | None, typer.Option(help="read, write or admin; each includes those before.")] = None,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a key. Its secret is shown once.

    Example: billsmith keys create "month-end script" --scope write
    """

    async def work(context: Context, settings: Settings, url: str) -> tenants.NewKey:
        call = await call_for(context, tenant)
        return (await tenants.create_key(context, call, name, scope or [Scope.WRITE])).fresh

    made = in_context(work)
    if as_json:
        print_json(key_object(made.key, made.secret))
        return
    scopes = ", ".join(made.key.scopes)
    screen.print(f"[green]✓[/green] {key_object(made.key).id}  {escape(made.key.name)} ({scopes})")
    screen.print(f"  shown only this once: [bold]{made.secret}[/bold]", soft_wrap=True)


@app.command("list")
def list_(tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """List a tenant's keys, revoked ones too; secrets are never shown again."""

    async def work(context: Context, settings: Settings, url: str) -> list[ApiKey]:
        return await tenants.list_keys(context, (await call_for(context, tenant)).tenant)

    found = [key_object(key) for key in in_context(work)]
    if as_json:
        print_json(found)
        return
    table = Table("id", "name", "key", "scopes", "last used", "revoked", box=None)
    for key in found:
        used = key.last_used_at and f"{key.last_used_at:%Y-%m-%d %H:%M}"
        revoked = key.revoked_at and f"{key.revoked_at:%Y-%m-%d %H:%M}"
        table.add_row(key.id, escape(key.name), key.hint, ", ".join(key.scopes), used or "never", revoked or "")
    screen.print(table)


@app.command("revoke")
def revoke(
    key: Annotated[str, typer.Argument(help="The key's id, key_…")],
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key unknown from now on.

    Example: billsmith keys revoke key_01jd…
    """

    async def work(context: Context, settings: Settings, url: str) -> ApiKey:
        call = await call_for(context, tenant)
        return (await tenants.revoke_key(context, call, find_id("key", key))).fresh

    revoked = key_object(in_context(work))
    if as_json:
        print_json(revoked)
        return
    screen.print(f"[green]✓[/green] {escape(revoked.name)} ({revoked.id}) is revoked")
