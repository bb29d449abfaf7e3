"""Reading a source tree, and planting a small one to see a guard fail."""

import ast
import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "billsmith"


@dataclass(frozen=True)
class Module:
    """One Python file: where it is below the root of its tree, its text, and its syntax tree."""

    path: str
    text: str
    tree: ast.Module
    nodes: tuple[ast.AST, ...]
    """All of the tree."""

    @property
    def room(self) -> str:
        """`core` for core/money.py, `clock` for clock.py."""
        return self.path.split("/")[0].removesuffix(".py")

    def at(self, node: ast.AST | None, what: str) -> str:
        """One breach, as the guards report it: core/money.py:12 what."""
        return f"{self.path}:{getattr(node, 'lineno', 1)} {what}"


def modules(root: Path, below: str = "") -> Iterator[Module]:
    """Every Python file below `root/below`, by path; a `below` that isn't there has none."""
    for file in sorted((root / below).rglob("*.py")):
        text = file.read_text()
        yield Module(file.relative_to(root).as_posix(), text, *_parsed(str(file), text))


@functools.cache
def _parsed(file: str, text: str) -> tuple[ast.Module, tuple[ast.AST, ...]]:
    """Read once for all guards: parsing is most of what they would do."""
    tree = ast.parse(text, file)
    return tree, tuple(ast.walk(tree))


def plant(root: Path, files: dict[str, str]) -> Path:
    """Write `files` (path → text) below `root` and give `root` back."""
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def docstrings(tree: ast.Module) -> set[int]:
    """The ids of the nodes that are docstrings or bare strings: prose, not values."""
    return {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def strings(tree: ast.Module) -> Iterator[ast.Constant]:
    """Every string in the code that is not prose; of an f-string its plain parts."""
    prose = docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node


def functions(nodes: Iterable[ast.AST]) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function among them, inner ones and methods included."""
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
