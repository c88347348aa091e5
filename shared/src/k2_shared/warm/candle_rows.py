"""Gold's trades and candles between the warm tier's rows, which are Arrow, and the columns of the fold."""

from collections.abc import Collection
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from k2_shared.arrow.arrays import TEXT, chosen, decimals, times
from k2_shared.candles.rows import CANDLE, CandleRows
from k2_shared.candles.timeframes import TIMEFRAMES
from k2_shared.candles.trades import GoldTrades
from k2_shared.candles.wide import Words
from k2_shared.core.contracts import cold_tables
from k2_shared.core.errors import Halt
from k2_shared.core.layout import Longs

Pair = tuple[str, str]
"""A venue and a symbol."""
PRICES = ("open", "high", "low", "close")
TIMES = ("window_start", "open_ts", "close_ts")
NUMBERS = ("open_id", "close_id", "lowest_id", "highest_id", "last_offset")
KEPT_DAYS = tuple(cold_tables()[f"gold_ohlcv_{each.name}"].warm_retention_hours // 24 for each in TIMEFRAMES)
"""How many days after it was written a candle expires, by the place of its timeframe; as the migration says."""
_PRICE, _VOLUME, _QUOTE_VOLUME = pa.decimal128(18, 8), pa.decimal128(38, 8), pa.decimal256(76, 16)
_MILLISECONDS = pa.timestamp("ms", tz="UTC")
_NAMES = [timeframe.name for timeframe in TIMEFRAMES]


class Keys:
    """A fold's numbers of venues' symbols, from 0 up in the order in which they come, and the partition of each."""

    def __init__(self) -> None:
        self.pairs: list[Pair] = []
        self._numbers: dict[Pair, int] = {}
        self._partitions = np.zeros(0, np.int32)

    def number(self, exchange: str, symbol: str) -> int:
        """The number of a symbol."""
        pair = (exchange, symbol)
        if pair not in self._numbers:
            self._numbers[pair] = len(self.pairs)
            self.pairs.append(pair)
            self._partitions = np.append(self._partitions, np.int32(-1))
        return self._numbers[pair]

    def of(self, rows: pa.Table) -> Longs:
        """The numbers of rows' symbols."""
        exchanges, symbols = (rows[name].combine_chunks().dictionary_encode() for name in ("exchange", "symbol"))
        count = len(symbols.dictionary)
        code = exchanges.indices.to_numpy().astype(np.int64) * count + symbols.indices.to_numpy()
        venues, names = exchanges.dictionary.to_pylist(), symbols.dictionary.to_pylist()
        numbers: Longs = np.zeros(len(venues) * count, np.int64)
        for each in np.flatnonzero(np.bincount(code)).tolist():
            numbers[each] = self.number(venues[each // count], names[each % count])
        found: Longs = numbers[code]
        return found

    def place(self, numbers: Longs, partitions: Longs) -> None:
        """Note in which partition of gold symbols are.

        Raises:
            Halt: one is in two, so that offsets do not order its trades.
        """
        known = self._partitions[numbers]
        self._partitions[numbers] = partitions
        wrong = (self._partitions[numbers] != partitions) | ((known >= 0) & (known != partitions))
        if wrong.any():
            raise Halt(_in_two(self.pairs[numbers[wrong][0]], {*known[wrong].tolist(), *partitions[wrong].tolist()}))

    def partitions(self, numbers: Longs) -> Any:
        """The partition of each of these symbols."""
        return self._partitions[numbers]


def _in_two(pair: Pair, partitions: Collection[int]) -> str:
    found = " and ".join(str(each) for each in sorted(partitions) if each >= 0)
    return (
        f"trades of {':'.join(pair)} cannot be folded into candles: they are in partitions {found} of gold, so that no "
        "offset orders them; find the producer that wrote one of them under another key"
    )


def gold_trades(rows: pa.Table, keys: Keys) -> GoldTrades:
    """Rows of ``gold_trades`` as a batch to fold."""
    trade_id = pc.coalesce(rows["source_sequence"], rows["trade_id"].cast(pa.int64()))
    trades = GoldTrades(
        key=keys.of(rows),
        timestamp=rows["timestamp"].cast(pa.int64()).to_numpy(),
        trade_id=trade_id.to_numpy(),
        price=_unscaled(rows["price"]),
        quantity=_unscaled(rows["quantity"]),
        offset=rows["kafka_offset"].to_numpy(),
    )
    keys.place(trades.key, rows["kafka_partition"].to_numpy())
    return trades


def candle_table(candles: CandleRows, keys: Keys, written_ms: int) -> pa.Table:
    """Candles as rows of ``candles``, written then."""
    exchanges, symbols = zip(*keys.pairs, strict=True) if keys.pairs else ((), ())
    return pa.table(
        {
            "timeframe": chosen(_NAMES, candles["timeframe"]),
            "exchange": chosen(exchanges, candles["key"]),
            "symbol": chosen(symbols, candles["key"]),
            **{name: times(np.ascontiguousarray(candles[name])) for name in TIMES},
            **{name: decimals(np.ascontiguousarray(candles[name]), _PRICE) for name in PRICES},
            "volume": _decimals(candles["volume"], _VOLUME),
            "quote_volume": _decimals(candles["quote_volume"], _QUOTE_VOLUME),
            "trade_count": pa.array(candles["trade_count"].astype(np.uint64)),
            **{name: pa.array(np.ascontiguousarray(candles[name])) for name in NUMBERS},
            "kafka_partition": pa.array(keys.partitions(candles["key"])),
            "written_at": pa.array(np.full(len(candles), written_ms)).cast(_MILLISECONDS),
        }
    )


def candles_of(rows: pa.Table, keys: Keys) -> CandleRows:
    """Rows of ``candles`` as a fold takes them; the timeframe is its name, or its place in TIMEFRAMES."""
    candles = np.zeros(rows.num_rows, CANDLE)
    candles["timeframe"] = _timeframes(rows["timeframe"])
    candles["key"] = keys.of(rows) if rows.num_rows else 0
    for name in TIMES:
        candles[name] = rows[name].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
    for name in PRICES:
        candles[name] = _unscaled(rows[name])
    for name in ("volume", "quote_volume"):
        candles[name] = _limbs(rows[name])
    for name in (*NUMBERS, "trade_count"):
        candles[name] = rows[name].to_numpy()
    return candles


def _timeframes(column: pa.ChunkedArray) -> Any:
    if pa.types.is_integer(column.type):
        return column.to_numpy()
    return pc.index_in(column.cast(TEXT), pa.array(_NAMES, TEXT)).to_numpy()


def _unscaled(column: pa.ChunkedArray) -> Longs:
    """Decimals of 18 digits without their point."""
    return np.ascontiguousarray(_limbs(column)[:, 0]).view(np.int64)


def _limbs(column: pa.ChunkedArray) -> Words:
    """Decimals without their point, a row of limbs for each, the least significant first."""
    array = column.combine_chunks()
    count = array.type.byte_width // 8
    found: Words = np.frombuffer(array.buffers()[1], np.uint64).reshape(-1, count)
    return found[array.offset : array.offset + len(array)]


def _decimals(limbs: Words, kind: pa.DataType) -> pa.Array:
    return pa.Array.from_buffers(kind, len(limbs), [None, pa.py_buffer(np.ascontiguousarray(limbs))])
