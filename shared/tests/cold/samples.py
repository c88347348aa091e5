"""A thousand rows for each cold table, as it must have them, and how ClickHouse comes to have them."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from typing import Any

import pyarrow as pa

from k2_shared.core import contracts
from k2_shared.lake.iceberg import schema_of
from k2_support.warm_tables import Row, WarmTables

COUNT = 1_000
INCOMPLETE = 6
"""The number of the candle that lacks a trade."""
_VENUES, _SYMBOLS = ("KRAKEN", "BINANCE"), ("BTC/USDT", "ETH/USDT", "币/USDT")
_BEGIN = datetime(2025, 1, 30, 23, 10, tzinfo=UTC)
_PRICES = [Decimal(text) for text in ("9999999999.99999999", "-9999999999.99999999", "0.00000001", "105433.60000000")]
_WIDEST = [
    Decimal(text) for text in ("9" * 22 + "." + "9" * 16, "-" + "9" * 22 + "." + "9" * 16, "0." + "0" * 15 + "1")
]
_VOLUMES = [Decimal(text) for text in ("9" * 30 + "." + "9" * 8, "0.00000001", "17.25000000")]
_EXACT = Context(prec=40)
_BYTES = (b'{"trade_id": 1}', b"\xff\xfe\x00", b"")
_DATA = ([("ord_type", "limit"), ("币", "")], [])


def samples(name: str) -> list[Row]:
    """The rows of a cold table; ClickHouse keeps them, for they are received now."""
    received = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=20)
    make = _MAKE.get(name, _candle)
    rows = [make(number, received + timedelta(seconds=37 * number, microseconds=number)) for number in range(COUNT)]
    if name not in _MAKE:
        rows[INCOMPLETE]["is_complete"] = False
    return rows


def write(tables: WarmTables, name: str, rows: list[Row]) -> None:
    """Have ClickHouse show these rows in the relation of a cold table."""
    contract = contracts.cold_tables()[name]
    made = pa.Table.from_pylist(rows, schema=schema_of(contract).as_arrow())
    if contract.kept_in == name:
        tables.client.insert_arrow(name, made)
        return
    tables.client.insert_arrow(contract.kept_in, _stored(made, name))
    candle, lacking = rows[INCOMPLETE], [10 * INCOMPLETE + 3]
    missing = [candle["exchange"], candle["symbol"], lacking, lacking, datetime.now(UTC)]
    tables.client.insert("missing_ids", [missing])


def _common(number: int, received: datetime) -> Row:
    return {
        "exchange": _VENUES[number % 2],
        "symbol": _SYMBOLS[number % 3],
        "ingestion_timestamp": received,
        "kafka_timestamp": received.replace(microsecond=number * 1_000),
        "kafka_topic": f"of.{_VENUES[number % 2]}",
        "kafka_partition": number % 12,
        "kafka_offset": 2**53 + number,
    }


def _raw(number: int, received: datetime) -> Row:
    return {**_common(number, received), "frame": _BYTES[number % 3]}


def _trade(number: int) -> Row:
    return {
        "trade_id": str(10**17 + number),
        "timestamp": _BEGIN + timedelta(minutes=6 * number, microseconds=number),
        "price": _PRICES[number % 4],
        "quantity": _PRICES[number % 3],
        "side": ("BUY", "SELL")[number % 2],
        "source_sequence": 10**17 + number,
    }


def _bronze(number: int, received: datetime) -> Row:
    trade = _trade(number) if number % 5 else dict.fromkeys(_trade(number))
    key, payload = f"key {number}", _BYTES[number % 3]
    return {**_common(number, received), **trade, "message_key": key, "avro_payload": payload}


def _silver(number: int, received: datetime) -> Row:
    common, trade = _common(number, received), _trade(number)
    validated_at = common.pop("kafka_timestamp")
    return {
        **common,
        **trade,
        "source_sequence": trade["source_sequence"] if number % 7 else None,
        "quote_volume": _EXACT.multiply(trade["price"], trade["quantity"]),
        "currency": "USDT",
        "validated_at": validated_at,
        "vendor_data": _DATA[number % 2],
    }


def _candle(number: int, _received: datetime) -> Row:
    start = datetime(2024, 11, 30, tzinfo=UTC) + timedelta(days=number // 6)
    return {
        "exchange": _VENUES[number % 2],
        "symbol": _SYMBOLS[number % 3],
        "window_start": start,
        "open_time": start + timedelta(microseconds=1),
        "open": _PRICES[3],
        "high": _PRICES[0],
        "low": _PRICES[1],
        "close": _PRICES[2],
        "close_time": start + timedelta(seconds=59, microseconds=999_999),
        "volume": _VOLUMES[number % 3],
        "quote_volume": _WIDEST[number % 3],
        "trade_count": number % 5 + 1,
        "is_complete": True,
    }


def _stored(candles: pa.Table, name: str) -> pa.Table:
    """Candles as the table behind their view has them; the ids of one's trades are before those of the next."""
    count, now = len(candles), time.time_ns() // 1_000_000
    stored = candles.drop_columns("is_complete").rename_columns({"open_time": "open_ts", "close_time": "close_ts"})
    first, last = (pa.array([10 * number + more for number in range(count)]) for more in (0, 5))
    more: Mapping[str, Any] = {
        "timeframe": pa.array([name.removeprefix("gold_ohlcv_")] * count),
        **dict.fromkeys(("open_id", "lowest_id"), first),
        **dict.fromkeys(("close_id", "highest_id", "last_offset"), last),
        "kafka_partition": pa.array([1] * count, pa.int32()),
        "written_at": pa.array([now] * count).cast(pa.timestamp("ms", tz="UTC")),
    }
    for column, values in more.items():
        stored = stored.append_column(column, values)
    return stored


_MAKE: Mapping[str, Callable[[int, datetime], Row]] = {
    "raw_trades": _raw,
    "bronze_trades": _bronze,
    "silver_trades": _silver,
}
