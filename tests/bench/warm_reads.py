"""How long the last 100 trades of a symbol take, as ``k2 trades`` asks for them, in a table of many millions."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import numpy as np
from tests.bench.clickhouse import beside
from tests.bench.market import RUN, Market
from tests.bench.warm_place import TABLE, WarmPlace, warm_place

from k2.sql.limits import QueryLimits
from k2.sql.symbol_times import SymbolTimes
from k2.sql.warm_reader import WarmReader, warm_reader
from k2.trades.selection import Selection
from k2_shared.kafka.topics import EXCHANGES

LAST = 100
DAYS = 30
_PIECE = 1_000_000  # rows of one insert
QUANTILES = (0.5, 0.99)

Query = tuple[str, Mapping[str, Any]]
"""A statement and its values."""

_HEAVY = f"SELECT symbol, quantile(0.9)(price), uniq(trade_id), sum(quote_volume) FROM {TABLE} GROUP BY symbol"  # noqa: S608
OF_NUMBER = """
WITH
    intDiv(number, {run:UInt64}) % {symbols:UInt64} AS place,
    {exchanges:Array(String)}[place % length({exchanges:Array(String)}) + 1] AS venue,
    concat('S', toString(place), '/USDT') AS pair,
    number + 10000000 AS id,
    toDecimal64(100 + number % 100000 / 1000, 8) AS paid,
    toDecimal64((1 + number % 1000000) / 1000000, 8) AS bought,
    now64(6) AS received
"""
"""What of a trade goes by its number, for a SELECT from numbers; it is received now: TTL goes by that."""
FROM_NUMBERS = "FROM numbers({first:UInt64}, {count:UInt64})"
# Trades in the order of their times over so many days.
_FILL = f"""
INSERT INTO {TABLE}
{OF_NUMBER}
SELECT
    concat(venue, ':', pair, ':', toString(id)) AS message_id, venue AS exchange, pair AS symbol,
    toString(id) AS trade_id, paid AS price, bought AS quantity,
    CAST(toDecimal128(paid, 8) * bought AS Decimal(38, 16)) AS quote_volume,
    received - toIntervalMicrosecond({{step_us:UInt64}} * ({{rows:UInt64}} - number)) AS timestamp,
    'USDT' AS currency, if(number % 3 = 0, 'SELL', 'BUY') AS side, id AS source_sequence,
    received AS ingestion_timestamp, received AS validated_at, map('ord_type', 'limit') AS vendor_data,
    'filled' AS kafka_topic, place % 12 AS kafka_partition, number AS kafka_offset
{FROM_NUMBERS}
"""


@dataclass(frozen=True)
class Reads:
    """How long reads took (ms)."""

    count: int
    p50_ms: float
    p99_ms: float

    @classmethod
    def of(cls, took_ms: Sequence[float]) -> "Reads":
        """Summed up."""
        return cls(len(took_ms), *(float(ms) for ms in np.quantile(took_ms, QUANTILES, method="inverted_cdf")))


@dataclass(frozen=True)
class Found:
    """The same reads when nobody else asks, and beside heavy queries, of which so many ended meanwhile."""

    rows: int
    fill_s: float
    quiet: Reads
    beside: Reads
    heavy: int
    server_mb: float | None


async def measure_reads(rows: int, count: int) -> Found:
    """Fill a table with so many rows, and read the last trades of its symbols ``count`` times."""
    async with warm_place() as place:
        began = time.monotonic()
        fill(place, rows)
        fill_s = time.monotonic() - began
        await place.merged()
        with reader_of(place) as reader, reader_of(place) as other:
            quiet, ended = Reads.of(read_last(place, reader, count)), list[int]()
            with beside(lambda: ended.append(_rows(other, _HEAVY))):
                busy = Reads.of(read_last(place, reader, count))
        return Found(rows, fill_s, quiet, busy, len(ended), place.server.peak_mb if place.server else None)


def fill(place: WarmPlace, rows: int) -> None:
    """Let the server make rows."""
    insert(place, _FILL, rows, Market().symbols, step_us=DAYS * 86_400_000_000 // rows)


def insert(place: WarmPlace, statement: str, rows: int, symbols: int, **values: int) -> None:
    """Let the server insert so many rows by their numbers, some at a time; the statement may ask for more values."""
    given = {"run": RUN, "symbols": symbols, "exchanges": list(EXCHANGES), "rows": rows, **values}
    for first in range(0, rows, _PIECE):
        piece = {"first": first, "count": min(_PIECE, rows - first)}
        place.tables.client.command(statement, {**given, **piece})


def read_last(place: WarmPlace, reader: WarmReader, count: int) -> list[float]:
    """Milliseconds of each of ``count`` reads of a symbol's last trades, as ``read_each`` reads them."""
    queries = [(Selection(of, LAST).sql, of.parameters) for of in symbols(count)]
    return read_each(place, reader, queries, LAST, final=0)  # as the command asks


def symbols(count: int) -> list[SymbolTimes]:
    """One symbol after the other, so many; every second one of its exchange, the others of all."""
    market, now = Market(), datetime.now(UTC)
    named = [market.symbol(number * RUN) for number in range(count)]
    texts = [f"{exchange}:{name}" if number % 2 else name for number, (exchange, name) in enumerate(named)]
    return [SymbolTimes.parse(text, None, None, now) for text in texts]


def read_each(
    place: WarmPlace, reader: WarmReader, queries: Sequence[Query], expected: int, **options: int
) -> list[float]:
    """Milliseconds of each query, its result read to the end.

    Raises:
        SystemExit: one did not find so many rows.
    """
    took = []
    for sql, parameters in queries:
        began = time.perf_counter()
        found = _rows(reader, sql, parameters, **options)
        took.append((time.perf_counter() - began) * 1e3)
        place.server_s()
        if found != expected:
            raise SystemExit(f"{found} rows of {parameters['symbol']}, there are {expected} and more")
    return took


def _rows(reader: WarmReader, sql: str, parameters: Mapping[str, Any] | None = None, **options: int) -> int:
    """Read a result to its end; how many rows it has."""
    with reader.result(sql, parameters, **options) as result:
        return sum(len(block[0]) for block in result.blocks)


@contextmanager
def reader_of(place: WarmPlace) -> Iterator[WarmReader]:
    """A reader as the commands have it, of this place."""
    with patch.dict(os.environ, K2_PREFIX=place.bench.names.prefix), warm_reader(QueryLimits()) as reader:
        yield reader
