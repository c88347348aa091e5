"""Candles of many millions of trades: how long a day of them takes to read, and a sink's start amid them.

The server folds the candles itself, from the trades that ``warm_reads`` lets it make, in one statement a day.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tests.bench.harness import Watch, until_table_has
from tests.bench.lag import write_trades
from tests.bench.market import Market
from tests.bench.warm_place import READY_S, TABLE, WarmPlace, started, warm_place
from tests.bench.warm_reads import Query, Reads, fill, read_each, reader_of, symbols

from k2.ohlcv.selection import Selection, timeframe_of
from k2_shared.candles.timeframes import TIMEFRAMES
from k2_shared.kafka.topics import GOLD
from k2_support.children import Child
from k2_support.waiting import came_true

CANDLES = 1_440
BACK = timedelta(days=2)
"""How old the first trade is that a new sink takes; the last is of now."""
_POLL_S = 0.2  # each look costs the server some milliseconds of CPU
_DAYS = "SELECT DISTINCT toString(toDate(timestamp)) FROM {table:Identifier}"
# A minute's candle first, then all timeframes of the minutes. They are of no partition of the topic, so that a sink
# begins there at 0, and of offset 0, so that they have every trade but those that it takes from there.
_FOLD = """
INSERT INTO candles
SELECT timeframe, exchange, symbol, fromUnixTimestamp64Micro(intDiv(minute, width) * width, 'UTC') AS begin,
    argMin(opened, (first_ts, first_id)), max(most), min(least), argMax(closed, (last_ts, last_id)),
    sum(bought), sum(paid), sum(trades), min(first_ts), argMin(first_id, (first_ts, first_id)),
    max(last_ts), argMax(last_id, (last_ts, last_id)), min(lowest), max(highest), -1, 0, now64(3)
FROM
(
    WITH assumeNotNull(source_sequence) AS id
    SELECT exchange, symbol, intDiv(toUnixTimestamp64Micro(timestamp), 60000000) * 60000000 AS minute,
        argMin(price, (timestamp, id)) AS opened, max(price) AS most, min(price) AS least,
        argMax(price, (timestamp, id)) AS closed, sum(toDecimal128(quantity, 8)) AS bought,
        sum(toDecimal256(quote_volume, 16)) AS paid, count() AS trades,
        min(timestamp) AS first_ts, argMin(id, (timestamp, id)) AS first_id,
        max(timestamp) AS last_ts, argMax(id, (timestamp, id)) AS last_id, min(id) AS lowest, max(id) AS highest
    FROM {table:Identifier} WHERE toDate(timestamp) = {day:Date} GROUP BY exchange, symbol, minute
)
ARRAY JOIN {names:Array(String)} AS timeframe, {widths:Array(Int64)} AS width
GROUP BY timeframe, exchange, symbol, begin
"""
# Three ids after every sixth hour of each symbol, which no trade has: runs of a symbol's ids lie further apart.
_LOSE = """
INSERT INTO missing_ids
SELECT exchange, symbol, arraySort(groupArray(highest_id + 1)) AS firsts, arrayMap(each -> each + 2, firsts), now64(6)
FROM candles FINAL WHERE timeframe = '1h' AND toHour(window_start) % 6 = 0 GROUP BY exchange, symbol
"""
_COUNTS = "SELECT timeframe, count(), sum(trade_count) FROM candles FINAL GROUP BY timeframe"
_INCOMPLETE = "SELECT count() FROM gold_ohlcv_1m WHERE NOT is_complete"
_NEW = "SELECT 1 FROM candles WHERE timeframe = '1d' AND last_offset > 0 LIMIT 1"


@dataclass(frozen=True)
class Begun:
    """A start amid the history: the seconds until a candle was inserted and until all were, and the sink's memory.

    Of the first, CPU seconds: the sink's, and the server's, which is None where it is on another machine.
    """

    first_s: float
    sink_cpu_s: float
    server_cpu_s: float | None
    all_s: float
    trades: int
    peak_mb: float


@dataclass(frozen=True)
class History:
    """Reads of candles that lack nothing and where ids are missing, of so many that are incomplete; and a start."""

    trades: int
    candles: int
    complete: Reads
    incomplete: Reads
    lacking: int
    begun: Begun
    server_mb: float | None


async def measure_history(rows: int, reads: int, trades: int, candles: int = CANDLES) -> History:
    """Fill the tables with so many rows, read the last candles of symbols, and start a sink on so many trades more."""
    async with warm_place() as place:
        await _remembered(place)
        fill(place, rows)
        fold(place, TABLE)
        await place.merged()
        count = sum(number for number, _ in _counts(place).values())
        queries = _last_candles(reads, candles)
        with reader_of(place) as reader:
            complete = Reads.of(read_each(place, reader, queries, candles))
            place.tables.command(_LOSE)
            incomplete = Reads.of(read_each(place, reader, queries, candles))
        ((lacking,),) = place.tables.ask(_INCOMPLETE)
        begun = await _start(place, trades)
        _check(place, rows + trades)
        return History(
            rows, count, complete, incomplete, lacking, begun, place.server.peak_mb if place.server else None
        )


async def _remembered(place: WarmPlace) -> None:
    """Let a sink note which topics the tables are filled from, while they are empty."""
    sink = place.agent("warm_sink")
    try:
        await started(sink)
    finally:
        sink.stop()


def fold(place: WarmPlace, table: str) -> None:
    """Let the server make the candles of all trades of a table, none of which is in there twice."""
    given = {"names": [each.name for each in TIMEFRAMES], "widths": [each.width_us for each in TIMEFRAMES]}
    for (day,) in place.tables.ask(_DAYS, table=table):
        place.tables.client.command(_FOLD, {**given, "day": day, "table": table})


def _counts(place: WarmPlace) -> dict[str, tuple[int, int]]:
    """By timeframe, how many candles there are, and the trades that are in them."""
    return {timeframe: (int(candles), int(trades)) for timeframe, candles, trades in place.tables.ask(_COUNTS)}


def _last_candles(reads: int, candles: int) -> Sequence[Query]:
    """Queries of the last candles of a minute, as ``k2 ohlcv`` asks."""
    chosen = [Selection(of, timeframe_of("1m"), candles) for of in symbols(reads)]
    return [(each.sql, each.parameters) for each in chosen]


async def _start(place: WarmPlace, trades: int) -> Begun:
    """Write trades of windows that have candles, and start a sink that has none of them in memory."""
    await write_trades(place.bench, GOLD, trades, _late_market(trades))
    sink, server_s = place.agent("warm_sink"), place.server_s()
    began = time.monotonic()
    try:
        sink.start()
        watch = Watch(sink.pid)
        first_s = await _first_candle(place, sink) - began
        sink_cpu_s, now_s = watch.look(), place.server_s()
        server_cpu_s = None if server_s is None or now_s is None else now_s - server_s
        await until_table_has(sink, watch, TABLE, trades)
        return Begun(first_s, sink_cpu_s, server_cpu_s, time.monotonic() - began, trades, watch.peak_mb)
    finally:
        sink.stop()


def _late_market(trades: int) -> Market:
    begin_us = int((datetime.now(UTC) - BACK).timestamp() * 1e6)
    return Market(begin_us=begin_us, step_us=int(BACK.total_seconds() * 1e6) // trades)


async def _first_candle(place: WarmPlace, sink: Child) -> float:
    """When the table had a candle that the sink had inserted.

    Raises:
        SystemExit: it had none in time.
    """

    def inserted() -> bool:
        sink.check()
        return bool(place.tables.ask(_NEW))

    if not await came_true(inserted, READY_S, _POLL_S):
        raise SystemExit(f"no candle {READY_S:.0f} s after the start of the sink")
    return time.monotonic()


def _check(place: WarmPlace, trades: int) -> None:
    """Each timeframe has every trade, so each candle that changed had been read back.

    Raises:
        SystemExit: one lacks some.
    """
    spared = place.bench.names.contract(GOLD).partitions  # of each partition offset 0, which the history has
    for timeframe, (_, found) in _counts(place).items():
        if not trades - spared <= found <= trades:
            raise SystemExit(f"the candles of {timeframe} have {found:,} of {trades:,} trades")
