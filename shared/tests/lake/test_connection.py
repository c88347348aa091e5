"""A catalog that does not answer is asked again, one that never does is named, and none is left connected."""

import gc
from typing import Any

import psutil
import pytest

from k2_shared.core.errors import ConfigError, Unavailable
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.lake.connection import answered, connected
from k2_shared.lake.retries import at_table

LAKE = LakeSettings.load(iceberg_catalog_uri="http://catalog:8181")
TIMES = 20


def test_it_is_asked_until_it_answers() -> None:
    """As far as the budget goes."""
    answers = [OSError("refused"), Unavailable("away"), "an answer"]

    def ask() -> str:
        given = answers.pop(0)
        if isinstance(given, Exception):
            raise given
        return str(given)

    assert answered(LAKE, at_table(3), ask) == "an answer"


def test_one_that_never_answers_is_named() -> None:
    """With the last that it said."""

    def ask() -> None:
        raise ConnectionError("refused")

    with pytest.raises(Unavailable, match=r"catalog:8181 failed \(ConnectionError: refused\)"):
        answered(LAKE, at_table(2), ask)


def test_what_needs_a_person_is_asked_once() -> None:
    """A table that does not exist comes by no waiting."""
    asked = []

    def ask() -> None:
        asked.append(1)
        raise ConfigError("table gold does not exist")

    with pytest.raises(ConfigError):
        answered(LAKE, at_table(9), ask)
    assert asked == [1]


def test_its_end_closes_what_it_opened(table: Any, make_batch: Any) -> None:
    """Before garbage is looked for, which is seldom: who asks every hour would have more files open each time."""
    table.owner().commit(make_batch(0, 5))

    def open_files_after_a_read() -> int:
        with connected(LakeSettings.load()) as catalog:
            assert catalog.load_table(table.identifier).scan().to_arrow().num_rows == 5
        return psutil.Process().num_fds()

    gc.collect()
    gc.disable()
    try:
        first, *_, last = [open_files_after_a_read() for _ in range(TIMES + 1)]
    finally:
        gc.enable()
    assert last < first + TIMES
