"""What people wrote is shown as they wrote it, whatever it means to the terminal."""

import pytest
from typer.testing import CliRunner

from billsmith.cli.main import app

ODD = "[bold]odd[/x]"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, database: str) -> CliRunner:
    """Types commands for the database of this test."""
    monkeypatch.delenv("MIGRATE_DATABASE_URL", raising=False)
    return CliRunner(env={"DATABASE_URL": database, "COLUMNS": "200"})


@pytest.mark.parametrize(
    "words",
    [
        ("tenant", "list"),
        ("keys", "create", ODD),
        ("keys", "list"),
        ("clock", "advance", "1d"),
        ("subscriptions", "list", "--customer", ODD),
        ("subscriptions", "list", "--tenant", ODD + "?"),
    ],
)
def test_markup_in_names_is_text(run: CliRunner, words: tuple[str, ...]) -> None:
    assert ODD in run.invoke(app, ["tenant", "create", ODD, "--sandbox"]).output
    assert run.invoke(app, ["keys", "create", ODD]).exit_code == 0
    assert ODD in run.invoke(app, list(words)).output
