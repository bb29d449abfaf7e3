"""The formats of cases, each known by its shape alone: neither files nor cases are known by name."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tests.cases import corrections, proration, worked
from tests.cases.report import NotYet, Unreadable, Verdict
from tests.cases.scenarios import running

Case = dict[str, Any]


class Format(NamedTuple):
    """A kind of case: whether one has its shape, and the verdicts on several, in their order."""

    name: str
    has_shape: Callable[[Case], bool]
    run: Callable[[Sequence[Case]], Sequence[Verdict]]


def one_by_one(differences: Callable[[Case], Sequence[str]]) -> Callable[[Sequence[Case]], list[Verdict]]:
    """Runs a format whose cases need nothing but core: from what differs in each."""

    def verdict(case: Case) -> Verdict:
        try:
            found = tuple(differences(case))
        except NotYet as reason:
            return Verdict(case["id"], "skipped", (str(reason),))
        except (Unreadable, LookupError, TypeError, ValueError, ArithmeticError) as error:
            return Verdict(case["id"], "failed", (f"this case can't be read: {type(error).__name__}: {error}",))
        return Verdict(case["id"], "failed" if found else "passed", found)

    return lambda cases: [verdict(case) for case in cases]


def _usage_tiers(case: Case) -> Sequence[str]:
    raise NotYet("usage tiers")


def _unknown(case: Case) -> Sequence[str]:
    raise Unreadable("it has the shape of no format")


FORMATS: tuple[Format, ...] = (
    Format("scenarios", running.has_shape, running.run_scenarios),
    Format("corrections", corrections.has_shape, one_by_one(corrections.differ)),
    Format("proration", proration.has_shape, one_by_one(proration.differ)),
    Format("usage tiers", lambda case: "usage_type" in case, one_by_one(_usage_tiers)),
    Format("worked examples", worked.has_shape, one_by_one(worked.differ)),
    Format("unknown", lambda case: True, one_by_one(_unknown)),
)
"""The first whose shape a case has is its format."""


def format_of(case: Case) -> Format:
    """The format of a case; one of no known shape fails."""
    return next(one for one in FORMATS if one.has_shape(case))
