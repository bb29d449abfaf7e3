"""The documents at the root point only to what is there: a path in them that is gone is a broken promise.

A path is what looks like one: in backticks or as a link, with a folder of ours in front or a source's ending.
"""

import re
from functools import cache
from pathlib import Path, PurePosixPath

import pytest

from tests.house.source_tree import ROOT, plant

DOCUMENTS = ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"]
ENDINGS = {".py", ".sql", ".md", ".toml", ".lock", ".json", ".yml", ".yaml", ".html", ".css"}
NOT_OURS = {"build", "dist", "__pycache__"}
FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
IN_BACKTICKS = re.compile(r"`([^`\s]+)`")
LINKED = re.compile(r"\]\(([^)\s#]+)(?:#[^)]*)?\)")


def missing_paths(document: Path, root: Path) -> list[str]:
    """What `document` mentions as a path of the project and can't be found below `root`.

    A mention may leave out the folders in front (`core/money.py`), choose (`docs/{start,guides}`), or hold a
    placeholder (`docs/rules/<rule>.md`, `store/sql/*.sql`), which must then have at least one example.
    """
    text = FENCED.sub("", document.read_text())
    mentions = {mention for mention in IN_BACKTICKS.findall(text) if _looks_like_a_path(mention, root)}
    mentions |= {
        mention for mention in LINKED.findall(text) if "://" not in mention and not mention.startswith("mailto:")
    }
    return sorted(mention for mention in mentions for path in _choices(mention) if not _is_there(path, root))


def _looks_like_a_path(mention: str, root: Path) -> bool:
    if mention.startswith(("/", "~", "-", "$", "http:", "https:")) or not re.fullmatch(r"[\w.{},*<>/…-]+", mention):
        return False
    first = mention.split("/", maxsplit=1)[0]
    return PurePosixPath(mention).suffix in ENDINGS or ("/" in mention and first in _folders(root))


def _choices(mention: str) -> list[str]:
    """`docs/{start,guides}/` → docs/start/ and docs/guides/."""
    found = re.search(r"\{([^{}]*)\}", mention)
    if not found:
        return [mention]
    return [path for choice in found[1].split(",") for path in _choices(mention.replace(found[0], choice.strip(), 1))]


def _is_there(mention: str, root: Path) -> bool:
    pattern = re.sub(r"<[^>]*>|…", "*", mention.removeprefix("./").rstrip("/"))
    shape = re.compile("(?:.*/)?" + "[^/]*".join(re.escape(part) for part in re.split(r"\*+", pattern)))
    return any(shape.fullmatch(path) for path in _paths(root))


@cache
def _paths(root: Path) -> list[str]:
    paths: list[str] = []
    waiting = [root]
    while waiting:
        for path in waiting.pop().iterdir():
            if (path.name.startswith(".") and path.is_dir()) or path.name in NOT_OURS:
                continue
            paths.append(path.relative_to(root).as_posix())
            waiting += [path] if path.is_dir() else []
    return paths


@cache
def _folders(root: Path) -> set[str]:
    """The names that a path of ours may begin with: folders at the root, and rooms."""
    tops = {path.split("/")[0] for path in _paths(root) if "/" in path}
    rooms = {path.split("/")[2] for path in _paths(root) if re.fullmatch(r"src/billsmith/\w+", path)}
    return tops | rooms | {"docs", "tests", "bench", "examples", "clients", "plugins"}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_in_the_document_is_there(document: str) -> None:
    assert (ROOT / document).is_file(), f"{document} is missing"
    assert missing_paths(ROOT / document, ROOT) == []


def test_a_path_that_is_gone_is_found(tmp_path: Path) -> None:
    document = """
    `core/money.py`, `src/billsmith/core/`, `money.py`, [the rules](docs/rules/rounding.md#half), `docs/{rules,start}/`,
    `docs/rules/<rule>.md`, `application/json`, `/v1/invoices`, `make test`, `asyncpg`, <https://example.org/a.md>
    and what is gone: `core/monie.py`, `src/billsmith/shed/`, `gone.sql`, [gone](docs/gone.md), `docs/{rules,gone}/`,
    `core/*.sql`
    ```
    echo `docs/in-a-fence.md`
    ```
    """
    files = {
        "src/billsmith/core/money.py": "",
        "docs/rules/rounding.md": "",
        "docs/start/demo.md": "",
        "A.md": document,
    }
    root = plant(tmp_path, files)
    gone = ["core/*.sql", "core/monie.py", "docs/gone.md", "docs/{rules,gone}/", "gone.sql", "src/billsmith/shed/"]
    assert missing_paths(root / "A.md", root) == gone
