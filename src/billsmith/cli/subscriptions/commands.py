"""`billsmith subscriptions …`"""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from billsmith.actions.context import Context
from billsmith.actions.customers import resolve_customer
from billsmith.actions.subscriptions.objects import SubscriptionObject, TimelineEntryObject
from billsmith.actions.subscriptions.reading import get_subscription, get_timeline, newest_subscriptions
from billsmith.cli.session import JsonOption, TenantOption, call_for, errors, in_context, print_json, screen
from billsmith.cli.subscriptions.importing import ImportSummary, run_import
from billsmith.config import Settings
from billsmith.core.ids import find_id
from billsmith.core.subscriptions.subscription import SubscriptionStatus

app = typer.Typer(help="Subscriptions: imported, listed, shown.", no_args_is_help=True)

REJECTED = 3
"""Exit code when everything usable was imported and some rows were not usable."""


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV or JSON lines, one subscription per row; .gz is fine.")],
    tenant: TenantOption = None,
    rejects: Annotated[
        Path | None,
        typer.Option(help="Where unusable rows go; default: FILE.rejects.csv, beside the file or else here."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every row, store nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Import subscriptions of customers that are there, on plans that are sold.

    Columns: external_id, customer (its id or external id) and plan; quantity, currency, starts_on, billed_through_on
    (days before were billed elsewhere), ends_on, bill_cycle_day, base (the external id of the subscription that an
    add-on joins, further up), tags; price.CHARGE for prices of its own, metadata.KEY.

    Start it again whenever it was cut off: what is there already is left alone. The next billing run bills from
    billed_through_on on.

    Example: billsmith subscriptions import subscribers.csv --dry-run
    """

    async def work(context: Context, settings: Settings, url: str) -> ImportSummary:
        call = await call_for(context, tenant, reason=f"subscriptions import {file.name}")
        with errors.status("reading") as shown:
            return await run_import(
                context,
                call,
                file,
                rejects=rejects,
                dry_run=dry_run,
                on_rows=lambda count: shown.update(f"{count:,} rows"),
            )

    summary = in_context(work)
    if as_json:
        print_json(summary)
    else:
        _print_summary(summary)
    if summary.rows_rejected:
        raise typer.Exit(REJECTED)


@app.command("list")
def list_(
    customer: Annotated[str | None, typer.Option(help="Id or external id of a customer.")] = None,
    status: Annotated[SubscriptionStatus | None, typer.Option(help="Only those that are so.")] = None,
    plan: Annotated[str | None, typer.Option(help="The code of a plan.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most, newest first.")] = 50,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """List subscriptions, newest first.

    Example: billsmith subscriptions list --customer tim --status active
    """

    async def work(context: Context, settings: Settings, url: str) -> list[SubscriptionObject]:
        call = await call_for(context, tenant)
        customer_id = None if customer is None else await resolve_customer(context, call.tenant, customer)
        return await newest_subscriptions(context, call.tenant, limit, customer_id, status=status, plan=plan)

    found = in_context(work)
    if as_json:
        print_json(found)
        return
    table = Table(box=None)
    table.add_column("subscription of customer", no_wrap=True)  # whole, to be copied
    for name in ("plan", "status", "days"):
        table.add_column(name)
    for one in found:
        days = f"{one.starts_on} to {one.ends_on or '…'}"
        through = f"charged to {one.charged_through_on}" if one.charged_through_on else "nothing charged yet"
        plan_ = f"{one.quantity.normalize():f} × {one.plan.code}"
        table.add_row(f"{one.id}\n{one.customer}", plan_, one.status, f"{days}\n{through}")
    screen.print(table)


@app.command("show")
def show(
    subscription: Annotated[str, typer.Argument(help="Its id.")],
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a subscription with its add-ons and its timeline.

    Example: billsmith subscriptions show sub_01kn364710e008000000001207
    """

    async def work(
        context: Context, settings: Settings, url: str
    ) -> tuple[SubscriptionObject, list[TimelineEntryObject]]:
        call = await call_for(context, tenant)
        id_ = find_id("subscription", subscription)
        found = await get_subscription(context, call.tenant, id_, add_ons=True)
        return found, await get_timeline(context, call.tenant, id_)

    found, entries = in_context(work)
    if as_json:
        print_json({"subscription": found, "timeline": entries})
        return
    screen.print(
        f"{found.id}  {escape(found.plan.name)} ({found.plan.code}, version {found.plan.version})  {found.status}"
    )
    for one in found.add_ons or ():
        screen.print(f"  with {one.id}  {escape(one.plan.name)}  {one.status}")
    for entry in entries:
        on = entry.billing_on or (entry.entitlement_at and entry.entitlement_at.date())
        state = "undone" if entry.undone_at else ("" if entry.effective else "to come")
        screen.print(f"  {on}  {entry.words}  {state}".rstrip(), markup=False, soft_wrap=True)


def _print_summary(summary: ImportSummary) -> None:
    verb = "would be made" if summary.dry_run else "made"
    screen.print(f"[green]✓[/green] {summary.made:,} subscriptions {verb}")
    if summary.made_before:
        screen.print(f"  {summary.made_before:,} were there already")
    if summary.rows_rejected:
        screen.print(
            f"  [yellow]{summary.rows_rejected:,} rows could not be used[/yellow]; the reasons are in", end=" "
        )
        screen.print(summary.rejects, markup=False)
