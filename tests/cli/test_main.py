"""The list of commands, and that each can be loaded."""

import importlib.metadata

import pytest
from typer.testing import CliRunner

from billsmith.cli.main import COMMANDS, app


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_in_the_list_explains_itself(name: str) -> None:
    listed = CliRunner().invoke(app, ["--help"])
    assert f"│ {name} " in listed.stdout
    shown = CliRunner().invoke(app, [name, "--help"])
    assert shown.exit_code == 0
    assert f"billsmith {name}" in " ".join(shown.stdout.split())


def test_the_version_is_that_of_the_distribution() -> None:
    shown = CliRunner().invoke(app, ["--version"])
    assert shown.stdout == f"billsmith {importlib.metadata.version('billsmith')}\n"


def test_a_misspelt_command_is_guessed() -> None:
    refused = CliRunner().invoke(app, ["sevre"])
    assert refused.exit_code == 2
    assert "serve" in refused.output
