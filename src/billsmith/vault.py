"""The vault: secrets of tenants, such as gateway credentials, are stored sealed and opened only to be used.

The first key seals, all of them open: to change keys, put a new one in front, reseal what needs it, drop the old one.
"""

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from billsmith.errors import Invalid, Unavailable

_KEPT_APART = b"\x00"


class SecretKeysInvalid(Invalid):
    """Keys that can't be used, or a file of them that others can read."""

    code = "secret_keys_invalid"


class SecretNotOpenable(Unavailable):
    """A sealed secret that none of the keys opens, or that was sealed for something else."""

    code = "secret_not_openable"


class Vault:
    """Seals and opens with keys of `new_key`. It never shows them."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Raises SecretKeysInvalid when there is no key, or one that is no key."""
        try:
            fernets = [Fernet(key) for key in keys]
        except ValueError:
            # The key itself is in neither the message nor a cause that a log would print.
            raise SecretKeysInvalid("a secret key is 32 bytes as 44 characters of URL-safe base64") from None
        if not fernets:
            raise SecretKeysInvalid("there is no secret key")
        self._newest = fernets[0]
        self._all = MultiFernet(fernets)

    def seal(self, secret: bytes, owner: str) -> bytes:
        """The secret, sealed for its owner (the id of what it belongs to): moved to another row, it won't open."""
        return self._newest.encrypt(_bound(owner) + secret)

    def open(self, sealed: bytes, owner: str) -> bytes:
        """The secret. Raises SecretNotOpenable."""
        try:
            opened = self._all.decrypt(sealed)
        except InvalidToken:
            raise SecretNotOpenable(
                "a stored secret can't be opened with any of the secret keys; was a key dropped too early?"
            ) from None
        bound = _bound(owner)
        if not opened.startswith(bound):
            raise SecretNotOpenable("a stored secret belongs to something else")
        return opened[len(bound) :]

    def needs_resealing(self, sealed: bytes) -> bool:
        """Whether it was sealed with a key that is to be dropped."""
        try:
            self._newest.decrypt(sealed)
        except InvalidToken:
            return True
        return False

    def __repr__(self) -> str:
        return "Vault()"


def new_key() -> str:
    """A fresh key: 256 random bits."""
    return Fernet.generate_key().decode()


def keys_in_text(text: str) -> tuple[str, ...]:
    """Keys separated by commas or white space, the newest first."""
    return tuple(text.replace(",", " ").split())


def keys_in_file(path: Path) -> tuple[str, ...]:
    """The keys in a file that only its owner can read; made with one key when it is not there.

    Any number of processes may come first: they all get the same key. Raises SecretKeysInvalid.
    """
    if not path.exists():
        _make_file(path)
    if sys.platform != "win32" and path.stat().st_mode & 0o077:
        raise SecretKeysInvalid(f"{path} can be read by others; say chmod 600 {path}")
    return keys_in_text(path.read_text())


def _make_file(path: Path) -> None:
    """Written whole under another name, and only then given its own: nobody reads half a key, or loses theirs."""
    written = path.with_name(f"{path.name}.{os.getpid()}")
    opened = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(opened, f"{new_key()}\n".encode())
        os.fsync(opened)
    finally:
        os.close(opened)
    try:
        with contextlib.suppress(FileExistsError):
            os.link(written, path)
    finally:
        written.unlink()


def _bound(owner: str) -> bytes:
    assert "\x00" not in owner, "an owner is an id"
    return owner.encode() + _KEPT_APART
