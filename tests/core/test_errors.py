"""What core refuses, a door can translate: errors of ours only, which say where in the input they belong."""

import ast
import importlib

import pytest

from billsmith import errors
from billsmith.errors import BillsmithError, FieldError
from tests.house.source_tree import SOURCE, modules


def errors_of_core() -> set[str]:
    """The names of the error classes that core has and sees."""
    for module in modules(SOURCE, "core"):
        importlib.import_module(f"billsmith.{module.path.removesuffix('.py').replace('/', '.')}")
    found, waiting = set(), [BillsmithError]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        found.add(kind.__name__)
    return found


def test_core_raises_errors_of_ours_only() -> None:
    """No ValueError and no KeyError that was meant for a caller."""
    ours = errors_of_core()
    raised = [
        module.at(node, ast.unparse(node))
        for module in modules(SOURCE, "core")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Raise) and node.exc is not None and not _is_ours(node.exc, ours)
    ]
    assert raised == []


def _is_ours(raised: ast.expr, ours: set[str]) -> bool:
    name = ast.unparse(raised.func if isinstance(raised, ast.Call) else raised)
    return name in ours or name.startswith("_")  # a function that makes the error, such as _too_long


def test_an_error_says_where_and_moves_below_what_it_is_part_of() -> None:
    error = errors.Invalid("no", pointer="/amount")
    assert [(found.pointer, found.detail) for found in error.errors] == [("/amount", "no")]
    assert [found.pointer for found in error.under("/items/3").errors] == ["/items/3/amount"]
    assert (str(error), error.facts) == ("no", {})
    several = errors.Invalid("no", errors=(FieldError("/a", "x"), FieldError("/b", "y")))
    assert [found.pointer for found in several.under("/0").errors] == ["/0/a", "/0/b"]


@pytest.mark.parametrize("kind", [errors.Invalid, errors.NotFound, errors.Conflict, errors.Refused, errors.Unavailable])
def test_every_kind_has_a_title_for_people(kind: type[BillsmithError]) -> None:
    assert kind.title != BillsmithError.title
