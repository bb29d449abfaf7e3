"""The rejects file: rows that could not be used, as they stood, with the reason."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from billsmith.cli.importing.reading import BadRow, rows


def write_rejects(path: Path, columns: Sequence[str], rejected: Mapping[int, str], to: Path) -> Path:
    """Copy the rejected rows of `path` into the CSV file `to`, which can be mended and imported again."""
    with to.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([*columns, "rejected_row", "rejected_because"])
        for row in rows(path, columns):
            if isinstance(row, BadRow):
                writer.writerow([*[""] * len(columns), row.number, row.reason])
            elif row[0] in rejected:
                writer.writerow([*row[1], row[0], rejected[row[0]]])
    return to
