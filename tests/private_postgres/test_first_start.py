"""What a first start makes: a cluster with our settings that only its owner can read."""

import stat
import subprocess
from pathlib import Path

import asyncpg
import pytest

from billsmith.private_postgres import FolderNotOurs, PostgresDidNotStart, find_binaries
from billsmith.private_postgres.settings import quoted, settings_text, shared_buffers_mb
from tests.private_postgres.stage import Stage, ask

GIB = 1024**3


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_first_start_gives_a_database_to_connect_to(stage: Stage) -> None:
    with stage.start() as server:
        assert server.version == find_binaries().version
        assert ask(server.url(), "SELECT current_database() || ' ' || current_user") == "billsmith billsmith"
        assert ask(server.url("postgres"), "SELECT current_database()") == "postgres"
        assert ask(server.url(), "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is True
    assert not stage.runs


def test_a_url_can_act_as_another_role(used_stage: Stage) -> None:
    with used_stage.start() as server:
        ask(server.url(), 'CREATE ROLE "odd one"')
        assert ask(server.url(role="odd one"), "SELECT current_user || ', ' || session_user") == "odd one, billsmith"
        psql = [str(find_binaries().program("psql")), "-XAt", "-c", "SELECT current_user", server.url(role="odd one")]
        assert subprocess.run(psql, check=True, capture_output=True, text=True).stdout == "odd one\n"
        ask(server.url(), 'DROP ROLE "odd one"')


def test_the_url_does_not_depend_on_the_environment(used_stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGPORT": "1", "PGHOST": "nowhere", "PGUSER": "nobody", "PGDATA": "/nowhere"}.items():
        monkeypatch.setenv(name, value)
    with used_stage.start() as server:
        assert ask(server.url(), "SELECT 1") == 1


def test_the_settings_are_in_force_and_what_is_committed_is_safe(used_stage: Stage) -> None:
    wanted = {
        "max_wal_size": "8GB",
        "wal_compression": "pglz",
        "jit": "off",
        "random_page_cost": "1.1",
        "max_connections": "200",
        "fsync": "on",
        "synchronous_commit": "on",
        "listen_addresses": "",
        "server_encoding": "UTF8",
        "data_checksums": "on",
        "password_encryption": "scram-sha-256",
    }
    with used_stage.start() as server:
        assert {name: ask(server.url(), f"SHOW {name}") for name in wanted} == wanted
        locale = ask(server.url(), "SELECT coalesce(to_jsonb(d)->>'datlocale', datcollate) FROM pg_database d LIMIT 1")
        assert locale == "C.UTF-8"


def test_settings_are_written_anew_on_every_start(used_stage: Stage) -> None:
    with used_stage.start() as server:
        ours = server.data_directory / "billsmith.conf"
        ours.write_text("max_connections = 7\n")
    with used_stage.start() as server:
        assert ask(server.url(), "SHOW max_connections") == "200"


@pytest.mark.parametrize(
    ("memory", "megabytes"), [(6 * GIB, 1024), (24 * GIB, 4096), (999 * GIB, 8192), (GIB // 64, 32)]
)
def test_shared_buffers_are_a_sixth_of_memory_within_bounds(memory: int, megabytes: int) -> None:
    assert shared_buffers_mb(memory) == megabytes


def test_without_unix_sockets_the_server_listens_on_the_loopback_address_only() -> None:
    text = settings_text(None, 54321, GIB)
    assert "listen_addresses = '127.0.0.1'\n" in text
    assert "port = '54321'\n" in text
    assert quoted(r"it's a \ path") == r"'it''s a \\ path'"


def test_only_the_owner_can_read_what_is_stored(used_stage: Stage) -> None:
    with used_stage.start() as server:
        placement = used_stage.placement
        assert mode(placement.password_file) == 0o600
        assert mode(server.data_directory) == 0o700
        assert mode(placement.cluster) == mode(placement.storage) == mode(placement.sockets) == 0o700
        assert mode(placement.log) == 0o600
        rules = (server.data_directory / "pg_hba.conf").read_text().splitlines()
        methods = {line.split()[-1] for line in rules if line and not line.startswith("#")}
        assert methods == {"scram-sha-256"}


def test_a_wrong_password_is_refused(used_stage: Stage) -> None:
    with used_stage.start() as server:
        password = used_stage.placement.password_file.read_text().strip()
        assert len(password) >= 40
        with pytest.raises(asyncpg.InvalidPasswordError):
            ask(server.url().replace(password, "wrong"), "SELECT 1")


def test_a_home_with_a_long_and_odd_name_still_gets_a_short_socket(stage: Stage) -> None:
    stage.home = stage.home / ("long " * 20 + "$HOME 'quote") / ("deep" * 20)
    stage.home.mkdir(parents=True)
    assert len(str(stage.home)) > 107
    with stage.start() as server:
        assert len(str(stage.placement.sockets / ".s.PGSQL.5432")) < 107
        assert ask(server.url(), "SELECT 1") == 1


def test_a_planted_socket_folder_is_not_trusted(stage: Stage) -> None:
    sockets = stage.placement.sockets
    sockets.symlink_to(stage.system_folder)
    try:
        with pytest.raises(FolderNotOurs, match="is a link"):
            stage.start()
    finally:
        sockets.unlink()
    sockets.mkdir()
    sockets.chmod(0o777)
    with pytest.raises(FolderNotOurs, match="chmod go-w"):
        stage.start()
    assert mode(sockets) == 0o777


def test_a_server_that_can_not_start_says_why(used_stage: Stage) -> None:
    used_stage.start().release()
    (used_stage.placement.pgdata / "postgresql.auto.conf").write_text("work_mem = 'a lot'\n")
    with pytest.raises(PostgresDidNotStart, match="work_mem") as refusal:
        used_stage.start()
    assert refusal.value.code == "postgres_did_not_start"
    assert not used_stage.runs
    (used_stage.placement.pgdata / "postgresql.auto.conf").write_text("")
    with used_stage.start() as server:
        assert ask(server.url(), "SELECT 1") == 1
