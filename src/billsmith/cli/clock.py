"""`billsmith clock …`"""

import re
from datetime import datetime, timedelta
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from billsmith.actions import advance, diary
from billsmith.actions.context import Context
from billsmith.actions.diary import Day
from billsmith.actions.objects import tenant_object
from billsmith.cli.session import JsonOption, TenantOption, call_for, errors, fail, in_context, print_json, screen
from billsmith.cli.tenants import instant
from billsmith.config import Settings
from billsmith.core.money import show_amount
from billsmith.core.tenants import Tenant
from billsmith.errors import Invalid

_PERIOD = re.compile(r"([0-9]{1,5})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

app = typer.Typer(help="A sandbox's clock: moved forward, doing what falls due on the way.", no_args_is_help=True)


class PeriodMalformed(Invalid):
    """A text that is no period such as 40d, or none at all."""

    code = "period_malformed"


@app.command("advance")
def advance_(
    period: Annotated[str | None, typer.Argument(help="How far: 30m, 12h, 40d, 2w.")] = None,
    to: Annotated[str | None, typer.Option(help="Or to an instant, such as 2026-04-30T00:00:00Z.")] = None,
    jump: Annotated[bool, typer.Option("--jump", help="Go there at once, then work off what fell due.")] = False,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move a sandbox's clock forward; prints what happened day by day.

    It stops at every instant at which something falls due: a charge is tried again, a refund is sent, a bank debit is
    decided, credit expires. Cut off in the middle, it goes on from there the next time.

    Example: billsmith clock advance 40d --tenant Sandbox
    """
    if (period is None) == (to is None):
        fail(PeriodMalformed("say how far, such as 40d, or --to an instant"))

    async def work(context: Context, settings: Settings, url: str) -> tuple[Tenant, list[Day]]:
        call = await call_for(context, tenant, reason="clock advance")
        now = context.clock.of(call.tenant)
        until = instant(to) if to is not None else now + period_of(period or "")
        before = await diary.last_told(context, call.tenant)
        with errors.status(f"{now:%Y-%m-%d %H:%M}") as shown:

            def on_step(at: datetime) -> None:
                done = (at - now) / max(until - now, timedelta(seconds=1))
                shown.update(f"{at:%Y-%m-%d %H:%M}  ({done:.0%})")

            moved = (await advance.move_clock(context, call, until, jump=jump, on_step=on_step)).fresh
        return moved, await diary.days_since(context, moved, before)

    try:
        moved, days = in_context(work)
    except OverflowError:
        fail(PeriodMalformed("the clock can't stand there"))
    if as_json:
        print_json({"tenant": tenant_object(moved), "days": days})
        return
    print_days(days)
    screen.print(f"[green]✓[/green] the clock of {escape(moved.name)} stands at {moved.clock_at:%Y-%m-%d %H:%M} UTC")


def print_days(days: list[Day]) -> None:
    """A row for each day on which something happened."""
    if not days:
        screen.print("Nothing fell due.")
        return
    table = Table("day", "money", "what happened", box=None)
    for day in days:
        money = [
            f"{one.movement.replace('_', ' ')} {show_amount(one.amount, one.currency)} {one.currency} ({one.payments}×)"
            for one in day.moved
        ]
        told = [f"{count}× {type_}" if count > 1 else type_ for type_, count in day.events.items()]
        table.add_row(day.on.isoformat(), "\n".join(money), ", ".join(told))
    screen.print(table)


def period_of(text: str) -> timedelta:
    """30m, 12h, 40d, 2w as a period. Raises PeriodMalformed."""
    found = _PERIOD.fullmatch(text)
    if found is None:
        raise PeriodMalformed(f"{text!r} is no period such as 30m, 12h, 40d or 2w")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
