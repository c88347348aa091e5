"""Tests are dealt to workers so that each begins with its share of what takes long."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from k2_support.ordering import dealt


def of(file: str, count: int, *fixtures: str) -> list[Any]:
    """The tests of a file, as what is asked of them."""
    return [SimpleNamespace(path=Path(file), fixturenames=fixtures, name=f"{file}:{n}") for n in range(count)]


def names(items: list[pytest.Item]) -> list[str]:
    return [item.name for item in items]


def test_each_worker_begins_with_its_share_of_the_long_ones() -> None:
    """By how long they take, in turn; the short ones fill the parts up, in the order in which they came."""
    given = [*of("short", 4), *of("agent", 1, "agents"), *of("demo", 1, "demos"), *of("other", 2, "agents")]
    assert names(dealt(given, 2)) == [
        "demo:0", "other:0", "other:1", "short:0", "agent:0", "short:1", "short:2", "short:3",
    ]  # fmt: skip


def test_a_folder_that_shares_a_stack_is_one_workers() -> None:
    """Also its files that do not use it: they stand behind the others."""
    given = [*of("a/one", 1, "stack"), *of("a/two", 1, "stack"), *of("b/short", 4)]
    assert names(dealt(given, 2)) == ["a/one:0", "a/two:0", "b/short:0", "b/short:1", "b/short:2", "b/short:3"]


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_no_test_is_lost_and_none_is_run_twice(workers: int) -> None:
    """However many workers there are, and also where one file is more than a part."""
    given = [*of("demo", 9, "demos"), *of("short", 4), *of("agent", 3, "agents")]
    assert sorted(names(dealt(given, workers))) == sorted(names(given))
