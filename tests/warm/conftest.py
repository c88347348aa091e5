"""The warm tier of the shared stack."""

from collections.abc import Iterator

import pytest

from k2_shared.core.settings import ClickHouseSettings
from k2_shared.kafka.topics import Names
from k2_support.warm_tables import WarmTables, warm_tables


@pytest.fixture
def tables(names: Names) -> Iterator[WarmTables]:
    """A database of the test's own, with every table."""
    with warm_tables(ClickHouseSettings.load(), names) as made:
        yield made
