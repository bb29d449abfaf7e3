"""Stages for the tests, cleared away afterwards."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.private_postgres.stage import Stage

if sys.platform == "win32":
    collect_ignore_glob = ["test_*.py"]


@contextmanager
def built() -> Iterator[Stage]:
    # Not tmp_path: as root that is closed to the user as whom the server runs.
    folder = Path(tempfile.mkdtemp(prefix="billsmith-test-")).resolve()
    folder.chmod(0o755)
    home, system_folder = folder / "home", folder / "system"
    for made in (home, system_folder):
        made.mkdir()
        made.chmod(0o755)
    stage = Stage(home, system_folder)
    try:
        yield stage
    finally:
        stage.close()
        shutil.rmtree(stage.placement.sockets, ignore_errors=True)
        shutil.rmtree(folder)


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A stage on which nothing has been made yet."""
    with built() as fresh:
        yield fresh


@pytest.fixture(scope="module")
def stage_of_module() -> Iterator[Stage]:
    with built() as shared:
        yield shared


@pytest.fixture
def used_stage(stage_of_module: Stage) -> Iterator[Stage]:
    """A stage whose cluster other tests of the module may have made before; no server runs."""
    yield stage_of_module
    stage_of_module.close()
