"""Plugins come by entry point; a broken one is named, and stops nobody."""

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest

from billsmith.gateways.external import ExternalGateway
from billsmith.gateways.fake import FakeGateway
from billsmith.gateways.registry import GROUP, NoSuchGateway, load_gateways


def plugin(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, GROUP)


def test_an_installed_plugin_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = tmp_path / "awkward-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: awkward\nVersion: 1.0\n")
    value = "tests.gateways.samples.awkward:AwkwardGateway"
    (installed / "entry_points.txt").write_text(f"[{GROUP}]\nawkward = {value}\nmissing = no_such_module:Gateway\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry = load_gateways([ExternalGateway()], entry_points(group=GROUP))
    assert set(registry.gateways) == {"external", "awkward"}
    assert registry.gateway("awkward").name == "awkward"
    [broken] = registry.broken
    assert (broken.name, broken.distribution) == ("missing", "awkward")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("gone", "no_such_module:Gateway", "ModuleNotFoundError"),
        ("gone", "billsmith.gateways.fake:Gone", "AttributeError"),
        ("needy", "billsmith.gateways.fake:FakeGateway", "TypeError"),
        ("shy", "builtins:object", "AttributeError"),
        ("alias", "billsmith.gateways.external:ExternalGateway", "it calls itself 'external'"),
        ("half", "tests.gateways.test_registry:Half", "it lacks begin_setup, cancel, capabilities"),
        ("fake", "billsmith.gateways.external:ExternalGateway", "another gateway has this name already"),
    ],
)
def test_a_broken_plugin_is_named_and_the_others_work(tmp_path: Path, name: str, value: str, reason: str) -> None:
    good = plugin("awkward", "tests.gateways.samples.awkward:AwkwardGateway")
    registry = load_gateways([FakeGateway(tmp_path)], [plugin(name, value), good])
    assert set(registry.gateways) == {"fake", "awkward"}
    [broken] = registry.broken
    assert broken.name == name
    assert reason in broken.reason
    if name != "fake":
        with pytest.raises(NoSuchGateway, match=reason.split(maxsplit=1)[0]):
            registry.gateway(name)


def test_a_gateway_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NoSuchGateway, match="there is fake"):
        load_gateways([FakeGateway(tmp_path)], []).gateway("stripe")


class Half:
    """A plugin whose author stopped half-way."""

    name = "half"
