"""Worked examples of several systems: each area has inputs and outputs of its own, and a function here that gives the
outputs again by core's rules. An area without one does not exist yet.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tests.cases import worked_proration
from tests.cases.report import NotYet

Case = Mapping[str, Any]

AREAS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {**worked_proration.AREAS}
"""From an area to what gives its outputs, by the names that cases of it expect."""

NO_TARGET = "page_states_"
"""What a document says, and the system that it describes does not do."""


def has_shape(case: Case) -> bool:
    """Whether it has an area, inputs and expected outputs."""
    return isinstance(case.get("area"), str) and isinstance(case.get("inputs"), dict) and "expected" in case


def differ(case: Case) -> list[str]:
    """What differs; nothing if every expected output is ours."""
    if case["area"] not in AREAS:
        raise NotYet(f"area {case['area']}")
    got = AREAS[case["area"]](case["inputs"])
    found = []
    for name, expected in case["expected"].items():
        if name.startswith(NO_TARGET):
            continue
        if name not in got:
            found.append(f"{name} is not computed, expected {expected}")
        elif got[name] != expected:
            found.append(f"{name} is {got[name]}, expected {expected}")
    return found
