"""What ClickHouse gives in Arrow is what the cold table has, to the last digit, or is refused by name."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from k2_shared.cold.rows import DoesNotFit, cold_rows
from k2_shared.core import contracts
from k2_shared.lake.iceberg import schema_of

CANDLES = contracts.cold_tables()["gold_ohlcv_1m"]
MOST = 10**38 - 1
WIDEST = 10**76 - 1
NOON = datetime(2025, 11, 10, 12, tzinfo=UTC)
MS, US = pa.timestamp("ms", tz="UTC"), pa.timestamp("us", tz="UTC")
PRICE = pa.decimal128(18, 8)
# The types in which ClickHouse 26 gives its own in Arrow.
GIVEN = {
    "string": pa.string(),
    "binary": pa.string(),
    "int": pa.int32(),
    "long": pa.int64(),
    "boolean": pa.uint8(),
    "timestamptz": US,
    "decimal(18, 8)": PRICE,
    "decimal(38, 8)": pa.decimal128(38, 8),
    "decimal(38, 16)": pa.decimal128(38, 16),
    "map<string, string>": pa.map_(pa.string(), pa.string()),
}
OWN = {
    "side": pa.int8(),
    "kafka_timestamp": MS,
    "validated_at": MS,
    "trade_count": pa.uint64(),
}


def unscaled(digits: int, scale: int) -> Decimal:
    """A decimal of all of these digits, which no context rounds."""
    return Decimal((int(digits < 0), tuple(map(int, str(abs(digits)))), -scale))


def table(name: str, **said: Sequence[Any] | pa.Array) -> pa.Table:
    """Rows of a relation in ClickHouse's types, of as many as is said; what is not said is null."""
    count = max(map(len, said.values()), default=0)
    columns = {}
    for column in contracts.cold_tables()[name].columns:
        kind = OWN.get(column.name, GIVEN[column.type])
        if name.startswith("gold") and column.name == "quote_volume":
            kind = pa.decimal256(76, 16)
        of = said.get(column.name, [None] * count)
        columns[column.name] = of if isinstance(of, pa.Array) else pa.array(of, kind)
    return pa.table(columns)


def converted(name: str, rows: pa.Table) -> pa.Table:
    return cold_rows(rows, contracts.cold_tables()[name])


def candles(**said: Sequence[Any]) -> pa.Table:
    """Candles of BTC/USDT, a minute after the other."""
    count = max(map(len, said.values()))
    named = {"exchange": ["KRAKEN"] * count, "symbol": ["BTC/USDT"] * count}
    return table(
        "gold_ohlcv_1m", **named, window_start=[NOON + timedelta(minutes=each) for each in range(count)], **said
    )


def as_bytes(values: Sequence[bytes | None]) -> pa.Array:
    """Bytes that ClickHouse calls a text, whatever they are."""
    return pa.array(values, pa.binary()).view(pa.string())


@pytest.mark.parametrize("name", contracts.cold_tables())
def test_the_columns_are_the_contracts_in_its_types(name: str) -> None:
    """Those of a table without rows too, and of one with nulls alone; what else there is is left out."""
    wanted = schema_of(contracts.cold_tables()[name]).as_arrow()
    found = converted(name, table(name).append_column("vwap", pa.array([], PRICE)))
    assert (found.schema, found.num_rows) == (wanted, 0)
    nulls = converted(name, table(name, exchange=[None, None]))
    assert nulls.schema == wanted
    assert nulls.to_pylist() == [dict.fromkeys(wanted.names)] * 2


@given(st.lists(st.integers(-MOST, MOST) | st.sampled_from([MOST, -MOST, 0, 1, -1]), min_size=1))
def test_a_quote_volume_of_38_digits_is_kept(digits: list[int]) -> None:
    """With all sixteen after the point."""
    volumes = [unscaled(each, 16) for each in digits]
    assert converted("gold_ohlcv_1m", candles(quote_volume=volumes))["quote_volume"].to_pylist() == volumes


@pytest.mark.parametrize("too_wide", [MOST + 1, -MOST - 1, 2**127, -(2**127), 2**128, 10**39, WIDEST, -WIDEST])
@pytest.mark.parametrize("row", [0, 1, 4, 6])
def test_a_quote_volume_of_more_is_refused_by_name(too_wide: int, row: int) -> None:
    """It is said of which candle it is, what it is and what the column takes, wherever it stands."""
    volumes = [unscaled(MOST, 16)] * 7
    volumes[row] = unscaled(too_wide, 16)
    with pytest.raises(DoesNotFit) as refused:
        converted("gold_ohlcv_1m", candles(quote_volume=volumes))
    assert str(refused.value) == (
        f"cold table gold_ohlcv_1m cannot hold quote_volume {volumes[row]} of exchange KRAKEN, symbol BTC/USDT, "
        f"window_start 2025-11-10 12:0{row}:00+00:00: the column takes a decimal(38, 16); correct the row in "
        "ClickHouse's candles, and its hour can be offloaded"
    )
    assert refused.value.exit_code == 3


def test_the_first_of_several_is_named() -> None:
    """In rows that come in several batches, as a stream does."""
    wide = unscaled(WIDEST, 16)
    batches = [candles(quote_volume=[unscaled(1, 16)] * 3), candles(quote_volume=[None, wide, wide])]
    with pytest.raises(DoesNotFit, match="window_start 2025-11-10 12:01:00"):
        converted("gold_ohlcv_1m", pa.concat_tables(batches))


def test_counts_and_flags_come_from_wider_types() -> None:
    """A count up to what 63 bits hold; one more is refused."""
    found = converted("gold_ohlcv_1m", candles(trade_count=[0, 2**63 - 1], is_complete=[1, 0]))
    assert found["trade_count"].to_pylist() == [0, 2**63 - 1]
    assert found["is_complete"].to_pylist() == [True, False]
    with pytest.raises(DoesNotFit, match=rf"trade_count {2**63} of exchange KRAKEN.* the column takes a long"):
        converted("gold_ohlcv_1m", candles(trade_count=[1, 2**63]))


def test_other_decimals_keep_every_digit() -> None:
    """The widest of each, of either sign."""
    widest = {"volume": unscaled(-MOST, 8), "open": unscaled(10**18 - 1, 8), "low": unscaled(-(10**18) + 1, 8)}
    (found,) = converted("gold_ohlcv_1m", candles(**{name: [value] for name, value in widest.items()})).to_pylist()
    assert {name: found[name] for name in widest} == widest
    product = unscaled((10**18 - 1) ** 2, 16)
    assert (
        converted("silver_trades", table("silver_trades", quote_volume=[product]))["quote_volume"][0].as_py() == product
    )


def test_bytes_are_as_received() -> None:
    """No UTF-8, zeros, nothing at all."""
    frames = [b"\xff\xfe\x00{", b"", "币".encode(), bytes(range(256))]
    assert converted("raw_trades", table("raw_trades", frame=as_bytes(frames)))["frame"].to_pylist() == frames
    bronze = table("bronze_trades", avro_payload=as_bytes(frames))
    assert converted("bronze_trades", bronze)["avro_payload"].to_pylist() == frames


def test_a_text_that_is_none_is_refused_by_name() -> None:
    """ClickHouse takes any bytes for a text; another reader of the table would not."""
    rows = table(
        "silver_trades",
        exchange=["KRAKEN", "KRAKEN"],
        symbol=as_bytes([b"BTC/USDT", b"BTC\xff"]),
        timestamp=[NOON, NOON],
        source_sequence=[1, 2],
    )
    with pytest.raises(DoesNotFit, match=r"symbol BTC\\xff of exchange KRAKEN, symbol BTC\\xff, timestamp 2025"):
        converted("silver_trades", rows)


def test_a_long_value_is_told_by_its_beginning() -> None:
    """A line of a log stays one."""
    with pytest.raises(DoesNotFit) as refused:
        converted("bronze_trades", table("bronze_trades", message_key=as_bytes([b"\xff" + b"k" * 10**6])))
    assert "message_key \\xff" + "k" * 196 + "… of exchange None" in str(refused.value)


def test_dictionaries_and_bytes_are_texts_too() -> None:
    """As ClickHouse gives them where it is set to."""
    symbols = pa.array([b"BTC/USDT", b"ETH/USDT", b"BTC/USDT"]).dictionary_encode()
    rows = table("raw_trades", symbol=symbols, exchange=pa.array(["KRAKEN"] * 3).dictionary_encode())
    found = converted("raw_trades", rows)
    assert found["symbol"].to_pylist() == ["BTC/USDT", "ETH/USDT", "BTC/USDT"]
    assert found["exchange"].to_pylist() == ["KRAKEN"] * 3


def test_sides_have_their_names() -> None:
    """By the number that ClickHouse gives, or by the name; null where nothing was decoded."""
    assert converted("bronze_trades", table("bronze_trades", side=[2, None, 1]))["side"].to_pylist() == [
        "SELL",
        None,
        "BUY",
    ]
    named = table("bronze_trades", side=pa.array(["SELL", "BUY"]))
    assert converted("bronze_trades", named)["side"].to_pylist() == ["SELL", "BUY"]


@pytest.mark.parametrize("number", [0, 3, -1])
def test_a_side_that_is_none_is_refused(number: int) -> None:
    """A newer enum has it, and this version does not know what it means."""
    with pytest.raises(DoesNotFit, match=f"side {number} of exchange None, .* the column takes a string"):
        converted("bronze_trades", table("bronze_trades", side=[1, number]))


@pytest.mark.parametrize("said", [{}, {"ord_type": "limit", "币": ""}])
def test_maps_are_kept(said: Mapping[str, str]) -> None:
    """With their entries, or empty."""
    rows = table("silver_trades", vendor_data=[list(said.items())])
    assert converted("silver_trades", rows)["vendor_data"].to_pylist() == [list(said.items())]


def test_a_map_of_what_is_no_text_is_refused() -> None:
    """As a text is."""
    maps = pa.MapArray.from_arrays(pa.array([0, 1], pa.int32()), as_bytes([b"key"]), as_bytes([b"\xff"]))
    with pytest.raises(DoesNotFit, match=r"vendor_data \[\(b'key', b'\\xff'\)\] of"):
        converted("silver_trades", table("silver_trades", vendor_data=maps))


def test_milliseconds_are_microseconds() -> None:
    """And microseconds stay what they are, also before 1970."""
    moments = [NOON + timedelta(milliseconds=7), datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)]
    found = converted("silver_trades", table("silver_trades", validated_at=moments, timestamp=moments))
    assert found["validated_at"].to_pylist() == found["timestamp"].to_pylist() == moments


def test_a_column_that_is_not_there_is_named() -> None:
    """None of ours is null because nobody asked for it."""
    with pytest.raises(KeyError, match="quote_volume"):
        converted("silver_trades", table("silver_trades").drop_columns("quote_volume"))
