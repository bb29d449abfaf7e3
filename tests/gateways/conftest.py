"""A fake gateway whose books are gone after the test."""

from pathlib import Path

import pytest

from billsmith.gateways.fake import FakeGateway
from billsmith.gateways.port import GatewayAccount
from tests.gateways.made import fake_account


@pytest.fixture
def gateway(tmp_path: Path) -> FakeGateway:
    """A fake gateway with its books in a fresh folder."""
    return FakeGateway(tmp_path / "books")


@pytest.fixture
def account() -> GatewayAccount:
    """A sandbox account at it."""
    return fake_account()
