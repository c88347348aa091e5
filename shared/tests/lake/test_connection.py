"""A catalog that does not answer is asked again, one that never does is named, and none is left connected."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path
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


def test_what_says_by_itself_what_failed_is_not_called_the_catalogs(table: Any) -> None:
    """As a ClickHouse that is away."""
    with pytest.raises(Unavailable, match=r"^ClickHouse did not answer$"), connected(LakeSettings.load()):
        raise Unavailable("ClickHouse did not answer")


@pytest.fixture
def no_garbage() -> Iterator[None]:
    """Garbage is looked for once, and then no more, as it is seldom looked for in a service."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_its_end_closes_what_it_opened(table: Any, make_batch: Any, no_garbage: None) -> None:
    """Who asks every hour would have more files open each time."""
    table.owner().commit(make_batch(0, 5))

    def open_files_after_a_read() -> int:
        with connected(LakeSettings.load()) as catalog:
            assert catalog.load_table(table.identifier).scan().to_arrow().num_rows == 5
        return psutil.Process().num_fds()

    first, *_, last = [open_files_after_a_read() for _ in range(TIMES + 1)]
    assert last < first + TIMES


def test_a_renewal_of_keys_closes_what_the_old_ones_opened(
    table: Any, make_batch: Any, tmp_path: Path, no_garbage: None
) -> None:
    """A table that was read with the old keys goes on: it connects anew."""
    table.owner().commit(make_batch(0, 5))
    file = tmp_path / "credentials"

    def renew(secret: str) -> None:
        key = f"aws_access_key_id = {os.environ['S3_ACCESS_KEY_ID']}\naws_secret_access_key = {secret}\n"
        file.write_text(f"[default]\n{key}")

    def rows(of: Any) -> int:
        return int(of.scan().to_arrow().num_rows)

    renew(os.environ["S3_SECRET_ACCESS_KEY"])
    with connected(LakeSettings.load(s3_credentials_file=file)) as catalog:

        def open_files_after_a_read() -> int:
            for secret in ("other", os.environ["S3_SECRET_ACCESS_KEY"]):
                renew(secret)
                catalog.load_table(table.identifier)
            assert rows(catalog.load_table(table.identifier)) == 5
            return psutil.Process().num_fds()

        before = catalog.load_table(table.identifier)
        first, *_, last = [open_files_after_a_read() for _ in range(TIMES + 1)]
        assert rows(before) == 5
    assert last < first + TIMES
