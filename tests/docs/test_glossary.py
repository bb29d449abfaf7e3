"""The glossary has every word that the code tells its users, explains each once, and has none that isn't used."""

import re
from itertools import pairwise
from typing import Any, get_args

import pytest

from billsmith.core import ledger
from billsmith.core.credits import CreditSource
from billsmith.core.customers import Invoicing
from billsmith.core.facts import FactType
from billsmith.core.invoices import CollectionReason, CollectionState, Direction, LineKind, Status
from billsmith.core.ledger import PostingKind
from billsmith.core.payments.payment import AttemptStatus, PaymentStatus
from billsmith.core.payments.refunds import RefundStatus
from billsmith.core.payments.results import DeclineBucket
from billsmith.core.subscriptions.subscription import ChangeKind, SubscriptionStatus
from billsmith.core.tenants import Scope
from tests.house.source_tree import ROOT, SOURCE

PAGE = ROOT / "docs" / "glossary.md"
ENTRY = re.compile(r"- (?:\*\*(?P<word>[a-z ]+)\*\*|`(?P<value>[a-z_.]+)`): \S.*\.")


def sections() -> dict[str, list[str]]:
    """The lines of each section, by its heading."""
    _, *parts = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)
    return {
        heading: [line for line in lines if line] for heading, *lines in (part.rstrip().split("\n") for part in parts)
    }


SECTIONS = sections()


def explained(heading: str) -> list[str]:
    return [found["word"] or found["value"] for line in SECTIONS[heading] if (found := ENTRY.fullmatch(line))]


VALUES: dict[str, Any] = {
    "Status of an invoice": get_args(Status),
    "Collection state of an open invoice": get_args(CollectionState),
    "Reason of a collection state": get_args(CollectionReason),
    "Status of a payment": get_args(PaymentStatus),
    "Status of an attempt": get_args(AttemptStatus),
    "Status of a refund": get_args(RefundStatus),
    "Decline bucket": list(DeclineBucket),
    "Direction of an invoice": get_args(Direction),
    "Kind of a line": get_args(LineKind),
    "Account": [value for name, value in vars(ledger).items() if name.isupper() and isinstance(value, str)],
    "Kind of a posting": get_args(PostingKind),
    "Source of a credit": get_args(CreditSource),
    "Status of a subscription": get_args(SubscriptionStatus),
    "Kind of a change of a subscription": get_args(ChangeKind),
    "Invoicing switch of a customer": get_args(Invoicing),
    "Scope of a key": list(Scope),
    "Type of an event": get_args(FactType),
}


@pytest.mark.parametrize("heading", SECTIONS)
def test_each_entry_is_one_line_and_they_are_in_order(heading: str) -> None:
    assert [line for line in SECTIONS[heading] if not ENTRY.fullmatch(line)] == []
    words = explained(heading)
    assert [one for one, other in pairwise(words) if one >= other] == []


@pytest.mark.parametrize("heading", VALUES)
def test_every_value_that_users_meet_is_explained(heading: str) -> None:
    assert explained(heading) == sorted(str(value) for value in VALUES[heading])


def test_there_are_no_sections_but_these() -> None:
    assert set(SECTIONS) == {"Words", *VALUES}


def test_every_word_is_used() -> None:
    source = "\n".join(
        file.read_text().lower() for ending in ("py", "sql") for file in sorted(SOURCE.rglob(f"*.{ending}"))
    )
    said = set(re.findall(r"[a-z]+", source))
    phrases = [word for word in explained("Words") if " " in word]
    assert [word for word in explained("Words") if " " not in word and word not in said] == []
    assert [phrase for phrase in phrases if not re.search(phrase.replace(" ", "[_ -]?"), source)] == []
