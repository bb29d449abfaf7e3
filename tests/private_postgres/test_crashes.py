"""After a kill, whoever it hit, the next start works and no committed row is lost."""

import select
import subprocess
from pathlib import Path

import pytest

from billsmith.private_postgres import PostgresDidNotStart
from billsmith.private_postgres import server as supervision
from billsmith.private_postgres.pid_file import NOBODYS_PROCESS, read_pid_file
from tests.private_postgres.stage import Stage, ask, await_true, kill, url_of


def make_row(url: str) -> None:
    ask(url, "CREATE TABLE kept AS SELECT 42 AS answer")


def test_a_killed_server_is_recovered_by_the_next_start_and_keeps_its_rows(stage: Stage) -> None:
    killed = stage.start()
    make_row(killed.url())
    kill(stage.postmaster)
    await_true(lambda: not stage.runs)
    assert read_pid_file(stage.placement.pgdata) is not None
    with stage.start() as server:
        assert ask(server.url(), "SELECT answer FROM kept") == 42
        killed.release()
        assert ask(server.url(), "SELECT answer FROM kept") == 42
    assert not stage.runs


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc to tell who a process is")
def test_a_pid_file_that_names_a_living_stranger_does_not_stop_a_start(stage: Stage) -> None:
    with stage.start() as server:
        make_row(server.url())
        kill(stage.postmaster)
        await_true(lambda: not stage.runs)
    pid_file = stage.placement.pgdata / "postmaster.pid"
    account = stage.placement.account
    # The server's own user, whose processes PostgreSQL would take for a server.
    with subprocess.Popen(["sleep", "60"], user=account.uid if account.switches else None) as stranger:
        # Both in the data folder and beside the socket.
        for file in (pid_file, stage.placement.sockets / ".s.PGSQL.5432.lock"):
            file.write_text("\n".join([str(stranger.pid), *file.read_text().splitlines()[1:]]) + "\n")
        try:
            with stage.start() as server:
                assert ask(server.url(), "SELECT answer FROM kept") == 42
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_a_server_that_is_still_starting_is_waited_for(stage: Stage) -> None:
    with stage.start() as server:
        make_row(server.url())
        postmaster = stage.postmaster
        pid_file = server.data_directory / "postmaster.pid"
        ready = pid_file.read_text()
        pid_file.write_text(ready.replace("ready   ", "starting"))
        user = stage.start_user()
        assert user.stdout is not None
        assert select.select([user.stdout], [], [], 1) == ([], [], [])
        pid_file.write_text(ready)
        assert ask(url_of(user), "SELECT answer FROM kept") == 42
        assert stage.postmaster == postmaster


def test_a_half_made_cluster_is_thrown_away(stage: Stage) -> None:
    storage = stage.placement.storage
    half = storage / "making-crashed" / "data"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    storage.chmod(0o700)
    with stage.start() as server:
        assert ask(server.url(), "SELECT 1") == 1
        assert not half.exists()


def test_a_kill_in_the_middle_of_making_the_cluster_is_made_good_by_the_next_start(stage: Stage) -> None:
    user = stage.start_user()
    storage = stage.placement.storage
    await_true(lambda: any(storage.glob("making-*/data/PG_VERSION")))
    kill(user.pid)
    user.wait()
    assert not stage.placement.cluster.exists()
    with stage.start() as server:
        assert ask(server.url(), "SELECT 1") == 1


def test_no_second_server_is_started_on_data_whose_server_is_out_of_reach(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "ORPHANS_TIMEOUT_SECONDS", 0.3)
    with stage.start() as first:
        make_row(first.url())
        # As seen from another container on the same volume: no socket, and a process number that means nothing.
        pid_file, away = stage.placement.pgdata / "postmaster.pid", stage.placement.sockets / "away"
        listening, said = stage.placement.sockets / ".s.PGSQL.5432", pid_file.read_text()
        listening.rename(away)
        pid_file.write_text("\n".join([str(NOBODYS_PROCESS), *said.splitlines()[1:]]) + "\n")
        with pytest.raises(PostgresDidNotStart, match=r"another container.*DATABASE_URL"):
            stage.start()
        pid_file.write_text(said)
        away.rename(listening)
        assert ask(first.url(), "SELECT answer FROM kept") == 42
    assert not stage.runs


def test_a_cluster_without_its_version_is_not_used_and_not_replaced(stage: Stage) -> None:
    stage.start().release()
    (stage.placement.pgdata / "PG_VERSION").unlink()
    with pytest.raises(PostgresDidNotStart, match="not a whole PostgreSQL data folder"):
        stage.start()
    assert (stage.placement.pgdata / "base").is_dir()
