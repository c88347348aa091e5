"""Rows a second of the sink into one table, exactly once, and of a plain append of rows that are ready."""

import os
import time
from dataclasses import dataclass

import pyarrow as pa
from tests.bench.harness import Watch, until_table_has
from tests.bench.lag import write_trades
from tests.bench.lake_place import LakePlace, lake_place, plain_table
from tests.bench.market import Market

from iceberg_sink.rows import of_table
from iceberg_sink.settings import SinkSettings
from k2_shared.core import contracts
from k2_shared.core.trade import contract_under
from k2_shared.kafka.topics import BRONZE, GOLD
from k2_shared.lake import iceberg
from k2_support.topics import read

TOPICS = {"bronze_crypto_trades": BRONZE, "gold_crypto_trades": GOLD}
_POLL_S = 0.1  # a batch is written in a few of these
CHUNK = 10_000  # records of which rows are made at a time


@dataclass(frozen=True)
class Speed:
    """So many rows, in seconds of the clock and of CPU time of whoever writes them; ``peak_mb`` is its memory."""

    rows: int
    wall_s: float
    cpu_s: float
    peak_mb: float

    @property
    def rate(self) -> float:
        """Rows a second of the clock."""
        return self.rows / self.wall_s

    @property
    def cpu_rate(self) -> float:
        """Rows per CPU second."""
        return self.rows / self.cpu_s


async def measure_speed(name: str, count: int) -> tuple[Speed, Speed]:
    """The sink's speed at a lag of so many trades, and a plain append's of the same rows."""
    async with lake_place() as place:
        ours = await _sink(place, name, count)
        return ours, await _plain(place, name)


async def _sink(place: LakePlace, name: str, count: int) -> Speed:
    """Let a sink start, and give it a lag while it is suspended."""
    sink = await place.sink()
    try:
        watch = Watch(sink.pid)
        with watch.paused():
            await write_trades(place.bench, TOPICS[name], count, Market())
            before_s, began = watch.look(), time.monotonic()
        # the rest of the lag is no full batch, and waits for its time
        rows = await until_table_has(sink, watch, name, count - SinkSettings.load().sink_max_rows, _POLL_S)
        return Speed(rows, time.monotonic() - began, watch.look() - before_s, watch.peak_mb)
    finally:
        sink.stop()


async def _plain(place: LakePlace, name: str) -> Speed:
    """Append the same rows by pyiceberg alone, as large batches as the sink's."""
    ready = await _ready(place, name)
    async with plain_table(place, name) as table:
        ready = [rows.cast(table.schema().as_arrow()) for rows in ready]
        watch, began = Watch(os.getpid()), time.monotonic()
        for rows in ready:
            table.append(rows)
        return Speed(sum(map(len, ready)), time.monotonic() - began, watch.look(), watch.peak_mb)


async def _ready(place: LakePlace, name: str) -> list[pa.Table]:
    contract, names = contracts.tables()[name], place.bench.names
    schemas = {names.topic(topic): contract_under(place.bench.schema_id) for topic in contract.topics}
    to_rows, size = (
        of_table(contract, iceberg.schema_of(contract).as_arrow(), schemas),
        SinkSettings.load().sink_max_rows,
    )
    made = []
    for topic in contract.topics:
        records = await read(place.bench.settings, names, topic)
        made += [to_rows(records[at : at + CHUNK]) for at in range(0, len(records), CHUNK)]
    rows = pa.concat_tables(made)
    return [rows.slice(at, size).combine_chunks() for at in range(0, len(rows), size)]
