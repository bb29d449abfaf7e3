"""Previews: what the next run, or a verb and the run after it, would bill."""

from tests.cases.scenarios.money_steps import Driver
from tests.cases.scenarios.reading import Books
from tests.cases.scenarios.values import Expectation, Step
from tests.cases.scenarios.world import World

DRIVERS: dict[type[Step], Driver] = {}


def preview_differs(world: World, block: Expectation, books: Books) -> list[str]:
    """What differs about the items of the last preview."""
    return []
