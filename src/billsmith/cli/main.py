"""The `billsmith` command: one Typer app, one module per family of commands, loaded when one of it is asked for."""

import importlib
import importlib.metadata
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

# Where each command is, and its line in the list of commands: so neither the list nor a command loads all the others.
COMMANDS = {
    "demo": ("demo:demo", "Import a real shop's year and prove it."),
    "serve": ("serve:serve", "Serve the API, with a worker inside."),
    "worker": (
        "worker:worker",
        "Run the worker alone.",
    ),
    "run": ("billing.command:run", "Bill every customer for what is due."),
    "migrate": ("database:migrate", "Bring the database up to date."),
    "doctor": (
        "database:doctor",
        "Check everything that Billsmith needs, and say what to do.",
    ),
    "verify": ("proof:verify", "Derive every stored figure again and name each difference."),
    "tenant": ("tenants:app", "Companies that bill with Billsmith."),
    "keys": ("keys:app", "API keys: created, listed, revoked."),
    "secrets": ("secrets:app", "Sealed credentials, when the secret keys change."),
    "payments": ("payments:app", "Payments whose outcome nobody knows."),
    "catalog": ("catalog.commands:app", "What is sold: applied from a file, shown."),
    "subscriptions": ("subscriptions.commands:app", "Subscriptions: imported, listed, shown."),
    "clock": ("clock:app", "A sandbox's clock, moved forward."),
    "invoices": ("imports:app", "Invoices in bulk."),
}


class LazyGroup(TyperGroup):
    """Knows every command by name; the one that is asked for is loaded."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that `args` begin with."""
        if args[0] in COMMANDS:
            self.commands[args[0]] = load(args[0])
        return super().resolve_command(ctx, args)


def load(name: str) -> Any:
    """The command of that name, or the family of commands."""
    module, member = COMMANDS[name][0].split(":")
    found = getattr(importlib.import_module(f"billsmith.cli.{module}"), member)
    if isinstance(found, typer.Typer):
        return typer.main.get_group(found)  # a family of one is a family, too
    alone = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
    alone.command(name)(found)
    return typer.main.get_command(alone)


app = typer.Typer(
    name="billsmith",
    cls=LazyGroup,
    help="Billsmith, a billing engine on PostgreSQL: right to the cent, fast, pleasant to run.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def _in_the_list() -> None:
    """What stands in the list until the command is loaded."""


for _name, (_, _line) in COMMANDS.items():
    app.command(_name, help=_line)(_in_the_list)


def _show_version(asked: bool) -> None:
    if asked:
        print(f"billsmith {importlib.metadata.version('billsmith')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Billsmith, a billing engine on PostgreSQL: right to the cent, fast, pleasant to run."""


def main() -> None:
    """The entry point of the console script."""
    app()
