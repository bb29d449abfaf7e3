"""The format as a whole: which cases are of it, and its cases run in a database of their own."""

import asyncio
from collections.abc import Sequence
from typing import Any

from tests.cases.report import Verdict
from tests.cases.scenarios.database import opened_context
from tests.cases.scenarios.playing import play_all

Case = dict[str, Any]


def has_shape(case: Case) -> bool:
    """Whether it has steps."""
    return "steps" in case


def run_scenarios(cases: Sequence[Case]) -> list[Verdict]:
    """The verdict on each case, in their order."""

    async def run() -> list[Verdict]:
        async with opened_context() as context:
            return await play_all(context, cases)

    return asyncio.run(run())
