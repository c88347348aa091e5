"""Candles made again from the warm tier's trades, a day of a symbol at a time. Every function blocks."""

from datetime import date, timedelta
from time import time_ns
from typing import NamedTuple

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from k2.candles.wanted import FIRST, Wanted
from k2_shared.candles.recomputation import Differences, Recomputation
from k2_shared.candles.rows import CandleRows
from k2_shared.candles.timeframes import TIMEFRAMES, window_text
from k2_shared.core.errors import Unavailable
from k2_shared.warm.candle_rows import Keys, candle_table, candles_of, gold_trades

KEPT_DAYS = 29
"""Gold's table has every trade of so many days; of another one some may have expired."""
_PASSES = 5
_AT_ONCE = 1_000  # rows of one deletion
_INSERT = {"async_insert": 0}  # what is answered stands
_UNITS = """
SELECT DISTINCT exchange, symbol, toDate({time}) AS day FROM {table}
WHERE day BETWEEN {{first:Date32}} AND {{last:Date32}} AND has({{exchanges:Array(String)}}, exchange)
AND ({{symbol:String}} = '' OR symbol = {{symbol:String}})
"""
_BEGUN = "SELECT toDate(min(began_at)) FROM sink_state FINAL WHERE table_name = 'gold_trades' HAVING count() > 0"
_OF_SYMBOL = "exchange = {exchange:String} AND symbol = {symbol:String}"
_ENDS = f"""
WITH (SELECT min(kafka_partition) FROM gold_trades WHERE {_OF_SYMBOL}) AS of_symbol
SELECT of_symbol,
    (SELECT maxOrNull(last_offset) FROM candles WHERE timeframe = '1d' AND kafka_partition = of_symbol),
    (SELECT maxOrNull(kafka_offset) FROM gold_trades WHERE kafka_partition = of_symbol)
"""  # noqa: S608  # values are parameters
_STORED = f"SELECT * FROM candles FINAL WHERE {_OF_SYMBOL} AND toDate(window_start) = {{day:Date32}}"  # noqa: S608
_TRADES = f"""
SELECT exchange, symbol, timestamp, source_sequence, trade_id, price, quantity, kafka_partition, kafka_offset
FROM gold_trades FINAL WHERE {_OF_SYMBOL} AND toDate(timestamp) = {{day:Date32}}
"""  # noqa: S608


class Unit(NamedTuple):
    """A day of a symbol, which is whole windows of every timeframe."""

    exchange: str
    symbol: str
    day: date

    def __str__(self) -> str:
        return f"{self.exchange}:{self.symbol} of {self.day}"


def since(client: Client, today: date) -> date:
    """The first day of which gold's table has every trade: none of a table that was begun since then has expired."""
    begun = client.query(_BEGUN).result_rows
    horizon = today - timedelta(days=KEPT_DAYS)
    return FIRST if begun and begun[0][0] > horizon else horizon


def units(client: Client, wanted: Wanted) -> list[Unit]:
    """The days of symbols that have trades or candles."""
    given = {
        "exchanges": list(wanted.exchanges),
        "symbol": wanted.symbol,
        "first": wanted.first,
        "last": wanted.last,
    }
    queries = [
        _UNITS.format(table=of, time=at) for of, at in (("gold_trades", "timestamp"), ("candles", "window_start"))
    ]
    return sorted({Unit(*row) for sql in queries for row in client.query(sql, given).result_rows})


def check(client: Client, unit: Unit) -> int:
    """How many candles of a unit are not what its trades say; raises what ``repair`` does."""
    return len(_differences(client, unit, Keys()))


def repair(client: Client, unit: Unit) -> int:
    """Store what the candles of a unit should be; returns how many were wrong.

    A sink that runs may have read a wrong candle, and write it once more: it is told, and the unit is looked at again.

    Raises:
        Unavailable: gold's table lacks trades that candles know, or one was wrong after every repair.
        Halt: a trade is out of the bounds of gold, or a total exceeds its decimal.
    """
    repaired = 0
    for _ in range(_PASSES):
        keys = Keys()
        found = _differences(client, unit, keys)
        if not len(found):
            return repaired
        repaired = max(repaired, len(found))
        _store(client, unit, found, keys)
    raise Unavailable(
        f"candles of {unit} were wrong again after each of {_PASSES} repairs: see whether warm_sink is of this "
        "version, or stop it, then run this again"
    )


def _differences(client: Client, unit: Unit, keys: Keys) -> Differences:
    """In what the candles of a unit differ from its trades; reads candles first, which follow trades."""
    of, end = unit._asdict(), _end(client, unit)
    recomputation = Recomputation(candles_of(client.query_arrow(_STORED, of, use_strings=True), keys), end)
    with client.query_arrow_stream(_TRADES, of, use_strings=True) as blocks:
        for block in blocks:
            recomputation.add(gold_trades(pa.Table.from_batches([block]), keys))
    return recomputation.differences()


def _end(client: Client, unit: Unit) -> int:
    """Up to which offset of gold the candles of the unit's symbol are folded."""
    ((partition, folded, filled),) = client.query(_ENDS, unit._asdict()).result_rows
    if filled is not None and folded is None:
        raise Unavailable(
            f"no candle of partition {partition} of gold is stored: warm_sink makes them of gold when it starts, "
            "or with the next trade"
        )
    if folded is not None and (filled is None or filled < folded):
        raise Unavailable(
            f"gold_trades has partition {partition} of gold up to offset {filled}, and candles up to {folded}: it has "
            "lost trades; start warm_sink, which fills it again, then run this again"
        )
    return 0 if folded is None else int(folded) + 1


def _store(client: Client, unit: Unit, found: Differences, keys: Keys) -> None:
    """What is to stand goes in before what outweighs it goes out: a reader finds one of them."""
    if len(found.made):
        client.insert_arrow("candles", candle_table(found.made, keys, time_ns() // 1_000_000), settings=_INSERT)
    for at in range(0, len(found.excess), _AT_ONCE):
        rows = ", ".join(map(_spelt, found.excess[at : at + _AT_ONCE]))
        where = f"{_OF_SYMBOL} AND (timeframe, window_start, last_offset) IN ({rows})"
        client.command(f"ALTER TABLE candles DELETE WHERE {where} SETTINGS mutations_sync = 1", unit._asdict())
    told = [[*unit, len(found)]]
    client.insert("candle_rebuilds", told, ["exchange", "symbol", "day", "candles"], settings=_INSERT)


def _spelt(row: CandleRows) -> str:
    start = window_text(int(row["window_start"]))
    return f"('{TIMEFRAMES[row['timeframe']].name}', '{start}', {row['last_offset']})"
