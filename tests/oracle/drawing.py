"""Stories drawn by a seed, for tests that look at a few of them."""

from datetime import date, timedelta
from random import Random
from typing import Any

from tests.oracle.asked import PLANS
from tests.oracle.stories import ADDED, BASES, UNDOABLE

STARTS = [date(2023, 12, 31), date(2024, 1, 1), date(2024, 1, 30), date(2024, 2, 29), date(2025, 1, 31)]
BILL_DAYS = [1, 15, 28, 29, 30, 31]
QUANTITIES = ["1", "2", "3", "0.5", "0"]
PRICES = [None, None, "0", "13.37", "8.8888"]
WAITS = [0, 0, 1, 5, 13, 28, 31, 60]


def drawn_story(by: Random, most_steps: int) -> dict[str, Any]:
    """One that the same seed tells again."""
    steps = [(by.choice([*WAITS, by.randint(0, 100)]), drawn_step(by)) for _ in range(by.randint(1, most_steps))]
    return {
        "start": by.choice([*STARTS, date(2024, 1, 1) + timedelta(days=by.randint(0, 500))]),
        "begins": by.choice([0, 0, 0, -45, 20]),
        "plan": by.choice(BASES),
        "customers_day": by.choice([None, by.choice(BILL_DAYS)]),
        "own_day": by.choice([None, None, None, by.choice(BILL_DAYS)]),
        "quantity": by.choice(QUANTITIES),
        "add_on": by.choice([None, *ADDED]),
        "steps": steps,
    }


def drawn_step(by: Random) -> tuple[Any, ...]:
    """One thing that is asked."""
    nth, quantity, bill_day = by.choice([0, 0, 1]), by.choice(QUANTITIES), by.choice(BILL_DAYS)
    when = by.choice(["immediate", "end_of_term", "start_of_term", by.randint(-70, 70)])
    maybe_nth, maybe_day = by.choice([None, 0, 1]), by.choice([None, bill_day])
    plan = by.choice(BASES if nth == 0 else [*ADDED, *PLANS])
    changed = ("plan", nth, plan, when, by.choice([None, quantity]), by.choice(PRICES), by.random() < 0.5, maybe_day)
    steps: list[tuple[Any, ...]] = [
        changed,
        changed,
        ("quantity", nth, quantity, when),
        ("bill_day", nth, bill_day, by.choice([None, by.randint(-40, 60)])),
        ("pause", maybe_nth, by.choice([None, by.randint(-60, 60)])),
        ("resume", maybe_nth, by.choice([None, by.randint(-20, 60)])),
        ("cancel", nth, when, by.choice(["prorated", "none", "full"])),
        ("undo", nth, by.choice(sorted(UNDOABLE))),
        ("add_on", by.choice(ADDED), quantity),
        ("run", by.randint(-40, 0)),
        ("run", 0),
        ("run_ahead", by.randint(1, 70)),
    ]
    return by.choice(steps)
