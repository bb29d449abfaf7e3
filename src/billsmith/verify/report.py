"""What a run of verify found: a result per check, each with the differences it names."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class Difference:
    """One stored figure that is not what its rows come to. None: there is no row, or nothing in it."""

    check: str
    tenant_id: UUID | None
    object: str
    figure: str
    expected: str | None
    stored: str | None


@dataclass(frozen=True)
class CheckResult:
    """What one check found. `found` counts all differences; `differences` has the first of them."""

    name: str
    proves: str
    found: int
    differences: tuple[Difference, ...]
    seconds: float


@dataclass(frozen=True)
class Progress:
    """How far a run is. Of all rows that checks read, those that ended have read so many: that tells the time left."""

    ended: int
    checks: int
    rows_read: int
    rows: int
    under_way: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """What a whole run found; `rows` says how many rows each table had in the snapshot that was looked at."""

    checks: tuple[CheckResult, ...]
    rows: dict[str, int]
    seconds: float

    @property
    def found(self) -> int:
        """How many differences there are in all."""
        return sum(check.found for check in self.checks)

    @property
    def differences(self) -> tuple[Difference, ...]:
        """The first differences of every check."""
        return tuple(difference for check in self.checks for difference in check.differences)
