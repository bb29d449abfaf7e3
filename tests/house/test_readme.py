"""What the documents tell people to type exists: commands with their options, paths of the API, words of make."""

import inspect
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from billsmith import config
from billsmith.api.openapi import openapi_document
from billsmith.cli.main import COMMANDS, load
from tests.house.source_tree import ROOT

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
DOCUMENTS += sorted(page for folder in ("start", "guides") for page in (ROOT / "docs" / folder).glob("*.md"))
FENCE = re.compile(r"^```[a-z]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
IN_BACKTICKS = re.compile(r"`([^`\n]+)`")


def typed(text: str) -> Iterator[str]:
    """What stands in fences and backticks, a line at a time; continued lines are one."""
    for fence in FENCE.findall(text):
        yield from fence.replace("\\\n", " ").splitlines()
    yield from IN_BACKTICKS.findall(FENCE.sub("", text))


def unknown_commands(text: str) -> list[str]:
    """Calls of `billsmith` with a command or an option that it does not have."""
    calls = [found[1] for line in typed(text) if (found := re.search(r"(?:^|[/ ])billsmith ((?!@)[a-z].*)", line))]
    return [call for call in calls if not _is_known(shlex.split(call, comments=True))]


def _is_known(words: list[str]) -> bool:
    if words[0] not in COMMANDS:
        return False
    command: Any = load(words[0])
    rest = words[1:]
    if rest and rest[0] in getattr(command, "commands", {}):
        command, rest = command.commands[rest[0]], rest[1:]
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return all(word.split("=")[0] in options for word in rest if word.startswith("-"))


def unknown_paths(text: str) -> list[str]:
    """Paths under /v1 that the API does not have."""
    known = {re.sub(r"\{\w+\}", "{id}", path) for path in openapi_document()["paths"]} | {"/v1", "/v1/openapi.json"}
    return sorted({path for path in re.findall(r"/v1(?:/[a-z_.-]+)*", "\n".join(typed(text))) if path not in known})


def unknown_words(text: str) -> list[str]:
    """Words of make that the Makefile does not have."""
    known = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    return sorted({word for line in typed(text) for word in re.findall(r"^make ([a-z]+)", line)} - known)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_what_is_to_be_typed_exists(document: Path) -> None:
    text = document.read_text()
    assert unknown_commands(text) + unknown_paths(text) + unknown_words(text) == []


def test_what_does_not_exist_is_found() -> None:
    text = "`billsmith bill` `billsmith keys create x --scope read` ```\n```\n"
    assert unknown_commands(text) == ["bill"]
    assert unknown_commands("```\nbillsmith serve --loud \\\n  --port 1  # fine\n```\n") == [
        "serve --loud    --port 1  # fine"
    ]
    assert unknown_paths("`GET /v1/bills` `/v1/invoices`") == ["/v1/bills"]
    assert unknown_words("`make tea` `make test`") == ["tea"]


def test_every_setting_is_explained() -> None:
    explained = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/start/settings.md").read_text(), re.MULTILINE))
    assert explained == set(re.findall(r"\b(?:MIGRATE_)?DATABASE_URL\b|\bBILLSMITH_\w+", inspect.getsource(config)))


def test_every_command_says_what_it_does() -> None:
    for name in COMMANDS:
        command: Any = load(name)
        assert isinstance(command, typer.core.TyperGroup) or command.help, name
        assert all(child.help for child in getattr(command, "commands", {}).values()), name
