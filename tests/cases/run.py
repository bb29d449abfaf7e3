"""The referee: `python -m tests.cases.run PATH… [--json OUT] [--filter TEXT]` runs any file of the formats it knows."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from tests.cases.formats import Format, format_of
from tests.cases.report import Ruling, Unreadable, as_json, lines_of, load_deviations, ruled, summary


def run_file(path: Path, filter_: str = "") -> list[Ruling]:
    """What became of a file's cases, in their order within each format. Raises Unreadable."""
    try:
        document: Any = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise Unreadable(f"{path}: {error}") from error
    cases = document.get("cases") if isinstance(document, dict) else document
    if not isinstance(cases, list) or not all(isinstance(one, dict) and "id" in one for one in cases):
        raise Unreadable(f"{path}: this is no list of cases with ids")
    deviations = load_deviations()
    rulings: list[Ruling] = []
    for format_, together in _by_format([one for one in cases if filter_ in one["id"]]):
        verdicts = format_.run(together)
        rulings += [ruled(path.name, format_.name, one, deviations) for one in verdicts]
    return rulings


def _by_format(cases: Sequence[dict[str, Any]]) -> list[tuple[Format, list[dict[str, Any]]]]:
    found: dict[str, tuple[Format, list[dict[str, Any]]]] = {}
    for case in cases:
        format_ = format_of(case)
        found.setdefault(format_.name, (format_, []))[1].append(case)
    return list(found.values())


def main(
    paths: Annotated[list[Path], typer.Argument(help="Files of cases.")],
    json: Annotated[Path | None, typer.Option(help="Write what became of each there, too.")] = None,
    filter: Annotated[str, typer.Option(help="Only cases whose id has this in it.")] = "",
) -> None:
    """Run the referee's cases through the engine."""
    rulings = []
    for path in paths:
        try:
            rulings += run_file(path, filter)
        except Unreadable as error:
            print(error, file=sys.stderr)
            raise typer.Exit(2) from error
    for ruling in rulings:
        for line in lines_of(ruling):
            print(line)
    for line in summary(rulings):
        print(line)
    if json is not None:
        json.write_bytes(as_json(rulings))
    raise typer.Exit(any(one.status == "failed" for one in rulings))


if __name__ == "__main__":
    typer.run(main)
