"""``k2 validate-ohlcv`` as a person uses it, on the real servers; what Spark says is prepared, Spark has a suite."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client
from services.k2.tests.candle_rows import CandleRow, candle, insert_candles
from services.k2.tests.gate_place import NAMES, OFFSETS, UNIT, Place, Spark, k2

from k2_shared.core.settings import RunSettings
from k2_shared.kafka.topics import GOLD, Names
from k2_support.lake_tables import lake_tables

pytestmark = [pytest.mark.topics(GOLD), pytest.mark.usefixtures("topics")]


CANDLES = [candle(number, timeframe=name) for name in ("1m", "1h") for number in range(-3, 0)]
"""Three of a minute and three of an hour, which have ended; their offsets are below OFFSETS."""


def stored(rows: Sequence[CandleRow] = CANDLES) -> list[CandleRow]:
    """Candles as ClickHouse has them: the last knows all trades, and a day's, which has not ended, too."""
    told = [replace(row, last_offset=2 * index % OFFSETS + 1) for index, row in enumerate(rows)]
    day = replace(candle(0, timeframe="1d", at=datetime.now(UTC)), last_offset=OFFSETS - 1)
    return [*told, day]


@pytest.fixture
def place(
    names: Names, run_settings: RunSettings, warm: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """Both origins are equal, and know all of gold; the current folder is empty."""
    monkeypatch.chdir(tmp_path)
    with lake_tables(names) as catalog:
        made = Place(names, run_settings, warm, catalog, Spark(tmp_path))
        made.spark.says(CANDLES)
        insert_candles(warm, stored())
        made.told(OFFSETS)
        made.filled(0, OFFSETS)
        yield made


def test_equal_candles_pass(place: Place, tmp_path: Path) -> None:
    """Six rows, up to where both have gold, and the same in a file; what Spark does is told on stderr."""
    done = place.run("--report", str(tmp_path / "report.json"))
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[1:7]] == NAMES
    assert lines[1].split() == ["1m", "3", "3", "0", "yes", "0", "0", "equal"]
    assert "which has gold up to offsets 0: 6; v2 is ClickHouse's" in lines[7]
    assert done.stderr.splitlines()[0] == "Spark: 1 candles of 1m after 1.0 s"
    found = json.loads((tmp_path / "report.json").read_text())
    assert found["ok"]
    assert found["compared"]["gold_offsets"] == {"0": OFFSETS}
    assert [(row["timeframe"], row["v1"], row["v2"]) for row in found["rows"]][::4] == [("1m", 3, 3), ("1h", 3, 3)]
    assert place.spark.task["snapshot_id"] == found["compared"]["snapshot"]


def test_a_candle_that_was_altered_is_named(place: Place) -> None:
    """With its window, the column, and what both say; exit code 1, and the report is a file all the same."""
    insert_candles(place.warm, [replace(row, high=row.high + UNIT) for row in stored()[1:2]])
    found = place.rows(code=1)
    assert (found["1m"]["ohlc"], found["1m"]["within_1e-8"], found["1m"]["volume"]) == ("0.00000001", True, "0")
    (first,) = found["1m"]["first"]
    assert first["window"] == "2026-11-26T22:55:00+00:00"
    assert first["columns"]["high"] == {"v1": "105435.8", "v2": "105435.80000001"}
    assert all(found[name]["ok"] for name in NAMES[1:])
    done = place.run(code=1)
    said = done.stdout
    assert "FAILS: 1 differs" in said
    assert done.stderr.splitlines()[-1] == "the report is in .k2/validate-ohlcv.json"
    assert json.loads(Path(".k2/validate-ohlcv.json").read_text())["rows"][0]["first"] == [first]
    assert "1m KRAKEN:BTC/USD from 2026-11-26T22:55+00:00 differs: high 105435.8 in v1, 105435.80000001 in v2" in said


def test_a_candle_of_one_side_is_named(place: Place) -> None:
    """Whichever side it is on."""
    place.spark.says([CANDLES[0], candle(-9), *CANDLES[2:]])
    said = place.run(code=1).stdout
    assert "FAILS: 1 only in v1, 1 only in v2" in said
    assert "from 2026-11-26T22:48+00:00 is only in v1, with open 105435.79999999, high 105435.8" in said
    assert "from 2026-11-26T22:55+00:00 is only in v2, with open 105435.79999999" in said


def test_an_impossible_candle_fails(place: Place) -> None:
    """Though both have it."""
    broken = [replace(row, low=row.high + 1) for row in stored()[:1]]
    insert_candles(place.warm, broken)
    place.spark.says([replace(CANDLES[0], low=broken[0].low), *CANDLES[1:]])
    said = place.run(code=1).stdout
    assert "FAILS: 1 impossible" in said
    assert "is impossible: open is 105435.79999999, not 105436.8 to 105435.8" in said


def test_what_the_lake_has_not_yet_is_left_out(place: Place) -> None:
    """A trade that came since: its candle is not judged, and counted; the others are compared."""
    place.told(1)
    insert_candles(place.warm, [replace(stored()[0], volume=Decimal(7), last_offset=OFFSETS)])
    found = place.rows()
    assert (found["1m"]["left_out"], found["1m"]["v2"], found["1h"]["left_out"]) == (1, 2, 0)
    assert "left out, for they have trades beyond those offsets: 1 candles of v2" in place.run().stdout


def test_what_candles_have_not_yet_is_not_compared(place: Place) -> None:
    """The lake is ahead: it is compared as it was; where it never was as old, that is said, with exit code 4."""
    before = json.loads(place.run("--json").stdout)["compared"]
    place.told(2)
    place.filled(OFFSETS, OFFSETS + 2)
    assert json.loads(place.run("--json").stdout)["compared"]["snapshot"] == before["snapshot"]
    place.warm.command("TRUNCATE TABLE candles")
    (line,) = place.run(code=4).stderr.splitlines()
    assert "which lack trades of gold (partition 0 from offset 0): warm_sink makes them" in line


def test_what_may_have_expired_is_not_compared(place: Place) -> None:
    """A table that is older than it keeps candles has those alone that began since; a young one has all."""
    old = [candle(0, timeframe=name, at=datetime(2024, 8, 9, tzinfo=UTC)) for name in ("1m", "1d")]
    place.spark.says([*old, *CANDLES])
    assert place.rows(code=1)["1d"]["faults"]["only in v1"] == 1
    begun = datetime.now(UTC) - timedelta(days=500)
    place.warm.insert("sink_state", [("candles", "t", "c", "i", 12, begun)], settings={"async_insert": 0})
    place.run(code=1)
    ranges = place.spark.task["ranges"]
    kept = {name: round((datetime.now(UTC).timestamp() * 1e6 - span[0]) / 86_400e6) for name, span in ranges.items()}
    assert kept == {"1m": 29, "5m": 29, "15m": 29, "30m": 29, "1h": 89, "1d": 364} | {"1d": kept["1d"]}
    assert kept["1d"] in (363, 364)


def test_a_symbol_and_days_are_compared_alone(place: Place) -> None:
    """Spark is asked for no more; of a day that a time is in, all is meant."""
    insert_candles(place.warm, [replace(candle(-1, symbol="ETH/USD"), last_offset=1)])
    assert place.rows("--symbol", "KRAKEN:BTC/USD")["1m"]["v2"] == 3
    words = ["--symbol", "BTC/USD", "--from", "2026-11-26T22:56Z", "--to", "2026-11-26T23:00Z"]
    assert place.rows(*words)["1m"]["v2"] == 3
    task = place.spark.task
    assert (task["exchanges"], task["symbol"]) == (["BINANCE", "KRAKEN"], "BTC/USD")
    assert task["ranges"]["1m"] == [1_795_651_200_000_000, 1_795_737_600_000_000]
    assert place.rows(code=1)["1m"]["faults"]["only in v2"] == 1


def test_where_nothing_can_be_compared_that_is_said(place: Place) -> None:
    """A gate that compared nothing has not passed; exit code 2."""
    place.spark.says([])
    (line,) = [line for line in place.run("--symbol", "DOGE/USD", code=2).stderr.splitlines() if line.startswith("k2:")]
    assert "no window of" in line
    assert "DOGE/USD" in line


def test_a_lake_without_trades_is_told(names: Names, warm: Client) -> None:
    """With exit code 4, and where to look."""
    insert_candles(warm, [])
    with lake_tables(names):
        (line,) = k2(names, code=4).stderr.splitlines()
    assert line.startswith("k2: gold_crypto_trades has no trades yet: 'k2 sink status' says")


def test_without_spark_it_says_what_to_do(place: Place) -> None:
    """In one line, with exit code 2."""
    (line,) = k2(place.names, code=2).stderr.splitlines()
    assert line.startswith(
        "k2: Spark is not in this environment: run 'make spark' in the repository, and set SPARK_PYTHON"
    )


def test_a_report_that_cannot_be_written_is_told(place: Place, tmp_path: Path) -> None:
    """With exit code 2."""
    last = place.run("--report", str(tmp_path / "absent" / "report.json"), code=2).stderr.splitlines()[-1]
    assert "report.json cannot be written: " in last


def test_times_that_cannot_be_meant_are_misuse(names: Names) -> None:
    """Nothing is asked of any server."""
    (line,) = k2(names, "--from", "2h", "--to", "3h", code=2).stderr.splitlines()
    assert line == "k2: --to 3h is not after --from 2h: nothing lies between"
