"""A syntax tree is made whatever else this process has left behind."""

import ast
import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from k2_support.source import parsed


def parse_too(*_: object) -> None:
    """As a traceback does that is logged by what is collected."""
    ast.parse("a = [1, 2]")


@pytest.fixture
def eager() -> Iterator[None]:
    """Garbage is collected as often as can be."""
    usual = gc.get_threshold()
    gc.callbacks.append(parse_too)
    gc.set_threshold(1, 1, 1)
    yield
    gc.set_threshold(*usual)
    gc.callbacks.remove(parse_too)


@pytest.mark.usefixtures("eager")
def test_garbage_is_not_collected_amid_a_file() -> None:
    """It is afterwards."""
    assert isinstance(parsed(Path(__file__)).body[0], ast.Expr)
    assert gc.isenabled()
