"""How long queries take that the cold tier answers alone, as ``k2 trades`` and ``k2 ohlcv`` ask both tiers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.bench.cold_fill import CANDLES, CYCLE, HOURS, MARKET, SILVER
from tests.bench.cold_work import offloaded
from tests.bench.market import RUN
from tests.bench.warm_place import WarmPlace
from tests.bench.warm_reads import Query, Reads, read_each, reader_of

from k2.ohlcv import selection as ohlcv
from k2.sql.symbol_times import SymbolTimes
from k2.trades import selection as trades

TIMEFRAME = ohlcv.timeframe_of("1m")
_LAST = 100
_CANDLES = 1_000
_COLD_TABLES = (SILVER, ohlcv.VIEW.format(TIMEFRAME.name))


@dataclass(frozen=True)
class ColdReads:
    """How long it takes: the first trades of a symbol in an hour, its candles of a day, and both."""

    trades: Reads
    candles: Reads
    both: Reads


def measure_cold_reads(place: WarmPlace, rows: int, queries: int, begin: datetime) -> ColdReads:
    """Empty the warm tier, and ask ``queries`` times, in turns for trades and for candles. Blocks.

    Raises:
        SystemExit: a query did not find as many rows as were made.
    """
    _empty(place)
    of_trades, of_candles = _trades(rows, queries - queries // 2, begin), _candles(rows, queries // 2, begin)
    with reader_of(place) as reader:
        trades_ms = read_each(place, reader, of_trades, _trades_found(rows), final=0)  # as the commands ask
        candles_ms = read_each(place, reader, of_candles, _candles_found(rows))
    return ColdReads(Reads.of(trades_ms), Reads.of(candles_ms), Reads.of([*trades_ms, *candles_ms]))


def _empty(place: WarmPlace) -> None:
    """Leave rows to the cold tier alone; the offload then makes the views so that it answers.

    Raises:
        SystemExit: something was offloaded.
    """
    for table in (SILVER, CANDLES):
        place.tables.command(f"TRUNCATE TABLE {table}")
    for table in _COLD_TABLES:
        if rows := offloaded(place, table).rows:
            raise SystemExit(f"{rows:,} rows of {table} were offloaded from a table that is empty")


def _trades(rows: int, count: int, begin: datetime) -> Sequence[Query]:
    """Queries of a symbol each, and of an hour that is not the last."""
    starts = [begin + timedelta(hours=number % (HOURS - 1)) for number in range(count)]
    asked = [
        trades.Selection(_of(number, start, start + timedelta(hours=1)), _trades_found(rows))
        for number, start in enumerate(starts)
    ]
    return [(each.in_both_tiers, each.of.parameters) for each in asked]


def _candles(rows: int, count: int, begin: datetime) -> Sequence[Query]:
    end = begin + timedelta(hours=HOURS)
    asked = [
        ohlcv.Selection(_of(number, begin, end), TIMEFRAME, _candles_found(rows), in_both_tiers=True)
        for number in range(count)
    ]
    return [(each.sql, each.parameters) for each in asked]


def _of(number: int, start: datetime, end: datetime) -> SymbolTimes:
    exchange, symbol = MARKET.symbol(number * RUN)
    return SymbolTimes((exchange,), symbol, start, end)


def _trades_found(rows: int) -> int:
    """An hour has so many trades of each symbol at least."""
    return min(_LAST, rows // HOURS // CYCLE * RUN)


def _candles_found(rows: int) -> int:
    """The day has so many candles of each symbol at least: trades come in runs, at most one in a minute where few."""
    return min(_CANDLES, rows // CYCLE)
