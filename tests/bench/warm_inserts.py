"""What a row of gold_trades costs when the sink takes it from Kafka, and when ready rows are inserted plainly."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from time import process_time

import pyarrow as pa
from tests.bench.harness import Bench, Watch, until_table_has
from tests.bench.lag import write_trades
from tests.bench.market import Market
from tests.bench.warm_place import TABLE, WarmPlace, started, warm_place

from k2_shared.core import contracts
from k2_shared.core.records import RecordBatch
from k2_shared.core.trade import contract_under
from k2_shared.kafka.topics import GOLD
from k2_shared.warm.client import connect
from k2_support.topics import read
from warm_sink.rows import of_table
from warm_sink.settings import WarmSinkSettings

MARKET = Market()
CHUNK = 10_000  # records of which rows are made at a time
_IN_CANDLES = "SELECT sum(trade_count) FROM candles FINAL WHERE timeframe = '1d'"
TURNS = 2  # of the plain inserts, of which the cheaper one counts


@dataclass(frozen=True)
class InsertCost:
    """CPU seconds for so many rows: of whoever inserts them, and of the server until it has merged them.

    ``server_s`` is None where the server is on another machine; ``peak_mb`` is the client's memory.
    """

    rows: int
    client_s: float
    server_s: float | None
    peak_mb: float

    @property
    def both_s(self) -> float:
        """Client and server together."""
        return self.client_s + (self.server_s or 0.0)

    def rate(self, seconds: float) -> float:
        """Rows per CPU second."""
        return self.rows / seconds


async def measure_inserts(count: int, market: Market = MARKET) -> tuple[InsertCost, InsertCost]:
    """The sink's cost for a lag of so many trades, and the plain inserts' for the same trades."""
    async with warm_place() as place:
        ours = await _sink(place, count, market)
        topic = await read(place.bench.settings, place.bench.names, GOLD)
        ready = ready_rows(place.bench, topic)
        return ours, min([await _plain(place, ready) for _ in range(TURNS)], key=lambda cost: cost.both_s)


async def _sink(place: WarmPlace, count: int, market: Market) -> InsertCost:
    """Let a sink start, and give it a lag while it is suspended; the candles are inserted, too."""
    sink = place.agent("warm_sink")
    try:
        await started(sink)
        watch = Watch(sink.pid)
        with watch.paused():
            await write_trades(place.bench, GOLD, count, market)
        client_s, server_s = watch.look(), place.server_s()
        await until_table_has(sink, watch, TABLE, count)
        client_s = watch.look() - client_s
        _check_candles(place, count)
        return InsertCost(count, client_s, await _since(place, server_s), watch.peak_mb)
    finally:
        sink.stop()


def _check_candles(place: WarmPlace, count: int) -> None:
    """Every trade is in a candle, so what it costs counts.

    Raises:
        SystemExit: some are not.
    """
    ((found,),) = place.tables.ask(_IN_CANDLES)
    if found != count:
        raise SystemExit(f"candles have {found:,} of {count:,} trades")


async def _since(place: WarmPlace, before_s: float | None) -> float | None:
    """What the server has taken since, once it has merged."""
    await place.merged()
    now_s = place.server_s()
    return None if now_s is None or before_s is None else now_s - before_s


def ready_rows(bench: Bench, records: RecordBatch) -> list[pa.Table]:
    """The rows of records as a sink inserts them, each table whole in memory."""
    schemas = {bench.names.topic(GOLD): contract_under(bench.schema_id)}
    to_rows, size = of_table(contracts.warm_tables()[TABLE], {}, schemas), WarmSinkSettings.load().warm_max_rows
    chunks = [to_rows(records[at : at + CHUNK]) for at in range(0, len(records), CHUNK)]
    rows = pa.concat_tables(chunks)
    return [rows.slice(at, size).combine_chunks() for at in range(0, len(rows), size)]


async def _plain(place: WarmPlace, ready: Sequence[pa.Table]) -> InsertCost:
    """Insert them into the emptied table, by a client as it is made where nothing is asked for."""
    place.tables.command(f"TRUNCATE TABLE {TABLE} SYNC")
    await place.merged()
    client = connect(place.settings, place.tables.database)
    client_s, server_s, watch = process_time(), place.server_s(), Watch(os.getpid())
    for table in ready:
        client.insert_arrow(TABLE, table)
    client_s = process_time() - client_s
    client.close()
    watch.look()
    return InsertCost(sum(map(len, ready)), client_s, await _since(place, server_s), watch.peak_mb)
