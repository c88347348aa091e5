"""Fixtures of who tests the warm tier's sink: its tables on the real ClickHouse, and records to fill them."""

from collections.abc import Iterator

import pytest

from k2_shared.core.settings import ClickHouseSettings, RunSettings
from k2_shared.kafka.topics import Names
from k2_support.warm_feeder import Feeder
from k2_support.warm_tables import WarmTables, warm_tables


@pytest.fixture
def tables(names: Names) -> Iterator[WarmTables]:
    """The tables of this test."""
    with warm_tables(ClickHouseSettings.load(), names) as made:
        yield made


@pytest.fixture
def feeder(topics: dict[str, int], run_settings: RunSettings, names: Names) -> Feeder:
    """Writes to every topic that the tables are filled from."""
    return Feeder(run_settings, names, next(iter(topics.values())))
