"""The rejects file: rows that could not be used, as they stood, with the reason."""

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from billsmith.cli.importing.reading import BadRow, rows
from billsmith.errors import Invalid

ADDED_COLUMNS = ("rejected_row", "rejected_because", "rejected_text")


class RejectsNotWritable(Invalid):
    """A place where the rejects file can't be written."""

    code = "rejects_not_writable"


def rejects_path(file: Path, asked_for: Path | None) -> Path:
    """Where rejects go: as asked for, else beside the file, or here if that folder can't be written to.

    Raises RejectsNotWritable.
    """
    name = f"{file.name}.rejects.csv"
    path = asked_for or (file.parent / name if os.access(file.parent, os.W_OK) else Path(name))
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK) or path.is_dir():
        raise RejectsNotWritable(f"rejected rows can't be written to {path}; say where with --rejects FILE")
    if path.resolve() == file.resolve():
        raise RejectsNotWritable("rejected rows can't replace the file itself; say where with --rejects FILE")
    return path


def write_rejects(
    path: Path, columns: Sequence[str], document: int, refused: Mapping[str, str], bad: Mapping[int, str], to: Path
) -> Path:
    """Copy the rows of `refused` documents and the `bad` rows of `path` into the CSV file `to`, each with its reason.

    Mended, that file can be imported under the same name: the added columns are nobody's field.
    """
    kept = [position for position, column in enumerate(columns) if column not in ADDED_COLUMNS]
    with to.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([*(columns[position] for position in kept), *ADDED_COLUMNS])
        for row in rows(path, columns):
            if isinstance(row, BadRow):
                writer.writerow([*[""] * len(kept), row.number, row.reason, row.text])
                continue
            number, values = row
            reason = bad.get(number) or refused.get(values[document].strip())
            if reason is not None:
                writer.writerow([*(values[position] for position in kept), number, reason, ""])
    return to
