"""Both tiers of a test's own: hours of rows in the warm one, and empty cold tables beside it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pyiceberg.catalog import Catalog

from k2_shared.cold.tables import cold_tables
from k2_shared.core import contracts
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.core.settings import ClickHouseSettings
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg
from k2_support.warm_hours import fill
from k2_support.warm_tables import WarmTables, warm_tables

FILLED = ("raw_trades", "bronze_trades", "silver_trades", "candles")
ROWS = 400
"""Of each relation, all in one hour; candles are of one minute."""
AUDIT = contracts.audit_tables()["consistency"]
HOUR = "2026-02-28T23:00Z"
"""The hour of silver's trades and of the candles; the others were received a few hours ago."""


class ColdTiers:
    """The tiers of one prefix. Methods block."""

    def __init__(self, names: Names, warm: WarmTables, catalog: Catalog) -> None:
        self.names, self.warm, self.catalog = names, warm, catalog

    def cold(self, table: str) -> int:
        """How many rows a cold table has."""
        found = iceberg.find(self.catalog, self.names, cold_tables()[table])
        return 0 if found is None else iceberg.row_count(found)

    def snapshots(self, table: str) -> int:
        """How many snapshots it has."""
        found = iceberg.find(self.catalog, self.names, cold_tables()[table])
        return len(found.snapshots()) if found else 0

    def add(self, changes: str) -> None:
        """One more row of silver's, a copy with changes: expressions as names of columns."""
        self.warm.command(f"INSERT INTO silver_trades SELECT * REPLACE({changes}) FROM silver_trades LIMIT 1")  # noqa: S608

    def lose(self, condition: str) -> None:
        """Rows of silver's are not in the warm tier any more."""
        self.warm.command(f"DELETE FROM silver_trades WHERE {condition}")  # noqa: S608


@contextmanager
def cold_tiers(names: Names, rows: int = ROWS) -> Iterator[ColdTiers]:
    """Make both for the length of a block; nothing is offloaded yet."""
    catalog, tables = iceberg.connect(LakeSettings.load()), cold_tables().values()
    with warm_tables(ClickHouseSettings.load(), names) as warm:
        for each in FILLED:
            fill(warm, each, rows)
        for contract in tables:
            iceberg.create(catalog, names, contract)
        yield ColdTiers(names, warm, catalog)
        for contract in tables:
            catalog.drop_table(iceberg.identifier(names, contract))


@contextmanager
def audited_tiers(names: Names) -> Iterator[ColdTiers]:
    """Make both and the audit's table, which is empty, for the length of a block."""
    with cold_tiers(names) as made:
        iceberg.create(made.catalog, names, AUDIT)
        yield made
        made.catalog.drop_table(iceberg.identifier(names, AUDIT))


def audit_rows(tiers: ColdTiers) -> list[dict[str, Any]]:
    """What audits have kept. Blocks."""
    found: list[dict[str, Any]] = (
        tiers.catalog.load_table(iceberg.identifier(tiers.names, AUDIT)).scan().to_arrow().to_pylist()
    )
    return found
