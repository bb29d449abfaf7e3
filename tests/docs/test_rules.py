"""The rule pages can't lie: every table is computed again by core, and pages and docstrings know each other."""

import ast
import re
from pathlib import Path
from typing import get_args

import pytest

from billsmith.core.ledger import PostingKind
from tests.docs.billing_examples import BILLING
from tests.docs.catalogue_examples import CATALOGUE
from tests.docs.cycle_examples import CYCLES
from tests.docs.examples import EXAMPLES
from tests.docs.pages import RULES, Table, rule_pages, tables_of
from tests.docs.stories import STORIES
from tests.docs.subscription_examples import SUBSCRIPTIONS
from tests.house.source_tree import ROOT, SOURCE, modules

TABLES = [table for page in rule_pages() for table in tables_of(page)]
COMPUTED = {**EXAMPLES, **STORIES, **CATALOGUE, **SUBSCRIPTIONS, **CYCLES, **BILLING}
LINK = re.compile(r"docs/rules/[\w.-]*\w\.md|docs/rules/")


def name(table: Table) -> str:
    return f"{table.page}:{table.line}"


@pytest.mark.parametrize("table", TABLES, ids=name)
def test_every_table_says_what_computes_it(table: Table) -> None:
    assert table.example in COMPUTED
    assert table.answers
    assert all(table.answers), "no column is in bold"


@pytest.mark.parametrize("table", TABLES, ids=name)
def test_every_answer_is_what_core_computes(table: Table) -> None:
    answers = COMPUTED[str(table.example)](table.given, table.options)
    shown = [{column: answer[column] for column in row} for row, answer in zip(table.answers, answers, strict=True)]
    assert table.answers == shown


def test_every_example_is_on_some_page() -> None:
    assert {table.example for table in TABLES} == set(COMPUTED)


def test_a_wrong_figure_on_a_page_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "money.md"
    page.write_text("<!-- computed: rounding -->\n\n| exact | **amount** |\n|---|---|\n| 2.5 | 2 |\n")
    (table,) = tables_of(page)
    with pytest.raises(AssertionError):
        test_every_answer_is_what_core_computes(table)


def test_every_kind_of_posting_is_in_the_table_of_postings() -> None:
    told = [row["kind"] for table in TABLES if table.example == "postings" for row in table.given]
    assert sorted(told) == sorted(get_args(PostingKind))


@pytest.mark.parametrize("page", rule_pages(), ids=lambda page: page.name)
def test_every_page_states_one_rule_with_a_worked_example(page: Path) -> None:
    text = page.read_text()
    assert re.match(r"# \S", text)
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1
    assert [table for table in TABLES if table.page == page.name]


def linked_from(tree: ast.AST) -> set[str]:
    """The rule pages that strings of a module name, docstrings first among them."""
    return {
        link
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for link in LINK.findall(node.value)
    }


def test_every_link_to_a_rule_leads_somewhere_and_every_rule_is_linked() -> None:
    links = {link for module in modules(SOURCE) for link in linked_from(module.tree)}
    assert sorted(link for link in links if not (ROOT / link).exists()) == []
    assert {f"docs/rules/{page.name}" for page in rule_pages()} <= links


def test_pages_link_only_to_pages_that_are_there() -> None:
    for page in rule_pages():
        for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
            assert (RULES / target).resolve().exists(), f"{page.name} links to {target}"
