"""The names in a Python file and the words that none of them may have, by its syntax tree."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from k2_support.source import parsed

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = ("deploy", "schemas", "services", "shared", "tests")
METRICS = ROOT / "shared/src/k2_shared/core/metrics.py"

_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_LABEL = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


class Named(NamedTuple):
    """A name and where it is defined: the path within the repository, and the line."""

    path: str
    line: int
    name: str


def modules(root: Path = ROOT) -> list[Path]:
    """Every Python file of ours."""
    return sorted(path for folder in FOLDERS for path in (root / folder).rglob("*.py"))


def names(path: Path, root: Path = ROOT) -> Iterator[Named]:
    """The module's name, and all that it defines: classes, functions, arguments, variables, fields, labels."""
    place = str(path.relative_to(root))
    yield from (Named(place, 1, part) for part in path.relative_to(root).with_suffix("").parts)
    tree = parsed(path)
    for node in ast.walk(tree):
        yield from (Named(place, getattr(node, "lineno", 1), name) for name in _defined(node))
    yield from (Named(place, line, label) for line, label in _labels(tree, everywhere=path == METRICS))


def definitions(path: Path, root: Path = ROOT) -> Iterator[Named]:
    """The classes and the type aliases of a module."""
    place = str(path.relative_to(root))
    for node in parsed(path).body:
        if isinstance(node, ast.ClassDef):
            yield Named(place, node.lineno, node.name)
        elif isinstance(node, ast.Assign):
            yield from (Named(place, node.lineno, each.id) for each in node.targets if isinstance(each, ast.Name))


def unwanted(name: str, words: Mapping[str, str]) -> str | None:
    """The first of the words that a name has as one of its parts, in the singular or the plural."""
    if name.startswith("__"):
        return None  # Python's own
    parts = [part.lower() for part in _PART.findall(name)]
    for word in words:
        wanted = word.split("_")
        for start in range(len(parts) - len(wanted) + 1):
            if parts[start : start + len(wanted)] in (wanted, [*wanted[:-1], f"{wanted[-1]}s"]):
                return word
    return None


def _defined(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name
        case ast.arg(arg=name) | ast.alias(asname=str(name)) | ast.MatchAs(name=str(name)):
            yield name
        case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
            yield name


def _labels(tree: ast.Module, *, everywhere: bool) -> Iterator[tuple[int, str]]:
    """The texts that constants of a module are, as the names of log events are; or all texts of the metrics' module."""
    for node in ast.walk(tree) if everywhere else (each.value for each in tree.body if isinstance(each, ast.Assign)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _LABEL.fullmatch(node.value):
            yield node.lineno, node.value
