"""`catalog apply|show`: a file applied as it is written, every mistake named by its line, and shown."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from billsmith.cli.catalog.reading import CatalogFileUnreadable, read_catalog_file
from billsmith.cli.main import app
from billsmith.core.catalog.checks import checked
from billsmith.core.catalog.given import ChargeGiven, PlanGiven, catalog_given
from tests.contexts import TEST_KEY
from tests.core.catalog.made import EMPTY, HOSTING, TODAY, applied, made_of
from tests.house.source_tree import ROOT

EXAMPLE = ROOT / "examples" / "pricing.yml"

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database: str, key: str) -> Run:
    """Types a command for the database of this test, in which there is one tenant."""
    monkeypatch.delenv("MIGRATE_DATABASE_URL", raising=False)
    environment = {
        "BILLSMITH_HOME": str(tmp_path), "DATABASE_URL": database, "BILLSMITH_SECRET_KEYS": TEST_KEY, "COLUMNS": "300",
    }  # fmt: skip

    def typed(*args: str) -> Result:
        return CliRunner().invoke(app, args, env=environment)

    return typed


def file_of(tmp_path: Path, text: str, name: str = "pricing.yml") -> Path:
    """A file with that text."""
    path = tmp_path / name
    path.write_text(text)
    return path


def document(tmp_path: Path, text: str, name: str = "pricing.yml") -> Any:
    """What a file with that text says."""
    return read_catalog_file(file_of(tmp_path, text, name)).document


def test_the_example_is_shown_then_applied_then_nothing_is_left_to_do(run: Run) -> None:
    shown = run("catalog", "apply", str(EXAMPLE), "--diff")
    assert shown.exit_code == 0, shown.output
    assert "+ plan hosting-yearly: version 1 from 1970-01-01" in shown.stdout
    assert "nothing was stored" in shown.stdout
    assert json.loads(run("catalog", "show", "--json").stdout).get("plans", {}) == {}
    applied = run("catalog", "apply", str(EXAMPLE))
    assert applied.exit_code == 0, applied.output
    assert "applied; the catalogue is at version 1" in applied.stdout
    assert "nothing changes" in run("catalog", "apply", str(EXAMPLE)).stdout


def test_another_price_is_shown_with_what_it_was(run: Run, tmp_path: Path) -> None:
    run("catalog", "apply", str(EXAMPLE))
    dearer = file_of(tmp_path, EXAMPLE.read_text().replace("EUR: 199.00", "EUR: 219.00"))
    shown = run("catalog", "apply", str(dearer), "--diff").stdout
    assert "~ plan hosting-yearly: version 2 from" in shown
    assert "/phases/1/charges/0/prices/EUR: 199.00 → 219.00" in shown
    as_json = json.loads(run("catalog", "apply", str(dearer), "--json").stdout)
    assert (as_json["applied"], as_json["plans"][0]["version"]) == (True, 2)


def test_what_is_shown_can_be_applied_and_changes_nothing(run: Run, tmp_path: Path) -> None:
    run("catalog", "apply", str(EXAMPLE))
    shown = run("catalog", "show").stdout
    assert "EUR: '19.90'" in shown
    assert "nothing changes" in run("catalog", "apply", str(file_of(tmp_path, shown))).stdout
    as_json = file_of(tmp_path, run("catalog", "show", "--json").stdout, "pricing.json")
    assert "nothing changes" in run("catalog", "apply", str(as_json)).stdout


def test_every_mistake_is_named_by_its_line_and_its_place(run: Run, tmp_path: Path) -> None:
    text = EXAMPLE.read_text().replace("JPY: 32000", "JPY: -1").replace("kind: standalone ", "kind: alone ")
    refused = run("catalog", "apply", str(file_of(tmp_path, text)))
    assert refused.exit_code == 1
    line = 1 + text[: text.index("kind: alone")].count("\n")
    assert f"pricing.yml:{line}  /products/domain/kind: one of base, add_on, standalone is needed" in refused.stderr
    text = EXAMPLE.read_text().replace("JPY: 32000", "JPY: -1").replace("add_ons: [backup]", "add_ons: [gone]")
    refused = run("catalog", "apply", str(file_of(tmp_path, text)))
    assert "2 places are wrong" in refused.stderr
    for place, at in (
        ("/plans/hosting-yearly/phases/1/charges/0/prices/JPY", "JPY: -1"), ("/products/hosting/add_ons/0", "[gone]"),
    ):  # fmt: skip
        line = 1 + text[: text.index(at)].count("\n")
        assert f"pricing.yml:{line}  {place}: " in refused.stderr
    assert json.loads(run("catalog", "show", "--json").stdout).get("plans", {}) == {}


def test_numbers_stay_as_they_were_written(tmp_path: Path) -> None:
    read = document(tmp_path, "charges: [{prices: {EUR: 19.90, USD: 20, JPY: 1e3}, tax: {percent: 19.0}}]\nevery: 3\n")
    assert read == {
        "charges": [{"prices": {"EUR": "19.90", "USD": "20", "JPY": "1e3"}, "tax": {"percent": "19.0"}}], "every": 3,
    }  # fmt: skip


def test_nothing_is_guessed(tmp_path: Path) -> None:
    text = 'a: yes\nb: no\nc: 2026-04-01\nd: 1:30\ne: true\nf: ~\ng: "5"\nh: 010\non: off\ni: 1.5\n'
    assert document(tmp_path, text) == {
        "a": "yes", "b": "no", "c": "2026-04-01", "d": "1:30", "e": True, "f": None, "g": "5", "h": "010", "on": "off",
        "i": "1.5",
    }  # fmt: skip
    assert document(tmp_path, "") == {}
    assert document(tmp_path, "# nothing\n") == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", ":3: the field 'a' is there twice"),
        ("a: [1\n", "expected"),
        ("a: !!python/object/apply:os.system ['true']\n", "has no meaning here"),
        ("a: !secret x\n", "has no meaning here"),
        ("? [a, b]\n: c\n", "a name is needed here"),
        ("a: &x [*x]\n", "nested too deeply"),
        ("a: *gone\n", "undefined alias"),
        ("a: 1\n---\nb: 2\n", "found another document"),
        ("\t- a", "cannot start any token"),
        ("[" * 2000, ""),
    ],
)
def test_a_file_that_has_no_one_meaning_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(CatalogFileUnreadable, match="pricing") as refused:
        document(tmp_path, text)
    assert said in refused.value.detail


def test_what_repeats_itself_without_end_is_refused(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))
    with pytest.raises(CatalogFileUnreadable, match="says too much"):
        document(tmp_path, bomb)


def test_json_is_read_too(tmp_path: Path) -> None:
    assert document(tmp_path, json.dumps(HOSTING), "pricing.json") == HOSTING
    for text in ('{"a": 1, "a": 2}', "{", "[" * 100_000, "nul"):
        with pytest.raises(CatalogFileUnreadable, match="pricing"):
            document(tmp_path, text, "pricing.json")
    with pytest.raises(CatalogFileUnreadable, match="can't be read"):
        read_catalog_file(tmp_path / "gone.yml")
    (tmp_path / "latin.yml").write_bytes(b"a: \xfc\n")
    with pytest.raises(CatalogFileUnreadable, match="not UTF-8"):
        read_catalog_file(tmp_path / "latin.yml")


def test_the_example_and_a_document_in_json_mean_the_same(tmp_path: Path) -> None:
    read = read_catalog_file(EXAMPLE).document
    as_json = document(tmp_path, json.dumps(read), "pricing.json")
    assert checked(catalog_given(as_json), EMPTY, TODAY) == checked(catalog_given(read), EMPTY, TODAY)


GUIDE = (ROOT / "docs" / "guides" / "catalogue.md").read_text()


def test_the_guides_examples_can_be_applied_after_the_whole_one(tmp_path: Path) -> None:
    before = applied(read_catalog_file(EXAMPLE).document)
    blocks = re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        assert not made_of(document(tmp_path, block), before).is_empty


@pytest.mark.parametrize("shape", [ChargeGiven, PlanGiven])
def test_the_guide_explains_every_field(shape: Any) -> None:
    said = set(re.findall(r"`(\w+)`", GUIDE))
    assert set(shape.__struct_fields__) - {"product", "name"} <= said
