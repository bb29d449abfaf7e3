"""Errors: one class per reason, each with a code of its own that never changes meaning; nobody reads their text."""

import ast
import importlib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from billsmith.api.problems import STATUS
from billsmith.errors import BillsmithError
from tests.house.source_tree import SOURCE, modules, plant

KINDS = set(STATUS)


def error_classes(root: type[BillsmithError] = BillsmithError) -> Iterator[type[BillsmithError]]:
    """Every class of ours below `root`, once."""
    seen: set[type[BillsmithError]] = set()
    waiting = [root]
    while waiting:
        for child in waiting.pop().__subclasses__():
            if child not in seen and child.__module__.startswith("billsmith"):
                seen.add(child)
                waiting.append(child)
                yield child


def branches_on_text(root: Path) -> list[str]:
    """Nothing is decided by what an error says: no comparison with its text."""
    return [
        module.at(compared, "decides by an error's text")
        for module in modules(root)
        for handler in module.nodes
        if isinstance(handler, ast.ExceptHandler) and handler.name
        for compared in ast.walk(handler)
        if isinstance(compared, ast.Compare) and _reads_text_of(compared, handler.name)
    ]


def _reads_text_of(node: ast.AST, name: str) -> bool:
    texts = {f"str({name})", f"repr({name})", f"{name}.args", f"{name}.detail", f"{name}.message", f"{name}.args[0]"}
    return any(ast.unparse(part) in texts for part in ast.walk(node) if isinstance(part, ast.expr))


@pytest.fixture(scope="module")
def reasons() -> list[type[BillsmithError]]:
    for module in modules(SOURCE):
        name = module.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        if not name.endswith("__main__"):
            importlib.import_module(f"billsmith.{name}" if name != "__init__" else "billsmith")
    return [error for error in error_classes() if error not in KINDS]


def test_every_reason_has_a_code_of_its_own(reasons: list[type[BillsmithError]]) -> None:
    assert len(reasons) > 20
    assert [error.__name__ for error in reasons if "code" not in vars(error)] == []
    assert [code for code, count in Counter(error.code for error in [*reasons, *KINDS]).items() if count > 1] == []


def test_codes_are_lower_case_words(reasons: list[type[BillsmithError]]) -> None:
    assert [error.code for error in reasons if not re.fullmatch(r"[a-z]+(?:_[a-z]+)*", error.code)] == []


def test_every_reason_is_of_a_kind_that_the_doors_know(reasons: list[type[BillsmithError]]) -> None:
    assert [error.__name__ for error in reasons if not issubclass(error, tuple(KINDS))] == []


def test_nothing_is_decided_by_the_text_of_an_error() -> None:
    assert branches_on_text(SOURCE) == []


@pytest.mark.parametrize("text", ["'late' in str(error)", "error.detail == 'late'", "error.args[0].lower() != 'late'"])
def test_a_decision_by_text_is_found(text: str, tmp_path: Path) -> None:
    plant(tmp_path, {"actions/a.py": f"try: ...\nexcept OSError as error:\n    late = {text}\n"})
    assert branches_on_text(tmp_path) == ["actions/a.py:3 decides by an error's text"]


def test_other_members_of_an_error_may_decide(tmp_path: Path) -> None:
    text = "try: ...\nexcept OSError as error:\n    gone = error.errno == 2\n    text = str(error)\n"
    assert branches_on_text(plant(tmp_path, {"a.py": text})) == []
