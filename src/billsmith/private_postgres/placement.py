"""Where the server keeps its things and as whom it runs."""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

from billsmith.private_postgres.account import (
    Account,
    current_account,
    is_root,
    owner_of,
    require_private,
    unprivileged_account,
)
from billsmith.private_postgres.errors import FolderNotOurs

SYSTEM_FOLDER = Path("/var/lib/billsmith")
# Not under home and not TMPDIR: the path of a Unix socket holds 107 bytes, and every command must find the same one.
SOCKET_PARENT = Path("/tmp")  # noqa: S108 - the folder below it is ours, 0700, and checked before use


@dataclass(frozen=True)
class Placement:
    """The folder `storage` (locks and cluster), the folder of the socket, and the user who owns both."""

    account: Account
    storage: Path
    sockets: Path
    system_folder: Path

    @property
    def cluster(self) -> Path:
        """What initdb made, in its final place: the password, the log and the data folder."""
        return self.storage / "cluster"

    @property
    def pgdata(self) -> Path:
        """PostgreSQL's own folder."""
        return self.cluster / "data"

    @property
    def password_file(self) -> Path:
        """The password of the role billsmith, 0600."""
        return self.cluster / "password"

    @property
    def log(self) -> Path:
        """What the server said since its last start."""
        return self.cluster / "server.log"

    @property
    def users_lock(self) -> Path:
        """Held, shared, by every user of the server."""
        return self.storage / "users.lock"

    @property
    def server_lock(self) -> Path:
        """Held by the server's own processes for as long as one of them lives, wherever that is."""
        return self.storage / "server.lock"

    @property
    def change_lock(self) -> Path:
        """Held by the one who starts or stops the server."""
        return self.storage / "change.lock"

    def prepare(self) -> None:
        """Make the folders that are missing and check those that are there. Raises FolderNotOurs."""
        self.account.own_folder(self.storage)
        if sys.platform != "win32":
            self.account.own_folder(self.sockets)


def place(home: Path, system_folder: Path = SYSTEM_FOLDER) -> Placement:
    """Where the server of `home` is: under `home`, or as root in `system_folder` if its user can't get to `home`.

    Existing storage stays where it is and with the user it belongs to. Raises FolderNotOurs.
    """
    home = home.expanduser().resolve()
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as refusal:
        raise FolderNotOurs(f"The folder {home} can't be made: {refusal}.") from refusal
    key = hashlib.sha256(str(home).encode()).hexdigest()[:12]
    account, storage = current_account(), home / "postgres"
    if is_root():
        account, storage = _place_as_root(home, system_folder / key)
    return Placement(account, storage, SOCKET_PARENT / f"billsmith-{account.uid}-{key}", system_folder)


def _place_as_root(home: Path, apart: Path) -> tuple[Account, Path]:
    inside = home / "postgres"
    for storage in (apart, inside):
        owner = owner_of(storage)
        if owner is not None:
            # Starting a second, empty cluster elsewhere would look like lost data.
            if not owner.can_reach(storage):
                raise FolderNotOurs(f"User {owner.name} owns {storage} but can't get there; open the folders above it.")
            return owner, storage
    account = unprivileged_account()
    if account.can_reach(home):
        return account, inside
    open_system_folder(apart.parent)
    return account, apart


def open_system_folder(folder: Path) -> None:
    """Make root's folder that everybody may enter, unless it is there. Raises FolderNotOurs if root doesn't own it."""
    try:
        folder.mkdir(mode=0o755, parents=True)
        folder.chmod(0o755)  # the umask may have narrowed what we made; what was there stays as it is
    except FileExistsError:
        pass
    except OSError as refusal:
        raise FolderNotOurs(f"The folder {folder} can't be made: {refusal}.") from refusal
    require_private(folder, folder.lstat(), 0)
