"""`billsmith verify`"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.markup import escape
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBar
from rich.table import Table

from billsmith.actions.context import Context
from billsmith.cli.session import FAILED, JsonOption, call_for, errors, in_context, print_json, screen
from billsmith.config import Settings
from billsmith.core.ids import PREFIXES, show_id
from billsmith.verify import CheckResult, Difference, Progress, Report
from billsmith.verify import verify as verify_database

_NAMED_ID = re.compile(rf"\b({'|'.join(PREFIXES)}) ([0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})\b")

ON_SCREEN = 10
"""Differences shown per check; JSON has more of them."""
WHOLE_RUN_SECONDS = 3600
"""The time left is told by the speed since then: checks differ too much for that of the last few seconds."""


def verify(
    tenant: Annotated[
        str | None, typer.Option("--tenant", "-t", help="Name or id of one tenant; every tenant unless given.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Derive every stored figure again from the rows it comes from, and name each difference.

    Changes nothing and can run at any time. Exit code 0: no difference; 1: there are some.

    Example: billsmith verify --tenant "Steve's Cloud"
    """

    async def work(context: Context, settings: Settings, url: str) -> Report:
        tenant_id = None if tenant is None else (await call_for(context, tenant)).tenant.id
        with watched(quiet=as_json) as on_progress:
            return await verify_database(url, tenant_id=tenant_id, on_progress=on_progress)

    report = in_context(work)
    if as_json:
        print_json(report_object(report))
    else:
        show(report)
    if report.found:
        raise typer.Exit(FAILED)


@contextmanager
def watched(*, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """A progress bar on stderr: how many checks have ended, which are under way, how long it took and takes still."""
    columns = (
        SpinnerColumn(), TextColumn("verify"), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn(),
        TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    shown = ProgressBar(
        *columns, console=errors, transient=True, disable=quiet, speed_estimate_period=WHOLE_RUN_SECONDS
    )
    with shown:
        checking = shown.add_task("counting rows", total=None)

        def on_progress(progress: Progress) -> None:
            said = f"{progress.ended} of {progress.checks} checks, {', '.join(progress.under_way)}"
            shown.update(checking, completed=progress.rows_read, total=progress.rows, description=said)

        yield on_progress


def show(report: Report) -> None:
    """What was proven, what was not, and the last line that says it all."""
    table = Table("check", "what it proves", "seconds", "differences", box=None)
    table.columns[2].justify = table.columns[3].justify = "right"
    for check in report.checks:
        found = f"[red]{check.found:,}[/red]" if check.found else "0"
        table.add_row(check.name, escape(check.proves), f"{check.seconds:.2f}", found)
    screen.print(table)
    for check in report.checks:
        show_differences(check)
    screen.print(f"{sum(report.rows.values()):,} rows in {len(report.rows)} tables, {report.seconds:.1f} s")
    color, mark = ("red", "✗") if report.found else ("green", "✓")
    screen.print(f"[{color}]{mark}[/{color}] {summary(report)}")


def summary(report: Report) -> str:
    """`verify: 0 differences`"""
    return f"verify: {report.found:,} difference{'' if report.found == 1 else 's'}"


def report_object(report: Report) -> dict[str, Any]:
    """The report as JSON shows it; ids are as everywhere outside."""
    return {
        "differences": report.found,
        "seconds": round(report.seconds, 3),
        "rows": report.rows,
        "checks": [
            {
                "name": check.name,
                "proves": check.proves,
                "seconds": round(check.seconds, 3),
                "differences": check.found,
                "first_differences": [_difference_object(difference) for difference in check.differences],
            }
            for check in report.checks
        ],
    }


def _difference_object(difference: Difference) -> dict[str, Any]:
    return {
        "tenant": difference.tenant_id and show_id("tenant", difference.tenant_id),
        "object": _with_shown_ids(difference.object),
        "figure": difference.figure,
        "expected": difference.expected,
        "stored": difference.stored,
    }


def show_differences(check: CheckResult) -> None:
    """The first differences of a check, and how many more there are."""
    for difference in check.differences[:ON_SCREEN]:
        tenant = difference.tenant_id and show_id("tenant", difference.tenant_id)
        screen.print(
            f"[red]{check.name}[/red] {escape(_with_shown_ids(difference.object))} {difference.figure}:"
            f" expected {_value(difference.expected)}, stored {_value(difference.stored)} ({tenant})",
            soft_wrap=True,
        )
    if check.found > ON_SCREEN:
        screen.print(f"[red]{check.name}[/red] … and {check.found - ON_SCREEN:,} more")


def _value(text: str | None) -> str:
    return "nothing" if text is None else escape(text)


def _with_shown_ids(text: str) -> str:
    """`invoice inv_…` for `invoice 0199…`: the id as the API knows it."""
    return _NAMED_ID.sub(lambda found: f"{found[1]} {show_id(found[1], UUID(found[2]))}", text)
