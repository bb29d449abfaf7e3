"""The format as a whole: which documents are of it, and its cases run in a database of their own."""

import asyncio
from collections.abc import Sequence
from typing import Any

from tests.cases.scenarios.database import opened_context
from tests.cases.scenarios.playing import Verdict, play_all


def is_scenarios(document: Any) -> bool:
    """Whether it is a list of cases with steps."""
    return (
        isinstance(document, list)
        and bool(document)
        and all(isinstance(one, dict) and "steps" in one for one in document)
    )


def run_scenarios(cases: Sequence[dict[str, Any]]) -> list[Verdict]:
    """The verdict on each case, in their order."""

    async def run() -> list[Verdict]:
        async with opened_context() as context:
            return await play_all(context, cases)

    return asyncio.run(run())
