"""The `billsmith` command: one Typer app, one module per family of commands."""

import typer

from billsmith.cli import database, demo, imports, keys, proof, serve, tenants

app = typer.Typer(
    name="billsmith",
    help="Billsmith, a billing engine on PostgreSQL: right to the cent, fast, pleasant to run.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.command("serve")(serve.serve)
app.command("migrate")(database.migrate)
app.command("doctor")(database.doctor)
app.command("verify")(proof.verify)
app.command("demo")(demo.demo)
app.add_typer(tenants.app, name="tenant")
app.add_typer(keys.app, name="keys")
app.add_typer(imports.app, name="invoices")


def main() -> None:
    """The entry point of the console script."""
    app()
