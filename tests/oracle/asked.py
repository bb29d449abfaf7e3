"""What is sold and what is asked for, in plain words: no value of the software under test appears here."""

from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction

Length = tuple[int, str]
"""So many of `d`, `m`."""


@dataclass(frozen=True)
class Charge:
    code: str
    price: str
    every: Length | None = None
    """None: once, when its phase begins."""
    in_arrears: bool = False
    per_unit: bool = True


@dataclass(frozen=True)
class Phase:
    kind: str
    charges: tuple[Charge, ...]
    lasts: Length | None = None


@dataclass(frozen=True)
class Plan:
    code: str
    product: str
    kind: str
    phases: tuple[Phase, ...]
    alignment: str


def plan(code: str, product: str, *phases: Phase, kind: str = "base", alignment: str = "account") -> Plan:
    return Plan(code, product, kind, phases, alignment)


def evergreen(*charges: Charge) -> Phase:
    return Phase("evergreen", charges)


MONTH, QUARTER, YEAR, WEEK, THIRTY = (1, "m"), (3, "m"), (12, "m"), (7, "d"), (30, "d")
TRIAL = Phase("trial", (Charge("trial", "0"),), (14, "d"))
PLANS = {
    one.code: one
    for one in (
        plan("monthly", "server", evergreen(Charge("fee", "20", MONTH))),
        plan("monthly-arrears", "server", evergreen(Charge("fee", "19.99", MONTH, in_arrears=True))),
        plan("quarterly", "server", evergreen(Charge("fee", "55.55", QUARTER))),
        plan("annual", "server", evergreen(Charge("fee", "199", YEAR)), alignment="subscription"),
        plan("weekly", "server", evergreen(Charge("fee", "4.33", WEEK))),
        plan("thirty-days", "server", evergreen(Charge("fee", "21.21", THIRTY, in_arrears=True))),
        plan("trial", "server", TRIAL, evergreen(Charge("fee", "30", MONTH), Charge("setup", "9.90"))),
        plan(
            "steps",
            "server",
            Phase("discount", (Charge("fee", "5", MONTH),), (2, "m")),
            evergreen(Charge("fee", "12.345", MONTH)),
        ),
        plan(
            "both",
            "server",
            evergreen(
                Charge("fee", "10", MONTH),
                Charge("support", "7.77", MONTH, in_arrears=True, per_unit=False),
                Charge("setup", "49", None),
            ),
        ),
        plan("free", "server", evergreen(Charge("fee", "0", MONTH))),
        plan("cluster", "cluster", evergreen(Charge("fee", "300", MONTH)), alignment="subscription"),
        plan("backup", "backup", evergreen(Charge("copies", "3.33", MONTH)), kind="add_on", alignment="group"),
        plan(
            "archive",
            "backup",
            evergreen(Charge("copies", "1.234567", MONTH, in_arrears=True)),
            kind="add_on",
            alignment="account",
        ),
    )
}
ADD_ONS = {"server": ("backup",), "cluster": ()}
"""Which add-on products may be had with a base product."""


@dataclass(frozen=True)
class Entry:
    """One thing that was asked for, and the day from which it counts."""

    kind: str
    """plan, quantity, bill_day, pause, resume, end."""
    on: date
    asked_no: int
    plan: str = ""
    counted_from: date = date.min
    """plan: from when its phases are counted."""
    quantity: Fraction | None = None
    prices: tuple[tuple[str, str], ...] = ()
    """Of its own, by charge."""
    bill_day: int | None = None
    used_until: date | None = None
    """end: until when it may be used, where that is another day."""


@dataclass
class Subscribed:
    """One subscription: the day on which it starts, and what was asked of it since; what was taken back is gone."""

    starts_on: date
    entries: list[Entry] = field(default_factory=list)
    billed_elsewhere_until: date | None = None
