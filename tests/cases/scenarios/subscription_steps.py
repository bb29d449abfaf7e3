"""Steps about subscriptions, and what cases assert about them."""

from tests.cases.scenarios.money_steps import Driver
from tests.cases.scenarios.reading import Books
from tests.cases.scenarios.values import Expectation, Scenario, Step
from tests.cases.scenarios.world import World

DRIVERS: dict[type[Step], Driver] = {}


async def load_catalogs(world: World, scenario: Scenario) -> None:
    """The catalogues of the case, each from its date."""


async def differences(world: World, scenario: Scenario, block: Expectation, books: dict[str, Books]) -> list[str]:
    """What differs about subscriptions."""
    return []


def preview_differs(world: World, block: Expectation, books: Books) -> list[str]:
    """What differs about the items of the last preview."""
    return []
