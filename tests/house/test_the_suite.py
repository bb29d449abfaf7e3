"""The tests keep to the house, too: our own code is never replaced by a mock, and no verdict hangs on a pause."""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.house.source_tree import ROOT, Module, functions, modules, plant


def mocks(root: Path) -> list[str]:
    """No mock library; what we wrote is tested as it is."""
    return [
        module.at(node, "imports a mock library")
        for module in modules(root)
        for node in module.nodes
        if isinstance(node, ast.Import | ast.ImportFrom) and "mock" in ast.unparse(node).replace(".", " ").split()
    ]


def replaced_code(root: Path) -> list[str]:
    """Nothing of ours is replaced while a test runs, but for a constant, such as how long is waited.

    The fake gateway is no code under test there: it plays the outside, and a test may tell it what to say.
    """
    return [
        module.at(node, f"replaces {ast.unparse(node.args[0])}")
        for module in modules(root)
        for node in module.nodes
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("monkeypatch.setattr")
        if _is_ours(node.args[0], module) and not _names_a_constant(node.args[1])
    ]


def pauses(root: Path) -> list[str]:
    """A test never sleeps and then looks: a sleep stands in a loop that waits for something, with a limit."""
    return [
        module.at(node, f"{function.name} sleeps outside of a loop")
        for module in modules(root)
        for function in functions(module.nodes)
        for node in _outside_of_loops(function)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {"time.sleep", "asyncio.sleep", "sleep"}
        and ast.unparse(node.args[0]) != "0"
    ]


def _is_ours(target: ast.expr, module: Module) -> bool:
    if ast.unparse(target) == "FakeGateway":
        return False
    if isinstance(target, ast.Constant):
        return str(target.value).startswith("billsmith")
    name = ast.unparse(target).split(".")[0]
    imported = (node for node in module.nodes if isinstance(node, ast.Import | ast.ImportFrom))
    return any(
        (alias.asname or alias.name.split(".")[0]) == name
        and "billsmith" in ast.unparse(node).replace(".", " ").split()
        for node in imported
        for alias in node.names
    )


def _names_a_constant(name: ast.expr) -> bool:
    return isinstance(name, ast.Constant) and str(name.value).isupper()


def _outside_of_loops(node: ast.AST) -> list[ast.AST]:
    found: list[ast.AST] = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.While | ast.For | ast.AsyncFor | ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        found += [child, *_outside_of_loops(child)]
    return found


Guard = Callable[[Path], list[str]]

PLANTED: list[tuple[Guard, str, list[str]]] = [
    (mocks, "from unittest.mock import patch", ["test_a.py:1 imports a mock library"]),
    (mocks, "import mock", ["test_a.py:1 imports a mock library"]),
    (
        replaced_code,
        "from billsmith.store import pool\ndef test_a(monkeypatch): monkeypatch.setattr(pool, 'open_pool', None)",
        ["test_a.py:2 replaces pool"],
    ),
    (
        replaced_code,
        "def test_a(monkeypatch): monkeypatch.setattr('billsmith.clock.Clock.wall', None)",
        ["test_a.py:1 replaces 'billsmith.clock.Clock.wall'"],
    ),
    (
        replaced_code,
        "from billsmith.worker import loop\ndef test_a(monkeypatch): monkeypatch.setattr(loop, 'PAUSE_SECONDS', 0)",
        [],
    ),
    (replaced_code, "import os\ndef test_a(monkeypatch): monkeypatch.setattr(os, 'getuid', None)", []),
    (pauses, "def test_a():\n    time.sleep(1)\n    assert done()", ["test_a.py:2 test_a sleeps outside of a loop"]),
    (pauses, "async def test_a():\n    await asyncio.sleep(0.1)", ["test_a.py:2 test_a sleeps outside of a loop"]),
    (pauses, "async def test_a():\n    while not done():\n        await asyncio.sleep(0.01)", []),
    (pauses, "async def test_a():\n    await asyncio.sleep(0)", []),
]
GUARDS = list(dict.fromkeys(guard for guard, *_ in PLANTED))


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.__name__)
def test_the_suite_keeps_the_rule(guard: Guard) -> None:
    assert guard(ROOT / "tests") == []


@pytest.mark.parametrize(("guard", "text", "breaches"), PLANTED)
def test_a_planted_breach_is_found(guard: Guard, text: str, breaches: list[str], tmp_path: Path) -> None:
    assert guard(plant(tmp_path, {"test_a.py": text})) == breaches
