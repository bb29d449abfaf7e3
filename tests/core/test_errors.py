"""Errors: one class per reason, each of one kind, with a code of its own that never changes its meaning."""

import ast
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from billsmith import errors
from billsmith.errors import BillsmithError, FieldError
from tests.house.source_tree import SOURCE, modules

KINDS = {
    errors.Invalid,
    errors.Unauthenticated,
    errors.NotFound,
    errors.Conflict,
    errors.Refused,
    errors.Unavailable,
}
KIND_NAMES = {kind.__name__ for kind in KINDS}


class Reason:
    """An error class as the source says it: its name, the errors it is one of, its own code."""

    def __init__(self, at: str, node: ast.ClassDef) -> None:
        self.at = at
        self.name = node.name
        self.parents = [ast.unparse(base).split(".")[-1] for base in node.bases]
        self.code = next((ast.literal_eval(value) for name, value in _assigned(node) if name == "code"), None)


def _assigned(node: ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
    for statement in node.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            yield statement.targets[0].id, statement.value
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
            yield statement.target.id, statement.value


def _reasons() -> list[Reason]:
    """Every error class of the program below BillsmithError, the kinds included, wherever it stands."""
    waiting = [
        Reason(module.at(node, node.name), node)
        for module in modules(SOURCE)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef)
    ]
    known, found = {"BillsmithError"}, []
    while new := [reason for reason in waiting if known & set(reason.parents)]:
        found += new
        known |= {reason.name for reason in new}
        waiting = [reason for reason in waiting if reason not in new]
    return found


REASONS = _reasons()


def test_there_are_errors_to_look_at() -> None:
    assert {"UnknownCurrency", "InvoiceNotDraft", "InvoiceNotFound"} <= {reason.name for reason in REASONS}
    assert {reason.name for reason in REASONS} >= KIND_NAMES


def test_every_reason_has_a_code_of_its_own() -> None:
    assert [reason.at for reason in REASONS if reason.code is None] == []
    assert [reason.at for reason in REASONS if not re.fullmatch(r"[a-z]+(_[a-z]+)*", str(reason.code))] == []
    assert [code for code, count in Counter(reason.code for reason in REASONS).items() if count > 1] == []


def test_every_reason_of_a_rule_or_a_verb_is_of_one_of_the_kinds() -> None:
    """Directly, so that nobody has to look further up to know how a door translates it."""
    ours = [reason for reason in REASONS if reason.at.startswith(("core/", "actions/"))]
    assert [reason.at for reason in ours if len(KIND_NAMES & set(reason.parents)) != 1] == []


def test_core_raises_our_errors_only() -> None:
    """Whatever core refuses, a door can translate: no ValueError, no KeyError that was meant for a caller."""
    ours = {reason.name for reason in REASONS}
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


@pytest.mark.parametrize("kind", sorted(KINDS, key=lambda kind: kind.code))
def test_every_kind_has_a_title_for_people(kind: type[BillsmithError]) -> None:
    assert kind.title != BillsmithError.title
