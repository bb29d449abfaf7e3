"""The guide to the fake gateway has every word of its script, and none that means nothing."""

import re
from datetime import timedelta

import pytest

from billsmith.gateways.fake import FakeGateway, script
from billsmith.gateways.fake.script import DECLINES, UnknownWord, behaviour_of
from billsmith.gateways.port import GatewayAccount
from tests.gateways.made import charged, fake_account, operation, send
from tests.house.source_tree import ROOT

PAGE = (ROOT / "docs" / "guides" / "fake-gateway.md").read_text()
SCRIPT = PAGE[PAGE.index("## What becomes") : PAGE.index("Captures, cancellations")]
WORDS = sorted({word for line in SCRIPT.splitlines() for word in re.findall(r"`(\w+)`", line)})


@pytest.mark.parametrize("word", WORDS)
def test_every_word_of_the_guide_means_something(word: str) -> None:
    assert word == "ok" or behaviour_of(word) != behaviour_of("ok")


def test_the_guide_has_every_word() -> None:
    assert {*script.PLAIN, *DECLINES} - set(WORDS) == set()
    for pattern, _ in script.PATTERNS:
        assert any(re.fullmatch(pattern, word) for word in WORDS), pattern


@pytest.mark.parametrize(
    "word", ["", "nonsense", "declined_", "pending_3d", "slow_5", "refund_nonsense", "n", "3d", "ok "]
)
def test_other_words_mean_nothing(word: str) -> None:
    with pytest.raises(UnknownWord):
        behaviour_of(word)


def test_words_add_up() -> None:
    both = behaviour_of("pending_3d_fail.expired_card.n7.refund_fails")
    assert (both.first, both.decided_after, both.outcome) == ("pending", timedelta(days=3), "fail")
    assert both.decline == "expired_card"
    assert behaviour_of("pending_3d_fail.refund_fails", "refund").first == "decided"


async def test_a_slow_reply_and_latency_still_arrive(gateway: FakeGateway, account: GatewayAccount) -> None:
    slow = fake_account(account.id, latency_ms="20")
    await send(gateway, slow, operation(payment_method="tok_slow_20ms"))
    assert await charged(gateway, slow) == [("charge", 1000, "EUR")]
