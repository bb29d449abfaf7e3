"""What is handed out: pins that belong to pyproject, no trace of the machine it was made on, a wheel that is whole."""

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.source_tree import ROOT, SOURCE

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = (ROOT / "requirements.lock").read_text()

# Where packages come from is the business of whoever installs them.
MACHINE = {
    "a path of one machine": re.compile(r"(?<![\w.~*}-])/(?:work|root|Users|home/(?!ada\b)\w+|opt/(?!homebrew)\w+)/\w"),
    "a file's URL": re.compile(r"\bfile:/{2,}\w"),
    "a registry": re.compile(r"\b(?:pypi\.org|pythonhosted\.org|npmjs\.(?:org|com))\b"),
    "an index": re.compile(
        r"--(?:extra-)?index(?:-url)?\b|--find-link[s]\b|\bPIP_INDEX_URL\b|\bUV_(?:DEFAULT_)?INDEX\b"
    ),
}


def wanted() -> list[Requirement]:
    """Everything that pyproject asks for: to run, to develop, to build."""
    project, build = PROJECT["project"], PROJECT["build-system"]
    lists = [project["dependencies"], *project["optional-dependencies"].values(), build["requires"]]
    return [Requirement(text) for texts in lists for text in texts]


def pins(lock: str) -> dict[str, str]:
    """Package → version, of a requirements file with one pin per entry."""
    return {canonicalize_name(name): number for name, number in re.findall(r"^([\w.-]+)==([^\s;\\]+)", lock, re.M)}


def unhashed(lock: str) -> list[str]:
    """Entries that are no exact pin with a hash."""
    entries = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", lock, flags=re.M)).splitlines()
    return [entry.split()[0] for entry in entries if not re.match(r"[\w.-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", entry)]


def unmet(asked: list[Requirement], pinned: dict[str, str]) -> list[str]:
    """Requirements that have no pin, or one outside of what they allow."""
    return [
        str(need)
        for need in asked
        if (pin := pinned.get(canonicalize_name(need.name))) is None or not need.specifier.contains(pin, True)
    ]


def reached(asked: list[Requirement]) -> set[str]:
    """What these requirements bring with them, on any platform and whatever the extras."""
    found: set[str] = set()
    waiting = [canonicalize_name(need.name) for need in asked]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        try:
            waiting += [canonicalize_name(Requirement(text).name) for text in requires(name) or []]
        except PackageNotFoundError:
            continue  # of another platform
    return found


def traces(text: str) -> list[str]:
    """What in `text` tells of the machine or the registry it was made with."""
    return [f"{what}: {found[0]}" for what, pattern in MACHINE.items() if (found := pattern.search(text))]


def test_every_requirement_is_pinned_within_what_it_allows() -> None:
    assert unmet(wanted(), pins(LOCK)) == []


def test_every_pin_has_its_hashes() -> None:
    assert unhashed(LOCK) == []
    assert len(pins(LOCK)) > 30


def test_no_pin_is_left_over() -> None:
    assert sorted(set(pins(LOCK)) - reached(wanted())) == []


def test_what_is_installed_is_what_is_pinned() -> None:
    installed = {}
    for name in pins(LOCK):
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            continue  # of another platform
    assert {name: number for name, number in installed.items() if number != pins(LOCK)[name]} == {}
    assert len(installed) > 30


def test_a_missing_a_wrong_and_a_bare_pin_are_found() -> None:
    asked = [Requirement("Rich"), Requirement("typer>=2"), Requirement("babel<3")]
    lock = f"rich==1.0 \\\n    --hash=sha256:{'0' * 64}\ntyper==1.9\n"
    assert unmet(asked, pins(lock)) == ["typer>=2", "babel<3"]
    assert unhashed(lock) == ["typer==1.9"]


def test_no_file_tells_of_the_machine_it_was_made_on() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout: which files belong to the project is unknown")
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    texts = {file: file.read_bytes().decode(errors="replace") for file in files if file.is_file()}
    assert [f"{file.relative_to(ROOT)} holds {trace}" for file, text in texts.items() for trace in traces(text)] == []


@pytest.mark.parametrize(
    "planted",
    [
        *(f"cd /{folder}/billsmith" for folder in ("work", "root", "home/eve", "Users/eve", "opt/wheels")),
        "".join(["file:", "///", "srv/simple"]),
        "https://" + "files.python" + "hosted.org/packages",
        "".join(["--", "index-url", " https://mirror.example"]),
    ],
)
def test_a_trace_of_the_machine_is_found(planted: str) -> None:
    assert len(traces(planted)) == 1


@pytest.mark.parametrize("fine", ["~/work/x", "/home/ada/.local", "network/x", "$HOME/root/x", "/opt/homebrew/bin"])
def test_other_paths_tell_nothing(fine: str) -> None:
    assert traces(fine) == []


def test_the_wheel_holds_every_file_of_the_package(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    held = set(zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist())
    ours = {
        f"billsmith/{file.relative_to(SOURCE).as_posix()}"
        for file in SOURCE.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert ours - held == set()
    assert {"billsmith/py.typed", "billsmith/store/schema.sql"} <= held
