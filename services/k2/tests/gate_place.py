"""Both origins of a test's candles: real servers, and a driver that hands over what it is given in Spark's place."""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from clickhouse_connect.driver.client import Client
from pyiceberg.catalog import Catalog
from services.k2.tests.candle_rows import CandleRow
from typer.testing import CliRunner, Result

from k2.main import app
from k2_shared.batch.candles import PRICES, SCHEMA
from k2_shared.core import contracts
from k2_shared.core.records import Outgoing
from k2_shared.core.settings import RunSettings
from k2_shared.kafka.identities import Identity
from k2_shared.kafka.topics import GOLD, Names
from k2_shared.lake import iceberg
from k2_shared.lake.retries import at_table
from k2_shared.lake.table import Commit, LakeTable
from k2_support.topics import write

TABLE = contracts.tables()["gold_crypto_trades"]
NAMES = ["1m", "5m", "15m", "30m", "1h", "1d"]
UNIT = Decimal("0.00000001")
OFFSETS = 6
"""Of gold's partition 0: so many trades are in it, two of each candle."""
DRIVER = """
import shutil, sys
from pathlib import Path
from k2_shared.batch.candles import CandleTask

task = CandleTask.of_text(sys.argv[1])
place = Path(__file__).parent
(place / "task").write_text(sys.argv[1])
for name in task.ranges:
    shutil.copy(place / f"{name}.arrow", task.file(name))
    print('{"event": "candles", "timeframe": "%s", "rows": 1, "seconds": 1.0}' % name, flush=True)
print('{"event": "done"}')
"""


@dataclass
class Spark:
    """A driver that hands over what it is given."""

    folder: Path

    def says(self, rows: Sequence[CandleRow]) -> None:
        """The candles that it makes of gold's trades."""
        place = self.folder / "k2_spark"
        place.mkdir(exist_ok=True)
        (place / "candles.py").write_text(DRIVER)
        for name in NAMES:
            found = [_recomputed(row) for row in rows if row.timeframe == name]
            with pa.ipc.new_stream(str(place / f"{name}.arrow"), SCHEMA) as stream:
                stream.write_table(pa.Table.from_pylist(found, SCHEMA))

    @property
    def task(self) -> dict[str, Any]:
        """What it was asked for last."""
        found: dict[str, Any] = json.loads((self.folder / "k2_spark" / "task").read_text())
        return found


def _recomputed(row: CandleRow) -> dict[str, Any]:
    times = {"window_start": row.window_start, "open_time": row.open_ts, "close_time": row.close_ts}
    said = {
        name: getattr(row, name) for name in ("exchange", "symbol", *PRICES, "volume", "quote_volume", "trade_count")
    }
    return said | {name: round(at.timestamp() * 1e6) for name, at in times.items()}


def k2(names: Names, *words: str, code: int = 0, **environment: str) -> Result:
    """The command at a test's own tables, which must end so."""
    given = {"K2_PREFIX": names.prefix, **environment}
    done = CliRunner().invoke(app, ["validate-ohlcv", *words], env=given)
    assert done.exit_code == code, done.output
    return done


@dataclass
class Place:
    """Both origins of this test's candles."""

    names: Names
    settings: RunSettings
    warm: Client
    catalog: Catalog
    spark: Spark

    def told(self, count: int) -> None:
        """Gold's topic has so many more trades in partition 0."""
        trades = [Outgoing(GOLD, b"KRAKEN:BTC/USD", b"", 1, ())] * count
        asyncio.run(write(self.settings, self.names, trades))

    def filled(self, start: int, end: int) -> None:
        """The lake has partition 0 up to there, by a sink that went on at ``start``."""
        table = iceberg.find(self.catalog, self.names, TABLE)
        assert table
        at, own = (self.names.topic(GOLD), 0), LakeTable(table, "k2", Identity("c", {}), at_table(5))
        own.commit(Commit(own.arrow_schema.empty_table(), {at: start}, {at: end}))

    def run(self, *words: str, code: int = 0) -> Result:
        """The command, which must end so."""
        return k2(self.names, *words, code=code, PYTHONPATH=str(self.spark.folder), SPARK_PYTHON=sys.executable)

    def rows(self, *words: str, code: int = 0) -> dict[str, dict[str, Any]]:
        """What the command says, by timeframe."""
        found = json.loads(self.run("--json", *words, code=code).stdout)
        assert found["ok"] is (code == 0)
        return {row["timeframe"]: row for row in found["rows"]}
