"""`migrate` and `doctor`: what they say and do on good databases and on every kind of bad one."""

import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from typer.testing import CliRunner, Result

from billsmith import private_postgres
from billsmith.cli.main import app
from billsmith.private_postgres.account import is_root, unprivileged_account
from billsmith.store import migrations, pool
from tests.cli.program import folder_for_everybody
from tests.private_postgres.stage import ask as sql

ALL = [path.name for path in sorted(migrations.FOLDER.glob("*.sql"))]
Run = Callable[..., Result]
NewLogin = Callable[..., str]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Types a command with these variables set."""
    for name in ("DATABASE_URL", "MIGRATE_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)

    def typed(*args: str, **environment: str) -> Result:
        return CliRunner().invoke(
            app, args, env={"BILLSMITH_HOME": str(tmp_path), "BILLSMITH_PORT": "0", **environment}
        )

    return typed


def as_login(url: str, name: str) -> str:
    """The same database for another login, whose password is its name."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{name}:{name}@{parts.netloc.rpartition('@')[2]}"))


def words(text: str) -> str:
    """The text without the line breaks of a narrow screen."""
    return " ".join(text.split())


def make_login(url: str, kind: str, *further: str) -> str:
    """A login without rights, to whom `further` statements may give some; its name is `{login}` in them."""
    name = f"{kind}_{urlsplit(url).path[1:]}"
    for statement in (f"CREATE ROLE {name} LOGIN PASSWORD '{name}'", *further):
        sql(url, statement.format(login=name, database=urlsplit(url).path[1:]))
    return name


@pytest.fixture
def new_login() -> Iterator[NewLogin]:
    """`make_login`; what it makes is gone after the test, for the server stays."""
    made: list[tuple[str, str]] = []

    def make(url: str, kind: str, *further: str) -> str:
        made.append((url, make_login(url, kind, *further)))
        return made[-1][1]

    yield make
    for url, name in made:
        for statement in ("REASSIGN OWNED BY {} TO CURRENT_USER", "DROP OWNED BY {}", "DROP ROLE {}"):
            sql(url, statement.format(name))


OWNS = "ALTER DATABASE {database} OWNER TO {login}"


def failed_checks(result: Result) -> dict[str, dict[str, str]]:
    """What doctor found wrong, by name."""
    found = json.loads(result.stdout)
    bad = {check["name"]: check for check in found["checks"] if not check["ok"]}
    assert found["ok"] == (not bad) == (result.exit_code == 0)
    assert all(check["remedy"] for check in bad.values())
    return bad


# ------------------------------------------------------------------------------------------------------------- migrate


def test_it_says_what_it_applied_and_the_second_time_that_nothing_was_to_do(run: Run, empty_database: str) -> None:
    missing = run("migrate", "--check", "--json", DATABASE_URL=empty_database)
    assert (missing.exit_code, json.loads(missing.stdout)) == (1, {"applied": [], "pending": ALL})
    first = run("migrate", DATABASE_URL=empty_database)
    assert first.exit_code == 0
    assert all(f"applied {name}" in first.stdout for name in ALL)
    second = run("migrate", "--json", DATABASE_URL=empty_database)
    assert (second.exit_code, json.loads(second.stdout)) == (0, {"applied": [], "pending": []})
    assert run("migrate", "--check", DATABASE_URL=empty_database).exit_code == 0


def test_an_owner_who_may_not_grant_the_role_is_told_what_to_run(
    run: Run, empty_database: str, new_login: NewLogin
) -> None:
    login = new_login(empty_database, "owner", OWNS)
    url = as_login(empty_database, login)
    refused = run("migrate", DATABASE_URL=url)
    assert refused.exit_code == 1
    assert f'GRANT billsmith_program TO "{login}"' in words(refused.stderr)
    sql(empty_database, f'GRANT billsmith_program TO "{login}"')
    assert run("migrate", DATABASE_URL=url).exit_code == 0
    assert run("tenant", "list", DATABASE_URL=url).exit_code == 0
    assert failed_checks(run("doctor", "--json", DATABASE_URL=url)) == {}


def test_a_login_that_may_not_make_tables_is_told_so(run: Run, empty_database: str, new_login: NewLogin) -> None:
    login = new_login(empty_database, "guest", "GRANT billsmith_program TO {login}")
    refused = run("migrate", DATABASE_URL=as_login(empty_database, login))
    assert refused.exit_code == 1
    assert "MIGRATE_DATABASE_URL" in refused.stderr


def test_with_two_urls_the_owner_migrates_and_the_programs_login_gets_the_role(
    run: Run, empty_database: str, new_login: NewLogin
) -> None:
    login = new_login(empty_database, "program")
    urls = {"DATABASE_URL": as_login(empty_database, login), "MIGRATE_DATABASE_URL": empty_database}
    unusable = run("tenant", "list", **urls)
    assert unusable.exit_code == 1
    assert "run `billsmith migrate`" in words(unusable.stderr)
    assert set(failed_checks(run("doctor", "--json", **urls))) == {"migrations", "role"}
    assert run("migrate", **urls).exit_code == 0
    assert run("tenant", "list", **urls).exit_code == 0
    assert failed_checks(run("doctor", "--json", **urls)) == {}


def test_where_the_role_is_missing_it_is_made_or_the_owner_is_told_what_to_run(run: Run, home: Path) -> None:
    with private_postgres.start(home) as server:
        login = make_login(server.url(), "owner", OWNS)
        url = as_login(server.url(), login)
        refused = run("migrate", DATABASE_URL=url)
        assert refused.exit_code == 1
        assert f'CREATE ROLE billsmith_program NOLOGIN; GRANT billsmith_program TO "{login}";' in words(refused.stderr)
        sql(server.url(), f"ALTER ROLE {login} CREATEROLE")
        assert run("migrate", DATABASE_URL=url).exit_code == 0
        assert run("tenant", "list", DATABASE_URL=url).exit_code == 0


def test_a_changed_migration_is_named(run: Run, database: str) -> None:
    sql(database, f"UPDATE schema_migrations SET checksum = 'other' WHERE name = '{ALL[0]}'")
    refused = run("migrate", DATABASE_URL=database)
    assert refused.exit_code == 1
    assert f"migration {ALL[0]} was changed" in words(refused.stderr)
    assert set(failed_checks(run("doctor", "--json", DATABASE_URL=database))) == {"database"}


def test_an_old_server_is_refused(run: Run, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "OLDEST_MAJOR", 99)
    for command in (("migrate",), ("tenant", "list")):
        refused = run(*command, DATABASE_URL=database)
        assert refused.exit_code == 1
        assert "Billsmith needs 99 or newer" in words(refused.stderr)
    assert failed_checks(run("doctor", "--json", DATABASE_URL=database))["database"]["remedy"] == "use a newer server"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://ada:hush-hush@127.0.0.1:1/bills", "can't be reached"),
        ("postgresql://ada:hush-hush@127.0.0.1:no/bills", "can't be read"),
        ("mysql://ada:hush-hush@127.0.0.1/bills", "can't be read"),
        ("postgresql://ada:hush-hush/@127.0.0.1/bills", "can't be read"),
    ],
)
def test_a_url_that_leads_nowhere_is_told_without_its_password(run: Run, url: str, said: str) -> None:
    for command in (("migrate",), ("tenant", "list"), ("doctor",)):
        refused = run(*command, DATABASE_URL=url)
        assert refused.exit_code == 1
        assert said in words(refused.output)
        assert "hush" not in refused.output


# -------------------------------------------------------------------------------------------------------------- doctor


def test_on_a_good_database_everything_is_ticked(run: Run, database: str) -> None:
    result = run("doctor", DATABASE_URL=database)
    assert result.exit_code == 0, result.output
    for name in ("python", "time zones", "settings", "port", "database", "migrations", "role", "clock"):
        assert f"✓ {name}" in result.stdout
    assert "✗" not in result.stdout


def test_before_the_first_command_nothing_is_made(run: Run, tmp_path: Path) -> None:
    result = run("doctor", "--json", BILLSMITH_HOME=str(tmp_path / "home"))
    assert failed_checks(result) == {}
    assert "not made yet" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_bad_setting_is_named(run: Run) -> None:
    bad = failed_checks(run("doctor", "--json", BILLSMITH_POOL_SIZE="many"))
    assert "BILLSMITH_POOL_SIZE is 'many'" in bad["settings"]["said"]


def test_a_taken_port_is_named(run: Run, database: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        bad = failed_checks(run("doctor", "--json", DATABASE_URL=database, BILLSMITH_PORT=port))
    assert set(bad) == {"port"}


def test_a_database_that_is_not_migrated_is_told_with_what_to_run(run: Run, empty_database: str) -> None:
    bad = failed_checks(run("doctor", "--json", DATABASE_URL=empty_database))
    assert bad["migrations"]["remedy"] == "run `billsmith migrate`"
    assert ALL[0] in bad["migrations"]["said"]


def test_data_of_another_major_version_is_told_with_the_way_out(run: Run, lone_home: Path) -> None:
    data = lone_home / "postgres" / "cluster" / "data"
    data.mkdir(parents=True, mode=0o700)
    (data / "PG_VERSION").write_text("14\n")
    as_the_servers(lone_home / "postgres", 0o700)
    bad = failed_checks(run("doctor", "--json", BILLSMITH_HOME=str(lone_home)))
    assert set(bad) == {"postgresql"}
    assert "install PostgreSQL 14 as well" in bad["postgresql"]["remedy"]
    assert "pg_dumpall" in bad["postgresql"]["remedy"]


def test_a_folder_that_others_may_look_into_is_told(run: Run, lone_home: Path) -> None:
    storage = lone_home / "postgres"
    storage.mkdir()
    as_the_servers(storage, 0o755)
    bad = failed_checks(run("doctor", "--json", BILLSMITH_HOME=str(lone_home)))
    assert bad["folder"]["remedy"] == f"take that right away: chmod 700 {storage}"


def as_the_servers(storage: Path, mode: int) -> None:
    """Give the folder to the user as whom the server runs."""
    storage.chmod(mode)
    if is_root():
        os.chown(storage, unprivileged_account().uid, unprivileged_account().gid)


@pytest.fixture
def lone_home() -> Iterator[Path]:
    """A folder in which a private server could be, owned by whom it runs as."""
    folder = folder_for_everybody()
    yield folder
    shutil.rmtree(folder)
