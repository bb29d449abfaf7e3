"""`billsmith payments …`"""

from typing import Annotated

import typer
from rich.table import Table

from billsmith.actions.context import Context
from billsmith.actions.money import unknown
from billsmith.actions.money.unknown import Resolution, ResolutionInvalid
from billsmith.actions.money_objects import attempt_object
from billsmith.cli.session import JsonOption, TenantOption, call_for, fail, in_context, print_json, screen
from billsmith.config import Settings
from billsmith.core.ids import find_id
from billsmith.core.money import show_amount
from billsmith.core.payments.payment import Attempt

SHOWN = 200

app = typer.Typer(help="Payments whose outcome nobody knows: list them, resolve them.", no_args_is_help=True)


@app.command("unknown")
def list_unknown(tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """List attempts whose reply was lost and that the gateway can't tell about; newest first.

    Example: billsmith payments unknown --tenant "Steve's Cloud"
    """

    async def work(context: Context, settings: Settings, url: str) -> list[Attempt]:
        return await unknown.newest_unknown(context, (await call_for(context, tenant)).tenant, SHOWN)

    found = [attempt_object(attempt) for attempt in in_context(work)]
    if as_json:
        print_json(found)
        return
    if not found:
        screen.print("[green]✓[/green] the outcome of every payment is known")
        return
    table = Table(box=None)
    table.add_column("attempt of payment", no_wrap=True)  # whole, to be copied
    table.add_column("kind")
    table.add_column("amount", no_wrap=True)
    table.add_column("since")
    table.add_column("asked")
    for one in found:
        again = f"again {one.next_check_at:%Y-%m-%d %H:%M}" if one.next_check_at else "never again"
        amount = f"{show_amount(one.amount, one.currency)} {one.currency}"
        since = f"{one.created_at:%Y-%m-%d %H:%M}"
        table.add_row(f"{one.id}\n{one.payment}", one.kind, amount, since, f"{one.checks} times, {again}")
    screen.print(table)
    screen.print("Look each up at the gateway, then: billsmith payments resolve ATTEMPT --help")


@app.command("resolve")
def resolve(
    attempt: Annotated[str, typer.Argument(help="The attempt's id, att_…")],
    evidence: Annotated[str, typer.Option(help="How you know: what the gateway's pages or support say.")],
    succeeded: Annotated[bool, typer.Option("--succeeded", help="The money has moved.")] = False,
    failed: Annotated[bool, typer.Option("--failed", help="It has not, and never will.")] = False,
    gateway_id: Annotated[str | None, typer.Option(help="The gateway's id of it; with --succeeded.")] = None,
    amount: Annotated[int | None, typer.Option(help="What really moved, in minor units, if not as asked.")] = None,
    currency: Annotated[str | None, typer.Option(help="Its currency, if not as asked.")] = None,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decide an unknown payment by hand, with evidence; everything that follows from it is done.

    Example: billsmith payments resolve att_01jd… --succeeded --gateway-id ch_81f2 --evidence "dashboard, 2 April"
    """
    if succeeded == failed:
        fail(ResolutionInvalid("say either --succeeded or --failed"))
    outcome = Resolution("succeeded" if succeeded else "failed", evidence, gateway_id, amount, currency)

    async def work(context: Context, settings: Settings, url: str) -> Attempt:
        call = await call_for(context, tenant, reason="resolved by hand")
        return (await unknown.resolve_attempt(context, call, find_id("attempt", attempt), outcome)).fresh

    shown = attempt_object(in_context(work))
    if as_json:
        print_json(shown)
        return
    screen.print(f"[green]✓[/green] {shown.id} of payment {shown.payment} is {shown.status}")
