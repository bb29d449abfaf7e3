"""`billsmith secrets …`"""

import typer

from billsmith.actions.context import Context
from billsmith.actions.money import accounts
from billsmith.cli.session import JsonOption, in_context, print_json, screen
from billsmith.config import Settings

app = typer.Typer(help="The sealed credentials of gateway accounts.", no_args_is_help=True)


@app.command("reseal")
def reseal(as_json: JsonOption = False) -> None:
    """Seal every credential with the first of the secret keys; the others may then be dropped.

    For changing keys: put a new one in front of BILLSMITH_SECRET_KEYS, restart, reseal, drop the old one, restart.

    Example: billsmith secrets reseal
    """

    async def work(context: Context, settings: Settings, url: str) -> int:
        return await accounts.reseal_accounts(context)

    resealed = in_context(work)
    if as_json:
        print_json({"resealed": resealed})
        return
    accounts_ = f"{resealed} gateway account{'' if resealed == 1 else 's'}"
    screen.print(f"[green]✓[/green] {accounts_} sealed anew; all open with the first secret key alone")
