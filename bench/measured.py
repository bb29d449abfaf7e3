"""What a bench found: figures with what is asked of them, printed for a person and written as JSON."""

import json
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"

screen = Console(highlight=False)


class Figure(msgspec.Struct, frozen=True):
    """One measured figure; `least` or `most` is what is asked of it."""

    name: str
    value: float
    unit: str
    least: float | None = None
    most: float | None = None

    @property
    def holds(self) -> bool | None:
        """Whether it is as good as asked for; None where nothing is asked."""
        if self.least is None and self.most is None:
            return None
        return (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)


class Measured(msgspec.Struct, frozen=True):
    """One bench's figures, and all that they were made from."""

    name: str
    figures: list[Figure]
    differences: int | None
    """What `verify` found afterwards; None where there was nothing that it could prove."""
    details: dict[str, Any] = {}


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def show(measured: Measured) -> None:
    """The figures for a person."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim")
    table.add_column()
    for figure in measured.figures:
        asked = "" if figure.least is None else f"at least {_number(figure.least)}"
        asked = asked if figure.most is None else f"at most {_number(figure.most)}"
        mark = {None: "", True: "[green]✓[/green]", False: "[red]✗[/red]"}[figure.holds]
        table.add_row(figure.name, f"[bold]{_number(figure.value)}[/bold] {figure.unit}", asked, mark)
    screen.print(f"\n[bold]{measured.name}[/bold]")
    screen.print(table)
    if measured.differences is not None:
        color = "red" if measured.differences else "green"
        screen.print(f"[{color}]verify: {measured.differences:,} differences[/{color}]")


def write(all_measured: Sequence[Measured], conditions: dict[str, Any]) -> Path:
    """Write everything as one JSON document; where."""
    RESULTS.mkdir(exist_ok=True)
    at = datetime.now(UTC)
    path = RESULTS / f"{at:%Y%m%dT%H%M%SZ}.json"
    found = {"at": at.isoformat(), "conditions": conditions, "benches": msgspec.to_builtins(list(all_measured))}
    path.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    return path


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"
