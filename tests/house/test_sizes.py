"""Ceilings of size, words that say nothing, docstrings, where everything may be caught, and nothing left undone.

A guard takes the folder it looks at and returns its breaches. Each is shown to fail on a planted breach.
"""

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.house.source_tree import ROOT, SOURCE, Module, functions, modules, plant

LONGEST_FUNCTION = 70
LONGEST_FILE = 600
MOST_FILES_IN_A_FOLDER = 20

EMPTY_WORDS = {"base", "common", "data", "handle", "helper", "helpers", "info", "manager", "process", "utils", "v2"}

# Names that may keep such a word, each with its reason.
WORD_EXCEPTIONS: dict[str, str] = {}

# The only places that may catch everything: file → what it protects.
CATCH_ALL: dict[str, str] = {
    "api/app.py": "the edge: an unforeseen error becomes a 500 with its request id",
    "worker/loop.py": "the outermost loop: one failing sweep doesn't end the others",
    "actions/money/webhooks.py": "around a plugin's reading of a webhook: it is asked to send it again",
    "gateways/calling.py": "around a plugin call: whatever it raises means that nobody knows what happened",
    "gateways/registry.py": "a plugin that can't be loaded is named, and the others work",
    "gateways/conformance/suite.py": "a gateway under test may fail in any way: that is a finding",
    "gateways/fake/book.py": "one writer writes for all who wait: an error is raised again where each of them waits",
}

PUT_OFF = ["TO" + "DO", "FIX" + "ME", "HA" + "CK"]
UNDONE = re.compile(rf"#.*\b({'|'.join(PUT_OFF)})\b")

OUR_PYTHON = ["src", "tests", "bench", "examples", "clients", "plugins"]


def long_functions(root: Path) -> list[str]:
    """No function is longer than 70 lines."""
    return [
        module.at(function, f"{function.name} has {length} lines")
        for module in modules(root)
        for function in functions(module.nodes)
        if (length := (function.end_lineno or 0) - function.lineno + 1) > LONGEST_FUNCTION
    ]


def long_files(root: Path) -> list[str]:
    """No file is longer than 600 lines."""
    return [
        module.at(None, f"{length} lines")
        for module in modules(root)
        if (length := len(module.text.splitlines())) > LONGEST_FILE
    ]


def full_folders(root: Path) -> list[str]:
    """No folder holds more than 20 Python files, beside the one that says what the folder is."""
    counts = Counter(file.parent for file in root.rglob("*.py") if file.name != "__init__.py")
    return sorted(
        f"{folder.relative_to(root).as_posix()}: {count} files"
        for folder, count in counts.items()
        if count > MOST_FILES_IN_A_FOLDER
    )


def empty_words(root: Path) -> list[str]:
    """No module, function or class is named with a word that says nothing."""
    return [
        module.at(node, f"{name} says {word}")
        for module in modules(root)
        for node, name in _names(module)
        if name not in WORD_EXCEPTIONS
        for word in sorted(EMPTY_WORDS & set(_words(name)))
    ]


def modules_without_docstring(root: Path) -> list[str]:
    """Every module says what it is for."""
    return [module.at(None, "no docstring") for module in modules(root) if not ast.get_docstring(module.tree)]


def undocumented(root: Path) -> list[str]:
    """Every public function and class says what you get; so do the methods of core's and actions' values."""
    return [
        module.at(node, f"{node.name} has no docstring")
        for module in modules(root)
        for node in _public(module.tree, methods=module.room in {"core", "actions"})
        if not ast.get_docstring(node)
    ]


def catching_everything(root: Path) -> list[str]:
    """`except Exception`, bare `except` and `suppress(Exception)` stand in the listed places only."""
    return [
        module.at(node, "catches everything")
        for module in modules(root)
        if module.path not in CATCH_ALL
        for node in module.nodes
        if _catches_everything(node)
    ]


def left_undone(root: Path) -> list[str]:
    """Nothing is put off: no function that only refuses, no note about what should be done some day."""
    return [
        module.at(node, "raises NotImplementedError")
        for module in modules(root)
        for node in module.nodes
        if isinstance(node, ast.Raise) and "NotImplementedError" in ast.dump(node)
    ] + [
        f"{module.path}:{number} {found[1]}"
        for module in modules(root)
        for number, line in enumerate(module.text.splitlines(), 1)
        if (found := UNDONE.search(line))
    ]


def _words(name: str) -> list[str]:
    """`BaseThing` → base thing; `raw_data_of` → raw data of; `api_v2` → api v2."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().split("_")


def _names(module: Module) -> Iterator[tuple[ast.AST | None, str]]:
    yield from ((None, part) for part in module.path.removesuffix(".py").split("/"))
    for node in module.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node, node.name


def _public(
    scope: ast.Module | ast.ClassDef, *, methods: bool
) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for node in scope.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef) and methods:
                yield from _public(node, methods=True)


def _catches_everything(node: ast.AST) -> bool:
    caught: list[ast.expr | None] = []
    if isinstance(node, ast.ExceptHandler):
        caught = [*node.type.elts] if isinstance(node.type, ast.Tuple) else [node.type]
    elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "suppress":
        caught = [*node.args]
    return any(kind is None or ast.unparse(kind) in {"Exception", "BaseException"} for kind in caught)


Guard = Callable[[Path], list[str]]

CEILINGS: list[Guard] = [long_functions, long_files, full_folders, left_undone]
HABITS: list[Guard] = [empty_words, modules_without_docstring, undocumented, catching_everything]

PLANTED: list[tuple[Guard, dict[str, str], list[str]]] = [
    (long_functions, {"a.py": "def f():\n" + "    1\n" * 70}, ["a.py:1 f has 71 lines"]),
    (long_functions, {"a.py": "class A:\n  def f():\n" + "    1\n" * 70}, ["a.py:2 f has 71 lines"]),
    (long_functions, {"a.py": "def f():\n" + "    1\n" * 69}, []),
    (long_files, {"a.py": "1\n" * 601}, ["a.py:1 601 lines"]),
    (long_files, {"a.py": "1\n" * 600}, []),
    (full_folders, {f"core/a{n}.py": "" for n in range(21)}, ["core: 21 files"]),
    (full_folders, {f"core/a{n}.py": "" for n in range(20)} | {"core/__init__.py": ""}, []),
    (empty_words, {"core/utils.py": ""}, ["core/utils.py:1 utils says utils"]),
    (empty_words, {"api/v2/app.py": ""}, ["api/v2/app.py:1 v2 says v2"]),
    (empty_words, {"a.py": "def process_invoice(): ..."}, ["a.py:1 process_invoice says process"]),
    (empty_words, {"a.py": "class InvoiceManager: ..."}, ["a.py:1 InvoiceManager says manager"]),
    (empty_words, {"a.py": "class A:\n    async def _raw_data(self): ..."}, ["a.py:2 _raw_data says data"]),
    (empty_words, {"database.py": "def processing(): ..."}, []),
    (modules_without_docstring, {"core/__init__.py": ""}, ["core/__init__.py:1 no docstring"]),
    (undocumented, {"core/a.py": "def f(): ..."}, ["core/a.py:1 f has no docstring"]),
    (undocumented, {"actions/a.py": "async def f(): ..."}, ["actions/a.py:1 f has no docstring"]),
    (undocumented, {"core/a.py": "class A:\n    '''A.'''\n    def f(self): ..."}, ["core/a.py:3 f has no docstring"]),
    (undocumented, {"store/a.py": "def f(): ..."}, ["store/a.py:1 f has no docstring"]),
    (undocumented, {"core/a.py": "def _f(): ...", "api/a.py": "class A:\n    'A.'\n    def f(self): ..."}, []),
    (catching_everything, {"a.py": "try: ...\nexcept Exception: ..."}, ["a.py:2 catches everything"]),
    (catching_everything, {"a.py": "try: ...\nexcept: ..."}, ["a.py:2 catches everything"]),
    (catching_everything, {"a.py": "try: ...\nexcept (OSError, BaseException): ..."}, ["a.py:2 catches everything"]),
    (catching_everything, {"a.py": "with contextlib.suppress(Exception): ..."}, ["a.py:1 catches everything"]),
    (catching_everything, {"a.py": "with contextlib.suppress(OSError): ..."}, []),
    (catching_everything, {"api/app.py": "try: ...\nexcept Exception: ..."}, []),
    (left_undone, {"a.py": "def f():\n    raise NotImplementedError"}, ["a.py:2 raises NotImplementedError"]),
    (left_undone, {"a.py": f"x = 1  # {PUT_OFF[0]}: two"}, [f"a.py:1 {PUT_OFF[0]}"]),
    (left_undone, {"a.py": "NotImplemented"}, []),
]


@pytest.mark.parametrize("guard", CEILINGS, ids=lambda guard: guard.__name__)
@pytest.mark.parametrize("folder", OUR_PYTHON)
def test_our_python_keeps_the_ceilings(guard: Guard, folder: str) -> None:
    assert guard(ROOT / folder) == []


@pytest.mark.parametrize("guard", HABITS, ids=lambda guard: guard.__name__)
def test_the_source_keeps_its_habits(guard: Guard) -> None:
    assert guard(SOURCE) == []


@pytest.mark.parametrize(("guard", "files", "breaches"), PLANTED)
def test_a_planted_breach_is_found(guard: Guard, files: dict[str, str], breaches: list[str], tmp_path: Path) -> None:
    assert guard(plant(tmp_path, files)) == breaches


def test_every_guard_has_a_planted_breach() -> None:
    assert {guard for guard, _, breaches in PLANTED if breaches} == {*CEILINGS, *HABITS}
