"""What became of cases: a line for each, what differs below it, the sum at the end; the same as JSON."""

import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

DEVIATIONS = Path(__file__).with_name("deviations.toml")
MOST_DEVIATIONS = 5

Status = Literal["passed", "failed", "skipped"]


class NotYet(Exception):
    """A case needs an area, a kind or a step that does not exist yet: it is skipped, and that is named."""


class Unreadable(Exception):
    """A case breaks its own format: it fails, with the place."""


class Verdict(msgspec.Struct, frozen=True):
    """What became of a case: what differs, or why it is left out."""

    id: str
    status: Status
    details: tuple[str, ...] = ()


class Ruling(msgspec.Struct, frozen=True):
    """A verdict with where its case stands, and why it differs on purpose where it does."""

    file: str
    format: str
    id: str
    status: Status
    details: tuple[str, ...] = ()
    deviates_because: str | None = None


class Deviation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A case whose figures are not ours, on purpose."""

    case: str
    reason: str
    decision: str
    """The page that says why, from the root of the project."""


def load_deviations(path: Path = DEVIATIONS) -> dict[str, Deviation]:
    """Those listed, by case. Raises Unreadable where there are too many, or one says too little."""
    try:
        listed = msgspec.convert(tomllib.loads(path.read_text()).get("deviation", []), list[Deviation])
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Unreadable(f"{path.name}: {error}") from error
    if len(listed) > MOST_DEVIATIONS:
        raise Unreadable(f"{path.name}: {len(listed)} deviations; more than {MOST_DEVIATIONS} is another engine")
    for one in listed:
        if not one.reason.strip() or not one.decision.startswith("docs/decisions/"):
            raise Unreadable(f"{path.name}: {one.case} lacks its reason, or the page of its decision")
    return {one.case: one for one in listed}


def ruled(file: str, format_: str, verdict: Verdict, deviations: Mapping[str, Deviation]) -> Ruling:
    """A case that differs on purpose counts as skipped, and says why; one that does not differ any more has passed."""
    listed = deviations.get(verdict.id)
    if listed is None or verdict.status != "failed":
        return Ruling(file, format_, verdict.id, verdict.status, verdict.details)
    return Ruling(file, format_, verdict.id, "skipped", verdict.details, listed.reason)


def lines_of(ruling: Ruling) -> Iterator[str]:
    """A line for the case, and what differs, or what is missing, below it."""
    if ruling.deviates_because is not None:
        yield f"skipped  {ruling.id}: differs on purpose: {ruling.deviates_because}"
    elif ruling.status == "skipped":
        yield f"skipped  {ruling.id}: not yet: {'; '.join(ruling.details)}"
        return
    else:
        yield f"{ruling.status:<8} {ruling.id}"
    for line in ruling.details:
        yield f"         {line}"


def summary(rulings: Sequence[Ruling]) -> list[str]:
    """What was skipped for, most often first, and the sum of all."""
    reasons = Counter(
        reason for one in rulings if one.status == "skipped" and one.deviates_because is None for reason in one.details
    )
    lines = [f"not yet: {reason} ({count})" for reason, count in reasons.most_common()]
    on_purpose = sum(one.deviates_because is not None for one in rulings)
    if on_purpose:
        lines.append(f"differ on purpose, see tests/cases/{DEVIATIONS.name}: {on_purpose}")
    counts = Counter(one.status for one in rulings)
    lines.append(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return lines


def as_json(rulings: Iterable[Ruling]) -> bytes:
    """Every ruling and the sums, for programs."""
    cases = list(rulings)
    counts = Counter(one.status for one in cases)
    sums: dict[str, Any] = {status: counts[status] for status in ("passed", "failed", "skipped")}
    return msgspec.json.format(msgspec.json.encode({"cases": cases, **sums}))
