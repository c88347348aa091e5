"""Every table of the contracts on the real catalog, and trades to fill them."""

from collections.abc import Iterator
from typing import Any

import pytest
from pyiceberg.catalog import Catalog

from k2_shared.core.records import Outgoing
from k2_shared.core.settings import RunSettings
from k2_shared.kafka.topics import BRONZE, GOLD, Names
from k2_shared.lake import iceberg
from k2_support.lake import long, make_batch, table, wrap_commit
from k2_support.lake_tables import lake_tables
from k2_support.records import ORIGIN, trade, value
from k2_support.topics import write

__all__ = ["long", "make_batch", "table", "wrap_commit"]
BRONZE_TOPIC = BRONZE.format(exchange="kraken")


class Tables:
    """Every table of the contracts, under this test's prefix."""

    def __init__(self, names: Names, catalog: Catalog) -> None:
        self.names = names
        self.catalog = catalog

    def load(self, name: str) -> Any:
        return self.catalog.load_table((iceberg.namespace(self.names), name))

    def column(self, name: str, column: str) -> list[Any]:
        return sorted(self.load(name).scan(selected_fields=(column,)).to_arrow()[column].to_pylist())


@pytest.fixture
def tables(names: Names) -> Iterator[Tables]:
    with lake_tables(names) as catalog:
        yield Tables(names, catalog)


class Feeder:
    """Writes numbered trades to bronze and gold."""

    def __init__(self, settings: RunSettings, names: Names, schema_id: int) -> None:
        self._settings, self._names, self._schema_id = settings, names, schema_id
        self.ids: list[str] = []

    async def write(self, count: int, partition: int = 1) -> None:
        made = [trade(trade_id=len(self.ids) + n + 1) for n in range(count)]
        for topic in (BRONZE_TOPIC, GOLD):
            sent = [Outgoing(topic, t.key, value(t, self._schema_id), 1, (("k2-origin", ORIGIN.pack()),)) for t in made]
            await write(self._settings, self._names, sent, partition)
        self.ids += [str(t.trade_id) for t in made]


@pytest.fixture
def feeder(topics: dict[str, int], run_settings: RunSettings, names: Names) -> Feeder:
    return Feeder(run_settings, names, next(iter(topics.values())))
