"""The vault: what is sealed opens with any key that is still there, for its owner only; the key file is private."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from billsmith.vault import SecretKeysInvalid, SecretNotOpenable, Vault, keys_in_file, keys_in_text, new_key

OLD, NEW = new_key(), new_key()
SECRET = b"sk_live_5"


def test_a_secret_comes_back_and_its_seal_shows_nothing_of_it() -> None:
    vault = Vault([NEW])
    sealed = vault.seal(SECRET, "acc_1")
    assert vault.open(sealed, "acc_1") == SECRET
    assert SECRET not in sealed
    assert vault.seal(SECRET, "acc_1") != sealed


@pytest.mark.parametrize("secret", [b"", b"\x00", bytes(range(256)), b"x" * 100_000])
def test_any_bytes_can_be_a_secret(secret: bytes) -> None:
    vault = Vault([NEW])
    assert vault.open(vault.seal(secret, "acc_1"), "acc_1") == secret


def test_keys_are_changed_without_losing_a_secret() -> None:
    sealed = Vault([OLD]).seal(SECRET, "acc_1")
    both = Vault([NEW, OLD])
    assert both.open(sealed, "acc_1") == SECRET
    assert both.needs_resealing(sealed)
    resealed = both.seal(both.open(sealed, "acc_1"), "acc_1")
    assert not both.needs_resealing(resealed)
    assert Vault([NEW]).open(resealed, "acc_1") == SECRET
    with pytest.raises(SecretNotOpenable):
        Vault([NEW]).open(sealed, "acc_1")


def test_a_secret_moved_to_another_owner_does_not_open() -> None:
    vault = Vault([NEW])
    sealed = vault.seal(SECRET, "acc_1")
    for owner in ("acc_2", "acc_", "acc_11", ""):
        with pytest.raises(SecretNotOpenable):
            vault.open(sealed, owner)


def test_a_seal_that_was_touched_does_not_open() -> None:
    vault = Vault([NEW])
    sealed = vault.seal(SECRET, "acc_1")
    for touched in (sealed[:-8], sealed[:20] + b"A" + sealed[21:] if sealed[20:21] != b"A" else b"", b"", b"\xff"):
        with pytest.raises(SecretNotOpenable):
            vault.open(touched, "acc_1")


@pytest.mark.parametrize("keys", [(), ("short",), (NEW, NEW[:-1]), ("é" * 44,)])
def test_what_is_no_key_is_refused_without_being_shown(keys: tuple[str, ...]) -> None:
    with pytest.raises(SecretKeysInvalid) as raised:
        Vault(keys)
    assert all(key not in str(raised.value) for key in keys)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


def test_a_vault_never_shows_its_keys() -> None:
    assert repr(Vault([NEW])) == "Vault()"


@pytest.mark.parametrize(
    "text", [f"{NEW},{OLD}", f" {NEW} , {OLD}\n", f"{NEW}\n{OLD}\n"], ids=["comma", "spaces", "lines"]
)
def test_keys_are_read_newest_first(text: str) -> None:
    assert keys_in_text(text) == (NEW, OLD)


def test_the_key_file_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "secret-keys"
    keys = keys_in_file(path)
    assert keys_in_file(path) == keys
    assert Vault(keys).open(Vault(keys).seal(SECRET, "acc_1"), "acc_1") == SECRET
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret-keys"
    keys_in_file(path)
    path.chmod(0o640)
    with pytest.raises(SecretKeysInvalid, match="chmod 600"):
        keys_in_file(path)


def test_processes_that_start_together_share_one_key(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys; from billsmith.vault import keys_in_file; print(*keys_in_file(pathlib.Path(sys.argv[1])))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "secret-keys")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    assert len({process.communicate()[0] for process in running}) == 1
