"""The reconciliation: it holds when both sides agree, and names stage, count and ids when they do not."""

import gzip
import json
from array import array
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from k2.demo import oracle
from k2.demo.faults import DroppedIds
from k2.demo.observer import StageCount, percentile
from k2.demo.oracle import Delivered, Recorded, Struck
from k2.demo.reconcile import SHOWN, ColdRows, Expected, Sides, differences, shortfalls
from k2.demo.report import Ages, Report
from k2.demo.tables import TWICE, TableRows
from k2.demo.warm_rows import WarmRows
from k2_shared.core.errors import ConfigError

BTC, ETH, SHIB = "KRAKEN:BTC/USD:1", "BINANCE:ETH/USDT:7", "BINANCE:SHIB/USDT:9"
RECORDED: Recorded = {"KRAKEN:BTC/USD": {1: True}, "BINANCE:ETH/USDT": {7: True}, "BINANCE:SHIB/USDT": {9: False}}
SENT = Delivered(
    frames=5,
    valid=Counter({BTC: 2, ETH: 1, SHIB: 1}),
    invalid=Counter({ETH: 1}),
    originals=Counter([BTC, ETH, SHIB]),
)


def _sides() -> Sides:
    """Both sides of a run in which BTC came twice, one copy of ETH was broken, and V3 cannot hold SHIB."""
    stages = {
        "raw": StageCount(5),
        "bronze": StageCount(4, Counter({BTC: 2, ETH: 2})),
        "silver": StageCount(3, Counter({BTC: 2, ETH: 1})),
        "dlq": StageCount(2),
        "gold": StageCount(2, Counter([BTC, ETH])),
    }
    tables = {
        "bronze_crypto_trades": TableRows(4, Counter({TWICE: 0})),
        "silver_binance_trades": TableRows(1, Counter([ETH])),
        "silver_kraken_trades": TableRows(2, Counter({BTC: 2})),
        "gold_crypto_trades": TableRows(2, Counter([BTC, ETH])),
        "silver_dlq_trades": TableRows(2, Counter({TWICE: 0})),
    }
    warm = {
        "raw_trades": WarmRows(5, 5),
        "bronze_trades": WarmRows(4, 4, Counter({BTC: 2, ETH: 2})),
        "silver_trades": WarmRows(3, 3, Counter({BTC: 2, ETH: 1})),
        "gold_trades": WarmRows(2, 2, Counter([BTC, ETH])),
        "dead_letters": WarmRows(2, 2),
        "gaps": WarmRows(6, 6),
    }
    return Sides(Expected(RECORDED, SENT), stages, tables, warm, {"1m": WarmRows(2, 2), "1d": WarmRows(1, 1)}, _cold())


def _cold(**changes: ColdRows) -> list[ColdRows]:
    """The layers of the cold tier, some of them others."""
    counts = {"raw": 5, "bronze": 4, "silver": 3, "gold 1m": 2, "gold 1d": 1}
    return [changes.get(name, ColdRows(name, count, count, equal=True)) for name, count in counts.items()]


def test_equal_sides_reconcile() -> None:
    """Where every stage and table holds what was sent there is no difference."""
    assert differences(_sides()) == []


@pytest.mark.parametrize(
    ("found", "where"),
    [
        (ColdRows("silver", 3, 3, equal=False), ["cold layer silver against the warm tier"]),
        (ColdRows("silver", 2, 2, equal=True), ["cold layer silver"]),
        (ColdRows("silver", 3, 4, equal=False), ["cold layer silver", "cold layer silver against the warm tier"]),
    ],
)
def test_a_cold_layer_that_differs_is_found(found: ColdRows, where: list[str]) -> None:
    """From the warm tier, or with it from what was sent."""
    sides = replace(_sides(), cold=_cold(silver=found))
    assert [each.where for each in differences(sides)] == where


@pytest.mark.parametrize("stage", ["raw", "dlq"])
@pytest.mark.parametrize("by", [-1, 1])
def test_a_count_that_is_off_by_one_is_found(stage: str, by: int) -> None:
    """Excess is as loud as deficit."""
    sides = _sides()
    sides.stages[stage].records += by
    (found,) = differences(sides)
    assert (found.where, found.found - found.expected) == (stage, by)


@pytest.mark.parametrize("stage", ["bronze", "silver", "gold"])
def test_a_lost_and_a_doubled_id_are_named(stage: str) -> None:
    """A stage with the right count of the wrong ids does not reconcile."""
    sides = _sides()
    sides.stages[stage].ids.subtract([BTC])
    sides.stages[stage].ids.update([ETH])
    (found,) = differences(sides)
    assert (found.where, found.missing, found.excess) == (stage, (BTC,), (ETH,))
    assert BTC in str(found)
    assert stage in str(found)


@pytest.mark.parametrize("table", ["silver_binance_trades", "silver_kraken_trades", "gold_crypto_trades"])
def test_a_row_too_many_in_a_table_is_named(table: str) -> None:
    """A table is compared id by id."""
    sides = _sides()
    sides.tables[table].ids.update([BTC])
    (found,) = differences(sides)
    assert (found.where, found.excess) == (f"table {table}", (BTC,))


@pytest.mark.parametrize("table", ["bronze_crypto_trades", "silver_dlq_trades"])
def test_a_delivery_that_is_twice_in_a_table_is_found(table: str) -> None:
    """Two rows of one topic, partition and offset are no two deliveries."""
    sides = _sides()
    sides.tables[table].ids[TWICE] = 1
    (found,) = differences(sides)
    assert found.where == f"table {table}, deliveries"


def test_a_dead_letter_that_the_table_lacks_is_found() -> None:
    """The table has as many rows as records were refused."""
    sides = _sides()
    sides = replace(sides, tables={**sides.tables, "silver_dlq_trades": TableRows(1, Counter())})
    (found,) = differences(sides)
    assert (found.where, found.expected, found.found) == ("table silver_dlq_trades", 2, 1)


@pytest.mark.parametrize("table", ["bronze_trades", "silver_trades", "gold_trades"])
def test_a_trade_too_many_in_the_warm_tier_is_named(table: str) -> None:
    """Its tables are compared with what the exchanges sent, id by id."""
    sides = _sides()
    sides.warm[table].ids.update([BTC])
    (found,) = differences(sides)
    assert (found.where, found.excess) == (f"warm table {table}", (BTC,))


@pytest.mark.parametrize("table", ["raw_trades", "dead_letters"])
def test_a_warm_table_without_ids_is_counted(table: str) -> None:
    """Also where it equals its topics, which themselves may be short."""
    found, sides = _sides().warm[table], _sides()
    (said,) = differences(replace(sides, warm={**sides.warm, table: WarmRows(found.rows - 1, found.rows - 1)}))
    assert (said.where, said.expected, said.found) == (f"warm table {table}", found.rows, found.rows - 1)


def test_a_warm_table_that_does_not_equal_its_topics_is_named() -> None:
    """With the rows that lack, that are too many and that say something else; the ledger, too."""
    sides = _sides()
    wrong = WarmRows(6, 6, missing=("a",), excess=("b",), unlike=("c has price 1 instead of 2",))
    (found,) = differences(replace(sides, warm={**sides.warm, "gaps": wrong}))
    assert str(found) == (
        "warm table gaps against its topics: expected 6, found 6; missing a; too many b; "
        "other values: c has price 1 instead of 2"
    )


def test_candles_that_another_engine_makes_otherwise_are_named() -> None:
    """The first that differs first, with its timeframe."""
    sides = _sides()
    wrong = WarmRows(
        2, 2, unlike=("KRAKEN:BTC/USD from 2026-11-26T22:57+00:00 has volume 1 instead of 2",), mismatches=1
    )
    (found,) = differences(replace(sides, candles={**sides.candles, "1m": wrong}))
    assert str(found) == (
        "candles of 1m against the recordings: expected 2, found 2; "
        "other values: KRAKEN:BTC/USD from 2026-11-26T22:57+00:00 has volume 1 instead of 2"
    )


def test_what_is_short_is_said_with_both_counts() -> None:
    """Of stages, of the lake's tables and of the warm tier's."""
    sides = _sides()
    counts = {**sides.expected.stages, **sides.expected.tables, **sides.expected.warm}
    assert shortfalls(sides.expected, counts) == []
    less = {**counts, "silver": 2, "gold_crypto_trades": 1, "raw_trades": 0}
    assert shortfalls(sides.expected, less) == ["silver 2 of 3", "gold_crypto_trades 1 of 2", "raw_trades 0 of 5"]


def test_a_simulator_that_left_out_a_trade_is_found() -> None:
    """The recordings are read directly: the simulator's word alone is not enough."""
    sent = Delivered(SENT.frames, SENT.valid, SENT.invalid, Counter([BTC, ETH]))
    sides = replace(_sides(), expected=Expected(RECORDED, sent))
    (found,) = differences(sides)
    assert found.where == "the simulator against the recordings"
    assert found.missing == (SHIB,)


def test_ids_that_a_venue_dropped_come_once_by_rest() -> None:
    """They are nowhere in what the simulator sent, and everywhere else; their range is one more frame."""
    dropped = DroppedIds("KRAKEN", "BTC/USD", 1, 1)
    sent = Delivered(2, Counter({ETH: 1, SHIB: 1}), Counter({ETH: 1}), Counter([ETH, SHIB]))
    expected = Expected(RECORDED, sent, [dropped])
    assert expected.originals == Counter([ETH, SHIB])
    assert expected.bronze == Counter({BTC: 1, ETH: 2})
    assert expected.stages == {"raw": 3, "bronze": 3, "silver": 2, "dlq": 2, "gold": 2}
    assert expected.tables["silver_kraken_trades"] == 1


def test_only_some_ids_are_shown() -> None:
    """A million lost ids do not fill the screen."""
    sides = _sides()
    sides.stages["gold"].ids.update(f"X:{number}" for number in range(100))
    (found,) = differences(sides)
    assert len(found.excess) == SHOWN


def test_the_json_says_what_was_found() -> None:
    """One object, with the recorded trades, the stages, the tables of lake and warm tier, the ages and the outcome."""
    report = Report(_sides(), [], Ages(array("d", [4_000.0]), array("d", [900.0])), seconds=1.0)
    found = json.loads(report.as_json())
    assert found["recorded"] == {"KRAKEN:BTC/USD": 1, "BINANCE:ETH/USDT": 1, "BINANCE:SHIB/USDT": 1}
    assert found["stages"] == {"raw": 5, "bronze": 4, "silver": 3, "dlq": 2, "gold": 2}
    assert found["age_ms"] == {
        "bronze": {"p50": None, "p99": None},
        "gold": {"p50": None, "p99": None},
        "iceberg": {"p50": 4_000.0, "p99": 4_000.0},
        "warm": {"p50": 900.0, "p99": 900.0},
    }
    assert found["warm"] == {name: rows.rows for name, rows in _sides().warm.items()}
    assert found["candles"] == {"1m": {"rows": 2, "mismatches": 0}, "1d": {"rows": 1, "mismatches": 0}}
    assert found["reconciled"] is True


def test_percentiles_are_values_that_occur() -> None:
    """The median and the highest of a hundred ages."""
    ages = [float(number) for number in range(100)]
    assert (percentile(ages, 0.5), percentile(ages, 0.99), percentile([], 0.5)) == (50.0, 99.0, None)


def _gz(path: Path, *lines: str) -> None:
    with gzip.open(path, "wt") as file:
        file.writelines(f"{line}\n" for line in lines)


def test_recordings_are_read_without_the_simulator(tmp_path: Path) -> None:
    """Ids by symbol over several files of both venues; a quantity that V3 cannot hold is known as such."""
    frame = '1 {"stream":"shibusdt@trade","data":{"t":%d,"p":"0.00001","q":"%s"}}'
    _gz(tmp_path / "binance_shibusdt_20250101_trades.jsonl.gz", frame % (5, "1.0"), frame % (6, "46116860414.0"))
    _gz(tmp_path / "binance_shibusdt_20250102_trades.jsonl.gz", frame % (7, "2.0"))
    _gz(tmp_path / "kraken_xbtusd_202503_trades.jsonl.gz", '["1.0","2.0",1740787200.5,"b","l","",77]')
    assert oracle.recorded(tmp_path) == {
        "BINANCE:SHIB/USDT": {5: True, 6: False, 7: True},
        "KRAKEN:BTC/USD": {77: True},
    }


@pytest.mark.parametrize(
    ("exchange", "pair", "symbol"),
    [
        ("kraken", "xbtusdt", "BTC/USDT"),
        ("kraken", "xbtusd", "BTC/USD"),
        ("kraken", "xdgeur", "DOGE/EUR"),
        ("kraken", "ethxbt", "ETH/BTC"),
        ("binance", "ethtusd", "ETH/TUSD"),
        ("binance", "btcfdusd", "BTC/FDUSD"),
        ("binance", "币安人生usdt", "币安人生/USDT"),
        ("kraken", "AAPLxUSD", "AAPLx/USD"),
        ("kraken", "ETH2.SETH", "ETH2.S/ETH"),
    ],
)
def test_a_pair_is_split_as_its_venue_does(exchange: str, pair: str, symbol: str) -> None:
    """TUSD is a quote on Binance, and the end of XBTUSD on Kraken."""
    assert oracle.canonical(exchange, pair) == symbol


@pytest.mark.parametrize("name", ["kraken_zzz_1_trades.jsonl.gz", "bitmex_xbtusd_1_trades.jsonl.gz"])
def test_an_unknown_recording_is_refused_by_name(tmp_path: Path, name: str) -> None:
    """The message names what cannot be read and what can."""
    _gz(tmp_path / name)
    with pytest.raises(ConfigError, match=r"zzz|bitmex"):
        oracle.recorded(tmp_path)


def test_the_log_of_deliveries_is_counted_by_kind(tmp_path: Path) -> None:
    """Frames once, trades by id, what is broken and what was dropped apart."""
    entry = {"venue": "KRAKEN", "symbol": "BTC/USD", "connection": 1, "broken": None}
    lines = [
        {**entry, "trade_id": 1, "kind": "original", "frame": 1},
        {**entry, "trade_id": 2, "kind": "original", "frame": 1},
        {**entry, "trade_id": 1, "kind": "duplicate", "frame": 2},
        {**entry, "trade_id": 0, "kind": "invalid", "frame": 3},
    ]
    fault = {"fault": "drop_ids", "venue": "KRAKEN", "symbol": "BTC/USD", "struck": 1, "time_ns": 7}
    lines += [fault, {**fault, "fault": "burst"}, {**fault, "struck": 2, "time_ns": 9}]
    log = tmp_path / "deliveries.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = oracle.delivered(log)
    assert found.frames == 3
    assert found.valid == Counter({"KRAKEN:BTC/USD:1": 2, "KRAKEN:BTC/USD:2": 1})
    assert found.invalid == Counter({"KRAKEN:BTC/USD:0": 1})
    assert found.originals == Counter(["KRAKEN:BTC/USD:1", "KRAKEN:BTC/USD:2"])
    assert oracle.struck(log) == {("KRAKEN", "BTC/USD"): Struck(3, 7)}
