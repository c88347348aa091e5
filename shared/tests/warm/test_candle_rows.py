"""Candles and gold's trades as rows and back: no digit and no symbol is lost."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from k2_shared.candles.rows import CANDLE, CandleRows
from k2_shared.candles.wide import from_integers
from k2_shared.core.errors import Halt
from k2_shared.warm.candle_rows import Keys, candle_table, candles_of, gold_trades

PAIRS = [("KRAKEN", "BTC/USDT"), ("BINANCE", "BTC/USDT"), ("KRAKEN", "币安人生/USDT")]


def keys() -> Keys:
    """Three symbols, in partitions 10, 11 and 12."""
    made = Keys()
    for number, pair in enumerate(PAIRS):
        assert made.number(*pair) == number
    made.place(np.arange(3), np.arange(10, 13))
    return made


def candles(volumes: list[tuple[int, int]]) -> CandleRows:
    """Candles with these volumes and quote volumes, and other numbers everywhere."""
    rows = np.zeros(len(volumes), CANDLE)
    for number, (row, (volume, quote_volume)) in enumerate(zip(rows, volumes, strict=True)):
        for place, name in enumerate(CANDLE.names or ()):
            row[name] = 10**17 + 1_000 * number + place if not name.endswith("volume") else 0
        row["timeframe"], row["key"] = number % 6, number % 3
        row["volume"], row["quote_volume"] = from_integers([volume], 2)[0], from_integers([quote_volume], 4)[0]
    return rows


@given(st.lists(st.tuples(st.integers(0, 10**38 - 1), st.integers(0, 10**76 - 1)), max_size=9))
def test_candles_are_rows_and_come_back(volumes: list[tuple[int, int]]) -> None:
    """To the last digit, by other numbers of symbols too."""
    made, other = candles(volumes), Keys()
    table = candle_table(made, keys(), 7)
    assert table["kafka_partition"].to_pylist() == [10 + number % 3 for number in range(len(volumes))]
    assert [int(each.scaleb(8)) for each in table["volume"].to_pylist() if each < 10**19] == [
        volume for volume, _ in volumes if volume < 10**27
    ]
    found = candles_of(table, other)
    assert [other.pairs[key] for key in found["key"]] == [PAIRS[key] for key in made["key"]]
    found["key"] = made["key"]
    assert (found == made).all()


def test_a_timeframe_may_be_its_place() -> None:
    """As an Enum comes out of ClickHouse."""
    made = candles([(1, 1)] * 6)
    table = candle_table(made, keys(), 7)
    table = table.set_column(0, "timeframe", pa.array(made["timeframe"].astype(np.int8)))
    assert candles_of(table, keys())["timeframe"].tolist() == list(range(6))


@pytest.mark.parametrize("chunks", [[3], [1, 2], [2, 0, 1]])
def test_gold_rows_are_trades(chunks: list[int]) -> None:
    """In the order of the rows, however they lie; without a sequence the trade id is the number."""
    rows = pa.table(
        {
            "exchange": ["KRAKEN", "BINANCE", "KRAKEN"],
            "symbol": ["BTC/USDT", "BTC/USDT", "BTC/USDT"],
            "trade_id": ["7", "8", "9"],
            "source_sequence": pa.array([7, None, 9], pa.int64()),
            "timestamp": pa.array([1, 2, 3], pa.timestamp("us", tz="UTC")),
            "price": pa.array([1, 9_999_999_999, 2], pa.decimal128(18, 8)),
            "quantity": pa.array([3, 4, 5], pa.decimal128(18, 8)),
            "kafka_partition": pa.array([4, 5, 4], pa.int32()),
            "kafka_offset": [70, 80, 90],
        }
    )
    starts = np.cumsum([0, *chunks])
    of = Keys()
    trades = gold_trades(
        pa.concat_tables(rows.slice(start, count) for start, count in zip(starts, chunks, strict=False)), of
    )
    assert [of.pairs[key][0] for key in trades.key] == ["KRAKEN", "BINANCE", "KRAKEN"]
    assert trades.trade_id.tolist() == [7, 8, 9]
    assert trades.price.tolist() == [10**8, 999_999_999_900_000_000, 2 * 10**8]
    assert (trades.timestamp.tolist(), trades.offset.tolist()) == ([1, 2, 3], [70, 80, 90])
    assert of.partitions(trades.key).tolist() == [4, 5, 4]


@pytest.mark.parametrize(("numbers", "partitions"), [([0, 0], [10, 3]), ([1], [10])])
def test_a_symbol_in_two_partitions_halts(numbers: list[int], partitions: list[int]) -> None:
    """Of one batch, or of two: its trades have no order by which they could be folded."""
    with pytest.raises(Halt, match=r"BTC/USDT cannot be folded into candles: they are in partitions \d+ and 1\d "):
        keys().place(np.array(numbers), np.array(partitions))
