"""What the warm tier is told, by seed, and the log of it: rows of every cold table, by their keys."""

import itertools
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from typing import Any

from k2_shared.candles.timeframes import TIMEFRAMES

Row = dict[str, Any]
Key = tuple[Any, ...]
_VENUES, _SYMBOLS = ("KRAKEN", "BINANCE"), ("BTC/USDT", "ETH/USD", "币/USDT")
_EXACT = Context(prec=80)
_LAST_US = 3_599_999_999
_BEGAN = datetime(1970, 1, 1, tzinfo=UTC)
INTO = ("raw_trades", "bronze_trades", "silver_trades", "candles")
BOUNDARIES = (
    datetime(2026, 1, 1, tzinfo=UTC),
    datetime(2026, 3, 1, tzinfo=UTC),
    datetime(2024, 3, 1, tzinfo=UTC),
    datetime(2024, 2, 29, tzinfo=UTC),
    datetime(2026, 6, 15, tzinfo=UTC),
)
"""Midnights: of a year, of months, behind a leap day and before it, and of none of these."""
HOURS = [boundary + timedelta(hours=number) for boundary in BOUNDARIES for number in (-1, 0)]
"""The hours in which trades were made."""


@dataclass
class Content:
    """Deliveries of trades, each a frame, a record of bronze and one of silver, and a change of six candles.

    ``log`` has the rows that the cold tables must have, by table and key; ``told`` all that ClickHouse was ever told.
    """

    rng: random.Random
    log: dict[str, dict[Key, Row]] = field(default_factory=dict)
    told: dict[str, list[Row]] = field(default_factory=dict)
    _trades: dict[tuple[str, str, str, datetime], list[Row]] = field(default_factory=dict)
    _offsets: "itertools.count[int]" = field(default_factory=itertools.count)

    def deliver(self, count: int, hours: Sequence[datetime]) -> dict[str, list[Row]]:
        """So many trades of these hours, received within two hours: what is new, by the table of ClickHouse."""
        received = datetime.now(UTC) - timedelta(seconds=self.rng.uniform(4 * 3_600, 20 * 3_600))
        new: dict[str, list[Row]] = {name: [] for name in INTO}
        for _ in range(count):
            trade = self._trade(self.rng.choice(hours), received)
            for name, row in (("raw_trades", _raw), ("bronze_trades", self._bronze), ("silver_trades", self._silver)):
                made = row(trade)
                new[name].append(made)
                self.log.setdefault(name, {})[place(made)] = made
            new["candles"] += [self._candle(each.name, each.width_us, trade) for each in TIMEFRAMES]
        for name, rows in new.items():
            self.told.setdefault(name, []).extend(rows)
        return new

    @property
    def rows(self) -> int:
        """How many rows the cold tables must have."""
        return sum(map(len, self.log.values()))

    def _trade(self, hour: datetime, received: datetime) -> Row:
        offset = next(self._offsets)
        at = hour + timedelta(microseconds=self.rng.choice([0, _LAST_US, self.rng.randrange(_LAST_US)]))
        exchange = self.rng.choice(_VENUES)
        return {
            "exchange": exchange,
            "symbol": self.rng.choice(_SYMBOLS),
            "timestamp": at,
            "price": Decimal(self.rng.randrange(1, 10**18)).scaleb(-8),
            "quantity": Decimal(self.rng.choice([1, 10**17, self.rng.randrange(1, 10**10)])).scaleb(-8),
            "side": self.rng.choice(("BUY", "SELL")),
            "trade_id": str(10**15 + offset),
            "source_sequence": 10**15 + offset,
            "ingestion_timestamp": received + timedelta(seconds=self.rng.uniform(0, 2 * 3_600)),
            "kafka_topic": f"of.{exchange}",
            "kafka_partition": offset % 12,
            "kafka_offset": offset,
        }

    def _bronze(self, trade: Row) -> Row:
        payload = self.rng.randbytes(self.rng.choice((0, 40)))
        columns = ("trade_id", "timestamp", "price", "quantity", "side", "source_sequence")
        of_trade = {name: trade[name] for name in columns} if self.rng.random() < 0.8 else dict.fromkeys(columns)
        return {**_common(trade), **of_trade, "message_key": f"key {trade['trade_id']}", "avro_payload": payload}

    def _silver(self, trade: Row) -> Row:
        common = _common(trade)
        return {
            **trade,
            "quote_volume": _EXACT.multiply(trade["price"], trade["quantity"]),
            "currency": trade["symbol"].partition("/")[2],
            "validated_at": common.pop("kafka_timestamp"),
            "vendor_data": [("ord_type", "limit"), ("币", "")] if self.rng.random() < 0.5 else [],
        }

    def _candle(self, timeframe: str, width_us: int, trade: Row) -> Row:
        """The row of the window that a trade is in; the log has the candle that a reader is to find."""
        since = (trade["timestamp"] - _BEGAN) // timedelta(microseconds=1)
        start = _BEGAN + timedelta(microseconds=since - since % width_us)
        window = (timeframe, trade["exchange"], trade["symbol"], start)
        trades = self._trades.setdefault(window, [])
        trades.append(trade)
        candle = _final(start, trades)
        self.log.setdefault(f"gold_ohlcv_{timeframe}", {})[window[1:]] = candle
        return _stored(timeframe, candle, trades)


def place(row: Row) -> Key:
    """The place of a row's record in Kafka."""
    return row["kafka_topic"], row["kafka_partition"], row["kafka_offset"]


def _common(trade: Row) -> Row:
    names = ("exchange", "symbol", "ingestion_timestamp", "kafka_topic", "kafka_partition", "kafka_offset")
    received: datetime = trade["ingestion_timestamp"]
    stamp = received.replace(microsecond=received.microsecond // 1_000 * 1_000)
    return {**{name: trade[name] for name in names}, "kafka_timestamp": stamp}


def _raw(trade: Row) -> Row:
    return {**_common(trade), "frame": f'{{"trade_id": {trade["trade_id"]}}}'.encode()}


def _final(start: datetime, trades: Iterable[Row]) -> Row:
    ordered = sorted(trades, key=_order)
    prices = [trade["price"] for trade in ordered]
    total, quote = Decimal(0), Decimal(0)
    for trade in ordered:
        total = _EXACT.add(total, trade["quantity"])
        quote = _EXACT.add(quote, _EXACT.multiply(trade["price"], trade["quantity"]))
    return {
        "exchange": ordered[0]["exchange"],
        "symbol": ordered[0]["symbol"],
        "window_start": start,
        "open_time": ordered[0]["timestamp"],
        "open": prices[0],
        "high": max(prices),
        "low": min(prices),
        "close": prices[-1],
        "close_time": ordered[-1]["timestamp"],
        "volume": total,
        "quote_volume": quote,
        "trade_count": len(ordered),
        "is_complete": True,
    }


def _order(trade: Row) -> tuple[datetime, int]:
    return trade["timestamp"], trade["source_sequence"]


def _stored(timeframe: str, candle: Row, trades: Sequence[Row]) -> Row:
    """A candle as the table behind its view has it."""
    ordered, ids = sorted(trades, key=_order), [trade["source_sequence"] for trade in trades]
    own = {name: value for name, value in candle.items() if name not in ("open_time", "close_time", "is_complete")}
    return {
        "timeframe": timeframe,
        **own,
        "open_ts": candle["open_time"],
        "open_id": ordered[0]["source_sequence"],
        "close_ts": candle["close_time"],
        "close_id": ordered[-1]["source_sequence"],
        "lowest_id": min(ids),
        "highest_id": max(ids),
        "kafka_partition": 0,
        "last_offset": trades[-1]["kafka_offset"],
        "written_at": datetime.now(UTC),
    }
