"""Every contract of import-linter and every ruff rule that guards the house is kept, and fails when it is broken.

The breaches are planted one at a time in a bare tree: the same rooms and modules, each with nothing but its docstring.
"""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.house.source_tree import ROOT, plant

CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]

# Contract → what breaks it, and nothing else: a file and the line added to it.
BROKEN_IMPORTS: list[tuple[str, str, str]] = [
    ("rooms", "errors.py", "import billsmith.store"),
    ("rooms", "core/money.py", "import billsmith.outside.http"),
    ("rooms", "store/pool.py", "import billsmith.actions"),
    ("rooms", "actions/bill.py", "import billsmith.api"),
    ("rooms", "wiring.py", "import billsmith.cli"),
    ("rooms", "api/app.py", "import billsmith.wiring"),
    ("rooms", "shed/__init__.py", '"""A room that nobody decided on."""'),
    ("core-layers", "core/money.py", "import billsmith.core.invoicing"),
    ("core-layers", "core/attic.py", '"""A module that has no place in the order."""'),
    ("no-circles", "api/auth.py", "import billsmith.api.paging"),
    ("doors", "cli/main.py", "import billsmith.api"),
    ("store", "cli/main.py", "import billsmith.store"),
    ("gateways", "api/app.py", "import billsmith.gateways"),
    ("outside", "worker/loop.py", "import billsmith.outside"),
    ("verify", "actions/bill.py", "import billsmith.verify"),
    ("private-postgres", "actions/bill.py", "import billsmith.private_postgres"),
    ("clock", "api/app.py", "import billsmith.clock"),
    ("ids", "store/pool.py", "import billsmith.ids"),
    ("config", "actions/bill.py", "import billsmith.config"),
    ("vault", "store/pool.py", "import billsmith.vault"),
    ("core", "verify/checks.py", "import billsmith.core.money"),
    ("pure-core", "core/money.py", "import asyncio"),
    ("frameworks", "actions/bill.py", "from fastapi import Request"),
    ("driver", "actions/bill.py", "import asyncpg"),
    ("network", "gateways/external.py", "import httpx2"),
]
# Two rules for one arrow: what is planted here breaks both.
ALSO_BROKEN = {
    ("rooms", "store/pool.py"): set(),
    ("rooms", "actions/bill.py"): {"doors"},
    ("rooms", "core/money.py"): {"outside"},
    ("rooms", "errors.py"): {"store"},
}
UNDECIDED = {"shed/__init__.py", "core/attic.py"}
SIBLINGS = {"api/paging.py": "import billsmith.api.auth"}

BANNED = "src/billsmith/api/app.py"
BROKEN_STYLE: list[tuple[str, str, str]] = [
    ("TID252", BANNED, "from .routes import invoices"),
    ("TID251", BANNED, "from datetime import datetime, UTC\ndatetime.now(UTC)"),
    ("TID251", BANNED, "from datetime import datetime\ndatetime.utcnow()"),
    ("TID251", BANNED, "from datetime import datetime\ndatetime.today()"),
    ("TID251", BANNED, "import datetime\ndatetime.datetime.now()"),
    ("TID251", BANNED, "from datetime import date\ndate.today()"),
    ("TID251", BANNED, "import time\ntime.time()"),
    ("TID251", BANNED, "from time import time_ns"),
    ("TID251", BANNED, "from time import localtime"),
    ("TID251", BANNED, "from time import gmtime"),
    ("TID251", BANNED, "import random"),
    ("TID251", BANNED, "from random import randint"),
    ("TID251", BANNED, "import secrets"),
    ("TID251", BANNED, "import os\nos.urandom(8)"),
    *(("TID251", BANNED, f"from uuid import uuid{version}") for version in (1, 3, 4, 5, 6, 7, 8)),
    ("BLE001", BANNED, "try: ...\nexcept Exception: ..."),
]
LIFTED = [
    "src/billsmith/clock.py",
    "src/billsmith/ids.py",
    "src/billsmith/private_postgres/server.py",
    "tests/test_x.py",
]


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """The rooms and modules that the contracts name, and those planted in, without content and under the same rules."""
    rooms, core = (_names(contract) for contract in CONTRACTS if contract["type"] == "layers")
    packages = {path.split("/")[0] for _, path, _ in BROKEN_IMPORTS if "/" in path} & rooms
    files = {f"{room}/__init__.py" if room in packages else f"{room}.py" for room in rooms}
    files |= {f"core/{name}.py" for name in core} | {path for _, path, _ in BROKEN_IMPORTS if path not in UNDECIDED}
    plant(tmp_path / "src" / "billsmith", dict.fromkeys({"__init__.py"} | files, '"""Bare."""\n'))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def _names(layers_contract: dict[str, list[str]]) -> set[str]:
    return {name for layer in layers_contract["layers"] for name in re.findall(r"\w+", layer)}


def broken_contracts(root: Path) -> set[str]:
    """The ids of the contracts that the tree below `root` breaks."""
    program = "import sys; sys.path.insert(0, 'src'); from importlinter.cli import lint_imports_command as run; run()"
    command = [sys.executable, "-c", program, "--no-cache", "--no-logo"]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    ids_by_name = {contract["name"]: contract["id"] for contract in CONTRACTS}
    verdicts = re.findall(r"^(.+?) (KEPT|BROKEN)", run.stdout, re.MULTILINE)
    assert {name for name, _ in verdicts} == set(ids_by_name), run.stdout + run.stderr
    return {ids_by_name[name] for name, verdict in verdicts if verdict == "BROKEN"}


def style_breaches(root: Path, paths: list[str], rules: str = "TID,BLE001") -> list[tuple[str, str]]:
    """(file, rule) of what ruff finds below `root`, of the rules that guard the house."""
    command = [shutil.which("ruff") or str(Path(sys.executable).parent / "ruff"), "check", "--no-cache"]
    command += ["--output-format=json", f"--select={rules}", *paths]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert run.stdout, run.stderr
    found = [
        (Path(breach["filename"]).relative_to(root.resolve()), breach["code"]) for breach in json.loads(run.stdout)
    ]
    return [(file.as_posix(), code) for file, code in found]


def test_the_source_keeps_every_contract() -> None:
    assert broken_contracts(ROOT) == set()


def test_a_bare_tree_keeps_every_contract(bare: Path) -> None:
    assert broken_contracts(bare) == set()


def test_every_contract_has_a_breach_planted_below() -> None:
    assert {contract["id"] for contract in CONTRACTS} == {contract for contract, *_ in BROKEN_IMPORTS}


@pytest.mark.parametrize(("contract", "path", "line"), BROKEN_IMPORTS)
def test_a_breach_breaks_its_contract(contract: str, path: str, line: str, bare: Path) -> None:
    files = {path: line} | (SIBLINGS if contract == "no-circles" else {})
    plant(bare / "src" / "billsmith", files)
    assert broken_contracts(bare) == {contract} | ALSO_BROKEN.get((contract, path), set())


def test_the_source_reads_no_clock_and_draws_nothing_at_random_elsewhere() -> None:
    assert style_breaches(ROOT, ["src"], "TID") == []


def test_every_banned_name_is_refused(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for number, (_, path, text) in enumerate(BROKEN_STYLE):
        plant(tmp_path, {path.replace("app", f"planted_{number:02}"): text + "\n"})
    expected = [(BANNED.replace("app", f"planted_{n:02}"), rule) for n, (rule, *_) in enumerate(BROKEN_STYLE)]
    assert sorted(set(style_breaches(tmp_path, ["src"]))) == expected


def test_every_banned_name_is_planted() -> None:
    banned = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]["flake8-tidy-imports"]
    planted = "\n".join(text for _, _, text in BROKEN_STYLE)
    assert [name for name in banned["banned-api"] if name.split(".")[-1] not in planted] == []


@pytest.mark.parametrize("path", LIFTED)
def test_the_ban_is_lifted_where_it_must_be(path: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    plant(tmp_path, {path: "import secrets\n\nsecrets.token_hex()\n"})
    assert style_breaches(tmp_path, [path]) == []
