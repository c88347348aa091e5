"""Spark's candles of the lake's trades are what those trades make, and the gate compares ClickHouse's with them."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.table import Table
from shared.tests.candles import oracle
from shared.tests.candles.oracle import Candle, GoldTrade

from k2_shared.batch.candles import MODULE, SCHEMA, CandleTask, WindowRange
from k2_shared.batch.driver import Driver, Line
from k2_shared.batch.settings import SparkSettings
from k2_shared.candles.rows import Bucket
from k2_shared.candles.timeframes import TIMEFRAMES
from k2_shared.core import contracts
from k2_shared.core.errors import Unavailable
from k2_shared.core.settings import ClickHouseSettings
from k2_shared.kafka.identities import Identity
from k2_shared.kafka.topics import GOLD, Names
from k2_shared.lake import iceberg
from k2_shared.lake.retries import at_table
from k2_shared.lake.table import Commit, LakeTable
from k2_shared.warm.candle_rows import Keys, candle_table
from k2_spark.candles import minutes
from k2_support.lake_tables import lake_tables
from k2_support.warm_tables import WarmTables, warm_tables

ROOT = Path(__file__).resolve().parents[3]
TABLE = contracts.tables()["gold_crypto_trades"]
PAIRS = [("BINANCE", "币安人生/USDT"), ("KRAKEN", "BTC/USD"), ("KRAKEN", "O'BTC/USD")]
BEGIN = 1_762_732_800_000_000  # a midnight
DAY = 86_400_000_000
MOST = 10**18 - 1  # 9999999999.99999999
COUNT = 1_200
DEADLINE_S = 280.0


def trades() -> list[GoldTrade]:
    """Trades of three days: ties in time, which ids order; at windows' edges; as large and as small as can be."""
    chance, found = random.Random(7), []
    edges = [0, 1, 59_999_999, 60_000_000, 3_600_000_000 - 1, 3_600_000_000, DAY - 1, DAY, 2 * DAY - 1]
    for number in range(COUNT):
        at = chance.choice([chance.choice(edges), chance.randrange(3 * DAY), chance.randrange(3) * 1_000_000])
        plain = (chance.randrange(1, MOST), chance.randrange(1, MOST))
        price, quantity = chance.choice([*[(MOST, MOST)] * 5, (1, 1), (MOST, 1), *[plain] * 3])
        key, trade_id = chance.choice([0, 1, 1, 1, 2]), chance.randrange(10**6) * COUNT + number
        found.append(GoldTrade(key, BEGIN + at, trade_id, price, quantity, number))
    return found


def row(trade: GoldTrade) -> dict[str, Any]:
    """A trade as a row of gold's table; of some the id is a text alone."""
    exchange, symbol = PAIRS[trade.key]
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=trade.timestamp)
    return {
        "exchange": exchange,
        "symbol": symbol,
        "timestamp": at,
        "trade_id": str(trade.trade_id),
        "source_sequence": trade.trade_id if trade.offset % 5 else None,
        "price": Decimal(trade.price).scaleb(-8),
        "quantity": Decimal(trade.quantity).scaleb(-8),
        "exchange_date": at.date(),
        "exchange_hour": at.hour,
    }


@dataclass
class Lake:
    """Gold's table of a test's own."""

    names: Names
    table: LakeTable
    loaded: Table

    def append(self, every: Sequence[GoldTrade], start: int) -> None:
        """Commit trades that begin at an offset of the topic's first partition."""
        rows = pa.Table.from_pylist([row(each) for each in every], self.table.arrow_schema)
        at = (self.names.topic(GOLD), 0)
        self.table.commit(Commit(rows, {at: start}, {at: start + len(every)}))

    def task(self, folder: Path, **changes: Any) -> CandleTask:
        """Every candle of the newest snapshot, but for some changes."""
        every = {each.name: WindowRange(0, BEGIN + 4 * DAY) for each in TIMEFRAMES}
        head = self.loaded.refresh().current_snapshot()
        assert head
        given: dict[str, Any] = {
            "table": ".".join(iceberg.identifier(self.names, TABLE)),
            "snapshot_id": head.snapshot_id,
            "exchanges": ("BINANCE", "KRAKEN"),
            "symbol": "",
            "ranges": every,
            "folder": str(folder),
        }
        return CandleTask(**{**given, **changes})


@pytest.fixture
def lake(names: Names) -> Iterator[Lake]:
    """It has all trades, by two commits."""
    with lake_tables(names) as catalog:
        loaded = iceberg.found(catalog, names, TABLE)
        made = Lake(names, LakeTable(loaded, "k2", Identity("c", {}), at_table(5)), loaded)
        for start in (0, COUNT // 2):
            made.append(trades()[start : start + COUNT // 2], start)
        yield made


def recomputed(task: CandleTask) -> list[Line]:
    """Let Spark make them; what it says."""
    told: list[Line] = []
    Driver(SparkSettings.load(spark_python=sys.executable), MODULE, [task.to_text()]).run(told.append)
    return told


def read(task: CandleTask, timeframe: str) -> list[dict[str, Any]]:
    """The candles of a timeframe as Spark has written them."""
    with pa.ipc.open_stream(str(task.file(timeframe))) as stream:
        assert stream.schema == SCHEMA
        found: list[dict[str, Any]] = stream.read_all().to_pylist()
    return found


def expected(every: Sequence[GoldTrade], place: int, ranges: WindowRange) -> list[dict[str, Any]]:
    """What trades make, by Python's integers, in the order of windows."""
    found = [
        _shown(key, start, candle)
        for (timeframe, key, start), candle in oracle.candles(every).items()
        if timeframe == place and ranges.begin <= start < ranges.end
    ]
    return sorted(found, key=lambda each: (each["exchange"], each["symbol"], each["window_start"]))


def _shown(key: int, start: int, candle: Candle) -> dict[str, Any]:
    prices = {name: Decimal(getattr(candle, name)).scaleb(-8) for name in ("open", "high", "low", "close")}
    totals = {name: _scaled(getattr(candle, name), digits) for name, digits in (("volume", 8), ("quote_volume", 16))}
    counted = {"trade_count": candle.trade_count, "open_time": candle.open_ts, "close_time": candle.close_ts}
    return {"exchange": PAIRS[key][0], "symbol": PAIRS[key][1], "window_start": start, **prices, **totals, **counted}


def _scaled(unscaled: int, digits: int) -> Decimal:
    return Decimal((0, tuple(map(int, str(unscaled))), -digits))


def test_the_candles_are_those_of_the_trades(lake: Lake, tmp_path: Path) -> None:
    """Of the snapshot that is asked for, in six timeframes, to the last of 44 digits, and in order."""
    task = lake.task(tmp_path)
    lake.append([trades()[0]._replace(trade_id=1)], COUNT)
    told = recomputed(task)
    for place, timeframe in enumerate(TIMEFRAMES):
        found = read(task, timeframe.name)
        assert found == expected(trades(), place, task.ranges[timeframe.name])
        assert (told[place]["timeframe"], told[place]["rows"]) == (timeframe.name, len(found))
    assert told[-1] == {"event": "done"}
    assert max(each["quote_volume"] for each in read(task, "1d")) > 10**22


def test_a_symbol_and_windows_are_made_alone(lake: Lake, tmp_path: Path) -> None:
    """Of a symbol with a quote in its name; the trades of a window that is not asked for are in no other."""
    ranges = {
        "1h": WindowRange(BEGIN + 3_600_000_000, BEGIN + DAY),
        "1d": WindowRange(BEGIN + DAY, BEGIN + DAY),
        "5m": WindowRange(0, BEGIN),
    }
    recomputed(task := lake.task(tmp_path, exchanges=("KRAKEN",), symbol=PAIRS[2][1], ranges=ranges))
    own = [each for each in trades() if each.key == 2]
    assert read(task, "1h") == expected(own, 4, ranges["1h"])
    assert read(task, "1h")
    assert read(task, "1d") == read(task, "5m") == []


def test_a_snapshot_that_is_gone_is_told_in_one_line(lake: Lake, tmp_path: Path) -> None:
    """By the exit code of what may pass: another run takes another snapshot."""
    with pytest.raises(Unavailable, match=r"^Spark failed at recomputing candles: .*snapshot"):
        recomputed(lake.task(tmp_path, snapshot_id=7))


def test_no_more_of_the_lake_is_read_than_the_days_that_are_asked_for(lake: Lake, tmp_path: Path) -> None:
    """By which files are passed over."""
    ranges = {"1h": WindowRange(BEGIN + DAY, BEGIN + 2 * DAY), "1d": WindowRange(BEGIN + DAY, BEGIN + 3 * DAY)}
    assert "BETWEEN DATE '2025-11-11' AND DATE '2025-11-13'" in minutes(lake.task(tmp_path, ranges=ranges))


@pytest.fixture
def warm(names: Names) -> Iterator[WarmTables]:
    """ClickHouse's tables of a test's own, with the candles that the trades make; begun now, so that none expired."""
    with warm_tables(ClickHouseSettings.load(), names) as made:
        made.client.insert_arrow("candles", _stored(oracle.candles(trades())))
        made.client.insert("sink_state", [("candles", names.topic(GOLD), "c", "i", 12, datetime.now(UTC))])
        yield made


def _stored(candles: dict[Bucket, Candle]) -> pa.Table:
    keys = Keys()
    numbers = oracle.rows_of(candles)
    for pair in PAIRS:
        keys.number(*pair)
    keys.place(numbers["key"], numbers["key"] * 0)
    return candle_table(numbers, keys, round(datetime.now(UTC).timestamp() * 1_000))


def gate(names: Names, *words: str) -> "subprocess.CompletedProcess[str]":
    """The command as a person has it: in an environment without Spark, which it is told the place of."""
    environment = {**os.environ, "K2_PREFIX": names.prefix, "SPARK_PYTHON": sys.executable}
    command = [ROOT / ".venv" / "bin" / "python", "-m", "k2", "validate-ohlcv", "--json", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DEADLINE_S)


@pytest.mark.topics(GOLD)
@pytest.mark.usefixtures("topics", "lake")
def test_the_gate_passes_and_names_a_candle_that_was_altered(names: Names, warm: WarmTables) -> None:
    """All of six timeframes are equal; then one is not."""
    done = gate(names)
    assert done.returncode == 0, done.stderr
    rows = {row["timeframe"]: row for row in json.loads(done.stdout)["rows"]}
    assert list(rows) == [each.name for each in TIMEFRAMES]
    assert all(row["v1"] == row["v2"] > 0 for row in rows.values())
    warm.command(
        "INSERT INTO candles SELECT * REPLACE (volume + toDecimal128('0.00000001', 8) AS volume) FROM candles FINAL "
        "WHERE timeframe = '1h' ORDER BY exchange, symbol, window_start LIMIT 1"
    )
    done = gate(names, "--symbol", "BINANCE:币安人生/USDT")
    assert done.returncode == 1, done.stderr
    rows = {row["timeframe"]: row for row in json.loads(done.stdout)["rows"]}
    assert [name for name, row in rows.items() if not row["ok"]] == ["1h"]
    assert (rows["1h"]["ohlc"], rows["1h"]["volume"]) == ("0", "0.00000001")
    (named,) = rows["1h"]["first"]
    assert (named["symbol"], list(named["columns"])) == ("币安人生/USDT", ["volume"])
