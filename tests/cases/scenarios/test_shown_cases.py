"""The cases that are shown, played through the engine."""

import json
from pathlib import Path

import pytest

from billsmith.actions.context import Context
from tests.cases.scenarios.playing import play_all


@pytest.mark.parametrize("name", ["scenarios.json", "scenarios_extra.json"])
async def test_no_shown_scenario_fails(context: Context, shared: Path, name: str):
    verdicts = await play_all(context, json.loads((shared / "cases" / name).read_text()))
    failed = [line for one in verdicts if one.status == "failed" for line in (one.id, *one.details)]
    assert not failed, "\n".join(failed)
    assert any(one.status == "passed" for one in verdicts)
