"""`billsmith migrate` and `billsmith doctor`"""

import asyncio
from typing import Annotated

import msgspec
import typer
from rich.markup import escape

from billsmith.cli.session import FAILED, JsonOption, fail, print_json, screen, settings_or_fail
from billsmith.errors import BillsmithError
from billsmith.wiring import migrate_database, open_database, pending_migrations


class Migrated(msgspec.Struct, frozen=True):
    """What `migrate` did, or with `--check` what it would do."""

    applied: list[str]
    pending: list[str]


def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit code 1 if the database is not up to date.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring the database up to date.

    Runs as the owner of the database: MIGRATE_DATABASE_URL, or else DATABASE_URL. Makes the role billsmith_program, as
    which the program works and which can't change what is append-only. A private database is kept up to date by every
    command.

    Example: MIGRATE_DATABASE_URL=postgresql://owner:…@db/bills billsmith migrate
    """
    settings = settings_or_fail()
    try:
        with open_database(settings) as url:
            if check:
                result = Migrated(applied=[], pending=asyncio.run(pending_migrations(url)))
            else:
                result = Migrated(applied=asyncio.run(migrate_database(settings, url)), pending=[])
    except BillsmithError as error:
        fail(error)
    if as_json:
        print_json(result)
    else:
        _show(result)
    if result.pending:
        raise typer.Exit(FAILED)


def _show(result: Migrated) -> None:
    for name in result.applied:
        screen.print(f"[green]✓[/green] applied {name}")
    for name in result.pending:
        screen.print(f"[red]✗[/red] missing {name}")
    if not result.pending:
        screen.print("[green]✓[/green] the database is up to date")


def doctor(as_json: JsonOption = False) -> None:
    """Check everything that Billsmith needs, and say what to do where something is wrong. Exit code 1 if so.

    Example: billsmith doctor --json
    """
    from billsmith.cli.checks import examine  # noqa: PLC0415  no other command needs what it looks at

    checks = []
    for check in examine():
        checks.append(check)
        if not as_json:
            mark = "[green]✓[/green]" if check.ok else "[red]✗[/red]"
            screen.print(f"{mark} {check.name:<11} {escape(check.said)}", soft_wrap=True)
            if check.remedy:
                screen.print(f"  {'':<11} [yellow]→[/yellow] {escape(check.remedy)}", soft_wrap=True)
    if as_json:
        print_json({"ok": all(check.ok for check in checks), "checks": checks})
    if not all(check.ok for check in checks):
        raise typer.Exit(FAILED)
