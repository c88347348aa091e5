"""Keeps the table of candles up with the trades that go into gold's: they are inserted, then what they change here."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import time_ns

import numpy as np
import pyarrow as pa

from k2_shared.candles.fold import CandleFold, Folded
from k2_shared.candles.rows import CandleRows
from k2_shared.candles.timeframes import TIMEFRAMES
from k2_shared.core.layout import Longs
from k2_shared.core.metrics import CandleMetrics
from k2_shared.warm.candle_rows import KEPT_DAYS, Keys, Pair, candle_table, gold_trades
from warm_sink.adapters import Warehouse
from warm_sink.candle_store import StoredCandles
from warm_sink.rules import Ends, Filled, Source, Standing, has_all, new_sources
from warm_sink.sealing import refused

TABLE = "candles"
_KEPT_HOURS = (KEPT_DAYS[-1] - 1) * 24  # how far the candles are is told by those that are kept longest
_STANDS = """
SELECT 1 FROM candles WHERE timeframe = {timeframe:String} AND exchange = {exchange:String} AND symbol = {symbol:String}
AND window_start = fromUnixTimestamp64Micro({start:Int64}, 'UTC') AND last_offset >= {offset:Int64}
AND {rebuilt:Int64} = (SELECT toUnixTimestamp64Micro(max(rebuilt_at)) FROM candle_rebuilds) LIMIT 1
"""
_ENDS = "SELECT kafka_partition, max(last_offset) + 1 FROM candles WHERE timeframe = '1d' GROUP BY kafka_partition"
_REBUILT = "SELECT toUnixTimestamp64Micro(max(rebuilt_at)) FROM candle_rebuilds"
_HAS_ROWS = "SELECT 1 FROM candles LIMIT 1"
_BEGUN = """
SELECT toUnixTimestamp64Micro(min(began_at)) FROM sink_state FINAL WHERE table_name = 'candles'
"""


@dataclass(frozen=True, slots=True)
class _Mark:
    """A row that was inserted last; the table has it, or a newer one of its window."""

    timeframe: str
    pair: Pair
    start: int
    offset: int


class Candles:
    """Folds batches of gold's rows and inserts the candles that change; a fold lives from one ``begin`` to the next.

    For one thread at a time; every method blocks and may raise what ``Warehouse`` raises.
    """

    def __init__(self, warehouse: Warehouse, most_older: int, metrics: CandleMetrics) -> None:
        self._warehouse = warehouse
        self._most_older = most_older
        self._metrics = metrics
        self._mark: _Mark | None = None
        self._newest = np.full(len(TIMEFRAMES), -1)

    def begin(self, sources: Mapping[str, Source]) -> Filled:
        """Begin a new fold, for gold's topic; returns how far the candles are.

        Raises:
            Halt: they are of another topic.
        """
        (self._topic,) = sources
        self._ends = ends = self._now()
        has_rows = bool(self._warehouse.ask(_HAS_ROWS))
        if not has_rows or new_sources(TABLE, Standing(self._warehouse.sources(TABLE), ends), sources):
            self._warehouse.remember(TABLE, sources)
        ((begun_us,),) = self._warehouse.ask(_BEGUN)
        self._rebuilt = self._last_rebuild()
        self._keys, self._mark = Keys(), None
        self._fold = CandleFold(StoredCandles(self._warehouse, self._keys, int(begun_us)), self._most_older)
        return Filled(TABLE, ends, _KEPT_HOURS if has_rows else None, folded=True)

    def stand(self) -> bool:
        """Whether the table has what was inserted last, or newer; before anything was, what it had at the beginning.

        Not after candles were made again: what was read of them may have been wrong.
        """
        if (mark := self._mark) is None:
            return has_all(self._now(), self._ends) and self._rebuilt == self._last_rebuild()
        (exchange, symbol) = mark.pair
        of = {"timeframe": mark.timeframe, "exchange": exchange, "symbol": symbol}
        given = {**of, "start": mark.start, "offset": mark.offset, "rebuilt": self._rebuilt}
        return bool(self._warehouse.ask(_STANDS, **given))

    def follow(self, rows: pa.Table) -> bool:
        """Insert the candles that rows of gold change, which stand in its table; doing it again changes nothing.

        False where the table has lost rows: those that were read to fold may lack trades, so nothing is inserted.

        Raises:
            Halt: a row cannot be folded.
        """
        trades = gold_trades(rows, self._keys)
        folded = self._fold.fold(trades)
        if not self.stand():
            return False
        if len(folded.changed):
            now_ms = time_ns() // 1_000_000
            self._warehouse.insert(TABLE, candle_table(folded.changed, self._keys, now_ms))
            self._mark = self._marked(folded.changed[-1:])
        self._fold.accept(folded)
        self._count(folded, refused(trades, folded.touched))
        return True

    def _now(self) -> Ends:
        return {(self._topic, partition): int(end) for partition, end in self._warehouse.ask(_ENDS)}

    def _last_rebuild(self) -> int:
        ((rebuilt,),) = self._warehouse.ask(_REBUILT)
        return int(rebuilt)

    def _marked(self, row: CandleRows) -> _Mark:
        timeframe, key, start, offset = (
            int(row[name][0]) for name in ("timeframe", "key", "window_start", "last_offset")
        )
        return _Mark(TIMEFRAMES[timeframe].name, self._keys.pairs[key], start, offset)

    def _count(self, folded: Folded, refusals: Longs) -> None:
        np.maximum.at(self._newest, folded.changed["timeframe"], folded.changed["window_start"])
        for place, timeframe in enumerate(TIMEFRAMES):
            self._metrics.late.labels(timeframe.name).inc(int(folded.late[place]))
            self._metrics.refused.labels(timeframe.name).inc(int(refusals[place]))
            if self._newest[place] >= 0:
                self._metrics.newest.labels(timeframe.name).set(self._newest[place] / 1e6)
