"""Which user of the operating system runs the server: ourselves, or as root an unprivileged one."""

import contextlib
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from billsmith.private_postgres.errors import FolderNotOurs, PostgresDidNotStart

if sys.platform != "win32":
    import pwd

# Everything else stays out: PG* variables would change what initdb, the server and psql do.
KEPT_VARIABLES = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "WINDIR")


@dataclass(frozen=True)
class Outcome:
    """How a program ended and all that it said."""

    status: int
    said: str


@dataclass(frozen=True)
class Account:
    """A user of the operating system; `switches` is true where that is not who we are."""

    name: str
    uid: int
    gid: int
    switches: bool

    def run(
        self,
        command: Sequence[str | Path],
        folder: Path,
        variables: Mapping[str, str] | None = None,
        script: str | None = None,
        descriptors: Sequence[int] = (),
    ) -> Outcome:
        """Run a program as this user inside `folder`, with a cleaned environment and `script` as its input.

        It inherits the open files `descriptors` and no others (none at all on Windows).

        Raises PostgresDidNotStart where the program can't be executed as this user.
        """
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        # A file, not a pipe: a server that outlives pg_ctl could keep a pipe open and us waiting.
        with tempfile.TemporaryFile() as output:
            try:
                done = subprocess.run(
                    [str(part) for part in command],
                    check=False,
                    cwd=folder,
                    env={**kept, "LC_ALL": "C", **(variables or {})},
                    input=(script or "").encode(),
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    user=self.uid if self.switches else None,
                    group=self.gid if self.switches else None,
                    extra_groups=[] if self.switches else None,
                    umask=0o077 if sys.platform != "win32" else -1,
                    pass_fds=descriptors if sys.platform != "win32" else (),
                )
            except OSError as refusal:
                message = f"{command[0]} can't be run as user {self.name}: {refusal}"
                raise PostgresDidNotStart(message) from refusal
            output.seek(0)
            return Outcome(done.returncode, output.read().decode(errors="replace").strip())

    def can_reach(self, path: Path) -> bool:
        """Whether this user may enter all folders above `path` and read `path` itself, judged by their modes."""
        if not self.switches:
            return True
        path = path.resolve()
        if not path.exists():
            return False
        wanted = 0o5 if path.is_dir() else 0o4
        return self._has_rights(path, wanted) and all(self._has_rights(parent, 0o1) for parent in path.parents)

    def _has_rights(self, path: Path, wanted: int) -> bool:
        found = path.stat()
        shift = 6 if found.st_uid == self.uid else 3 if found.st_gid == self.gid else 0
        return (found.st_mode >> shift) & wanted == wanted

    def give_folder(self, path: Path) -> None:
        """Make this user the owner of a folder we have just made."""
        if self.switches:
            with _opened(path, os.O_RDONLY | os.O_DIRECTORY) as folder:
                os.fchown(folder, self.uid, self.gid)

    def read(self, path: Path) -> str:
        """The text of a file of this user's. Raises FolderNotOurs if it is a link or another user's."""
        with _opened(path, os.O_RDONLY) as file:
            self._require_own(path, file)
            with os.fdopen(os.dup(file), encoding="utf-8") as text:
                return text.read()

    def append(self, path: Path, text: str) -> None:
        """Add to a file of this user's, on disk on return. Raises FolderNotOurs if it is a link or another user's."""
        with _opened(path, os.O_WRONLY | os.O_APPEND) as file:
            self._require_own(path, file)
            _write_out(file, text)

    def write(self, path: Path, text: str) -> None:
        """Write a file of this user's (0600), whole or not at all, on disk on return.

        Raises FolderNotOurs if the folder is another user's.
        """
        if sys.platform == "win32":
            self._write_anew(path.with_name(f"{path.name}.new"), path, text, None)
            return
        with _opened(path.parent, os.O_RDONLY | os.O_DIRECTORY) as folder:
            self._require_own(path.parent, folder)
            self._write_anew(Path(f"{path.name}.new"), Path(path.name), text, folder)

    def _write_anew(self, new: Path, final: Path, text: str, folder: int | None) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new, dir_fd=folder)
        opened = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder)
        try:
            if self.switches:
                os.fchown(opened, self.uid, self.gid)
            _write_out(opened, text)
        finally:
            os.close(opened)
        os.replace(new, final, src_dir_fd=folder, dst_dir_fd=folder)

    def _require_own(self, path: Path, opened: int) -> None:
        # As root we touch files in folders that another user may change: where a link or a second name leads
        # elsewhere, we must not write or read there with root's rights.
        if sys.platform != "win32" and os.fstat(opened).st_uid != self.uid:
            raise FolderNotOurs(f"{path} doesn't belong to user {self.name}, as whom the server runs.")

    def own_folder(self, path: Path) -> None:
        """Make the folder `path` (0700, this user's) if it isn't there.

        Raises FolderNotOurs if what is there is a link, another user's, or writable for others.
        """
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            pass
        except OSError as refusal:
            raise FolderNotOurs(f"The folder {path} can't be made: {refusal}.") from refusal
        if sys.platform == "win32":
            return
        found = path.lstat()
        if self.switches and stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
            self.give_folder(path)
            found = path.lstat()
        require_private(path, found, self.uid)


@contextlib.contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    """Raises FolderNotOurs if `path` is a link."""
    try:
        opened = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0))
    except OSError as refusal:
        if path.is_symlink():
            raise FolderNotOurs(f"{path} is a link; remove it and start again.") from refusal
        raise
    try:
        yield opened
    finally:
        os.close(opened)


def _write_out(opened: int, text: str) -> None:
    with os.fdopen(os.dup(opened), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def require_private(path: Path, found: os.stat_result, uid: int) -> None:
    """Raises FolderNotOurs unless `path` is a real folder of user `uid` that nobody else may write to."""
    if not stat.S_ISDIR(found.st_mode):
        raise FolderNotOurs(f"{path} is a link or a file, not a folder; remove it and start again.")
    if found.st_uid != uid:
        raise FolderNotOurs(f"The folder {path} belongs to user {found.st_uid}, not to {uid}; remove or give it back.")
    if found.st_mode & 0o022:
        raise FolderNotOurs(f"Others may write to the folder {path}; take that right away: chmod go-w {path}")


def is_root() -> bool:
    """Whether we are root, as whom PostgreSQL refuses to run."""
    return sys.platform != "win32" and os.geteuid() == 0


def current_account() -> Account:
    """Who we are."""
    if sys.platform == "win32":
        return Account(name=os.environ.get("USERNAME", ""), uid=-1, gid=-1, switches=False)
    return Account(name=str(os.geteuid()), uid=os.geteuid(), gid=os.getegid(), switches=False)


def unprivileged_account() -> Account:
    """The user `postgres` where there is one, else `nobody`. Raises PostgresDidNotStart if there is neither."""
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name=name, uid=found.pw_uid, gid=found.pw_gid, switches=True)
    raise PostgresDidNotStart("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody.")


def owner_of(folder: Path) -> Account | None:
    """As root: the unprivileged user whose folder that is; None where there is no folder or it is root's."""
    try:
        found = folder.lstat()
    except OSError:
        return None
    if found.st_uid == 0 or not stat.S_ISDIR(found.st_mode):
        return None
    try:
        known = pwd.getpwuid(found.st_uid)
    except KeyError:
        return Account(name=str(found.st_uid), uid=found.st_uid, gid=found.st_gid, switches=True)
    return Account(name=known.pw_name, uid=known.pw_uid, gid=known.pw_gid, switches=True)
