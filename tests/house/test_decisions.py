"""Every decision is recorded in the same form, under a number of its own, and listed."""

import re
from pathlib import Path

import pytest

from tests.house.source_tree import ROOT, plant
from tests.house.test_contributing import missing_paths

FOLDER = ROOT / "docs" / "decisions"
PARTS = ["Context", "Decision", "Consequence"]
RECORDS = sorted(FOLDER.glob("0*.md"))


def flaws(record: Path) -> list[str]:
    """What a record lacks: the title with its number, and in this order context, decision, consequence."""
    text = record.read_text()
    parts = [part for part in re.findall(r"^\*\*(\w[^*]*)\.\*\*", text, re.MULTILINE) if part in PARTS]
    title = re.match(rf"# {record.name[:4]} · \S", text)
    return [] if title and parts == PARTS else [f"{record.name}: title {bool(title)}, parts {parts}"]


def listed(folder: Path) -> list[tuple[str, str]]:
    """Number and file of every row of the list."""
    return re.findall(r"^\| \[(\d{4})\]\(([^)]+)\) \|", (folder / "README.md").read_text(), re.MULTILINE)


def test_every_record_has_its_form() -> None:
    assert [flaw for record in RECORDS for flaw in flaws(record)] == []


def test_numbers_run_on_and_every_record_is_listed() -> None:
    assert [record.name[:4] for record in RECORDS] == [f"{number:04}" for number in range(1, len(RECORDS) + 1)]
    assert listed(FOLDER) == [(record.name[:4], record.name) for record in RECORDS]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_what_a_record_points_to_is_there(record: Path) -> None:
    assert missing_paths(record, ROOT) == []


def test_a_flaw_is_found(tmp_path: Path) -> None:
    text = "# 0001 · Title\n\n**Context.** …\n\n**Consequence.** …\n"
    plant(tmp_path, {"0001-a.md": text, "0002-b.md": text.replace("**Con", "**Decision.** …\n\n**Con", 1)})
    assert flaws(tmp_path / "0001-a.md") == ["0001-a.md: title True, parts ['Context', 'Consequence']"]
    assert flaws(tmp_path / "0002-b.md") == ["0002-b.md: title False, parts ['Decision', 'Context', 'Consequence']"]
