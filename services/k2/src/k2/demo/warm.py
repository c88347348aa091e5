"""The warm tier's tables as a reader finds them: their rows, whether they equal Kafka, how soon a trade is there."""

import asyncio
import time
from array import array

from k2.demo.warm_rows import WarmRows, compared
from k2.running import run
from k2_shared.core import contracts
from k2_shared.core.settings import ClickHouseSettings, KafkaSettings
from k2_shared.core.trade import contract_under, schema_ids
from k2_shared.kafka.topics import Names
from k2_shared.warm.client import failures
from k2_support.topics import read
from k2_support.waiting import came_true
from k2_support.warm_rows import expected
from k2_support.warm_tables import Row, WarmTables

POLL_S = 0.25
"""Between two questions of who waits for rows."""
_LATE_S = 10.0
_NAMES = tuple(contracts.warm_tables())
_COUNTS = " UNION ALL ".join(f"SELECT '{name}', count() FROM {name} FINAL" for name in _NAMES)  # noqa: S608  # contracts
# Rows of one partition and day are inserted in the order of their offsets; of several days at once, a day at a time.
_NEW = """
SELECT concat(toString(kafka_partition), ' ', toString(toDate(timestamp))) AS place, max(kafka_offset) + 1,
    groupArray(toUnixTimestamp64Micro(ingestion_timestamp))
FROM gold_trades WHERE kafka_offset >= {ends:Array(Int64)}[indexOf({places:Array(String)}, place)] GROUP BY place
"""


class WarmTier:
    """Reads a run's tables; for one thread at a time. Every method blocks."""

    def __init__(self, kafka: KafkaSettings, reader: ClickHouseSettings, names: Names) -> None:
        self._kafka, self._reader, self._names = kafka, reader, names
        self._tables = WarmTables(reader, names)

    def counts(self) -> dict[str, int]:
        """The rows of every table, as a reader finds them.

        Raises:
            K2Error: the server does not answer, or refuses.
        """
        with failures(self._reader):
            return {str(name): int(count) for name, count in self._tables.ask(_COUNTS)}

    def read(self) -> dict[str, WarmRows]:
        """Every table beside its topics as they are now; a table that is behind them is waited for, 10 s in all.

        Raises:
            K2Error: the broker or the server does not answer.
        """
        with failures(self._reader):
            return run(self._read())

    async def _read(self) -> dict[str, WarmRows]:
        deadline = time.monotonic() + _LATE_S
        return {name: await self._compared(name, deadline) for name in _NAMES}

    async def _compared(self, table: str, deadline: float) -> WarmRows:
        wanted = await self._wanted(table)
        left_s = max(0.0, deadline - time.monotonic())
        await came_true(lambda: self._tables.count(table) >= len(wanted), left_s, POLL_S)
        return compared(wanted, self._tables.rows(table))

    async def _wanted(self, table: str) -> list[Row]:
        topics = contracts.warm_tables()[table].topics
        found = [record for topic in topics for record in await read(self._kafka, self._names, topic)]
        schemas = {number: one for claimed in schema_ids(found) for number, one in contract_under(claimed).items()}
        return expected(table, found, schemas)


class Freshness:
    """Asks the table of gold for its new rows again and again, as a dashboard would, and notes how old each is then.

    An age is from the receipt of the frame, in ns since the epoch, to the answer that has its row, in ms.
    """

    def __init__(self, reader: ClickHouseSettings, names: Names) -> None:
        self._reader = reader
        self._tables = WarmTables(reader, names)
        self._ends: dict[str, int] = {}
        self.ages_ms, self.received_ns = array("d"), array("q")

    async def run(self) -> None:
        """Ask until cancelled.

        Raises:
            K2Error: the server does not answer, or refuses.
        """
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(POLL_S)

    def look(self) -> None:
        """Ask once. Blocks."""
        with failures(self._reader):
            found = self._tables.ask(_NEW, places=list(self._ends), ends=list(self._ends.values()))
        now_us = time.time_ns() / 1_000
        for place, end, received in found:
            self._ends[place] = end
            self.ages_ms.extend((now_us - each) / 1_000 for each in received)
            self.received_ns.extend(each * 1_000 for each in received)
