"""Programs on a private server: shared by all, recovered after kills, waited for while it is away."""

import json
import os
import pwd
import signal
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from billsmith import private_postgres
from billsmith.private_postgres import find_binaries
from billsmith.private_postgres.account import Account
from billsmith.private_postgres.pid_file import read_pid_file
from billsmith.private_postgres.placement import place
from billsmith.private_postgres.server import Supervisor
from tests.cli.conftest import StartProgram, new_key
from tests.cli.program import Program, ask, await_true, folder_for_everybody

if sys.platform == "win32":
    pytest.skip("signals and kills are POSIX's", allow_module_level=True)


def postmaster(home: Path) -> int:
    said = read_pid_file(place(home).pgdata)
    assert said is not None
    return int(said.lines[0])


def runs(home: Path) -> bool:
    return Supervisor(place(home), find_binaries()).answers()


def test_two_that_are_started_at_once_share_one_server_also_after_a_kill(start: StartProgram, home: Path) -> None:
    first, second = start("serve"), start("serve")
    assert ask(f"{first.url}/readyz").status == ask(f"{second.url}/readyz").status == 200
    server = postmaster(home)
    first.tell(signal.SIGKILL)
    first.end()
    assert ask(f"{second.url}/readyz").status == 200
    third = start("serve")
    assert ask(f"{third.url}/readyz").status == 200
    assert postmaster(home) == server
    assert second.stop() == third.stop() == 0
    assert not runs(home)


def test_the_last_one_killed_leaves_a_server_that_the_next_one_takes_over_and_stops(
    start: StartProgram, home: Path
) -> None:
    killed = start("serve")
    assert killed.url
    killed.tell(signal.SIGKILL)
    killed.end()
    assert runs(home)
    made = start("tenant", "create", "Steve's Cloud", "--json", BILLSMITH_LOG_FORMAT="console")
    assert made.end() == 0
    assert json.loads(made.output)["key"]["secret"].startswith("sk_live_")
    assert not runs(home)


async def test_while_the_database_is_away_requests_get_503_and_all_goes_on_when_it_is_back(
    start: StartProgram, home: Path
) -> None:
    program = start("serve")
    assert program.url
    with private_postgres.start(home) as server:
        key = await new_key(server.url())
        customers = f"{program.url}/v1/customers"
        assert ask(customers, key=key).status == 200
        os.kill(postmaster(home), signal.SIGKILL)
        await_true(lambda: not runs(home), program)
        for method in ({}, {"body": {"name": "Ada"}, "headers": {"Idempotency-Key": "one"}}):
            refused = ask(customers, key=key, **method)
            assert (refused.status, refused.headers["Content-Type"]) == (503, "application/problem+json")
            assert json.loads(refused.body)["code"] == "database_unavailable"
        assert ask(f"{program.url}/readyz").status == 503
        assert ask(f"{program.url}/livez").status == 200
        program.event("sweep failed")
    with private_postgres.start(home) as server:
        await_true(lambda: ask(f"{program.url}/readyz").status == 200, program)
        again = {"body": {"name": "Ada"}, "headers": {"Idempotency-Key": "one"}}
        made = ask(customers, key=key, **again)
        assert made.status == 201
        await_true(lambda: bool(json.loads(ask(f"{program.url}/v1/events?limit=9", key=key).body)["data"]), program)
        program.event("sweep works again")
        password = urlsplit(server.url()).password
    assert program.stop() == 0
    assert password
    assert password not in program.output
    assert "Traceback" not in program.output, program.output


@pytest.mark.skipif(os.geteuid() != 0, reason="where the tests are not run as root, all of them show this")
def test_it_runs_as_a_user_without_rights_as_well() -> None:
    nobody = pwd.getpwnam("nobody")
    if not Account("nobody", nobody.pw_uid, nobody.pw_gid, switches=True).can_reach(Path(sys.executable)):
        pytest.skip("Python is out of reach for the user nobody")
    home = folder_for_everybody()
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    environment = {"BILLSMITH_HOME": str(home), "HOME": str(home)}
    program = Program("serve", environment=environment, user=nobody.pw_uid)
    try:
        assert ask(f"{program.url}/readyz").status == 200
        assert (home / "postgres" / "cluster").stat().st_uid == nobody.pw_uid
        assert program.stop() == 0
    finally:
        program.close()
