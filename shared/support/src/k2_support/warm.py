"""Fixtures of the warm tier: a database of a test's own."""

from collections.abc import Iterator

import pytest
from clickhouse_connect.driver.client import Client

from k2_shared.core.settings import ClickHouseSettings
from k2_shared.kafka.topics import Names
from k2_shared.warm.client import connect, database


@pytest.fixture
def clickhouse() -> ClickHouseSettings:
    """How to reach the shared stack's ClickHouse."""
    return ClickHouseSettings.load()


@pytest.fixture
def warm(clickhouse: ClickHouseSettings, names: Names) -> Iterator[Client]:
    """A client of this test's database, which does not exist yet and is gone afterwards."""
    client = connect(clickhouse, database(clickhouse, names))
    yield client
    client.command(f"DROP DATABASE IF EXISTS {client.database} SYNC", use_database=False)
    client.close()
