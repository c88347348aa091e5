"""The warm sink in the test's own process, over real servers: started, cut off at a moment, and gone."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.candles.comparison import Comparison
from tests.candles.history import History
from tests.committed import CommittedRecords
from tests.faults.supervisor import until
from tests.warm.faults import half_of, inserting
from tests.warm.kills import Moment
from tests.warm.load import send
from tests.warm.oracle import Oracle

from k2_shared.core import contracts
from k2_shared.core.metrics import Metrics
from k2_shared.core.settings import ClickHouseSettings, RunSettings
from k2_shared.kafka import clients
from k2_shared.kafka.topic_watch import TopicWatch
from k2_shared.kafka.topics import Names
from k2_support.http_proxy import HttpProxy, ProxyRule
from k2_support.warm_tables import WarmTables
from warm_sink.main import WarmSink
from warm_sink.settings import WarmSinkSettings

TABLES = contracts.warm_tables()
_ARRIVAL_S = 300.0


@dataclass(repr=False)
class HandSink:
    """Sinks of one run, one after the other or at once, behind a proxy; and what must come of them."""

    settings: RunSettings
    tables: WarmTables
    proxy: HttpProxy
    oracle: Oracle
    history: History
    rng: random.Random

    @property
    def names(self) -> Names:
        """The names of the run."""
        return Names(self.settings.k2_prefix)

    async def write(self, batches: int) -> None:
        """Write batches of the history."""
        producer = clients.producer(self.settings)
        async with clients.started(producer, self.settings):
            for _ in range(batches):
                for records in self.history.batch(8):
                    await send(producer, self.names, records)
        await self.oracle.read_on()

    async def work(self, rows: int, older: int, sinks: int = 1) -> None:
        """So many sinks at once fill the tables, until every record has its row; they stop in order."""
        async with self._sinks(rows, older, sinks):
            await until(self.arrived, "every row", _ARRIVAL_S)

    async def fall(self, rows: int, older: int, table: str, moment: Moment) -> None:
        """A sink dies at a moment of an insert into a table, or has none to make."""
        gone = ProxyRule(lambda _method, _path: True, None, times=0)
        rule = ProxyRule(
            inserting(table), None, after=moment != "before the insert", times=1, meanwhile=lambda: _for_ever(gone)
        )
        if moment == "between its halves":
            rule.change = half_of(table, self.rng)
        with self.proxy.ruled(gone), self.proxy.ruled(rule):
            async with self._sinks(rows, older, 1):
                await until(lambda: rule.done or self.arrived(), f"an insert into {table}", _ARRIVAL_S)

    async def set_back(self) -> None:
        """Gold's group, the ledger's and the letters' are set to any offsets."""
        for table in ("gold_trades", "gaps", "dead_letters"):
            at = [each for topic in TABLES[table].topics for each in self.names.partitions(topic)]
            reader = clients.consumer(self.settings, group=self.names.warm_group(table))
            async with clients.started(reader, self.settings):
                reader.assign(at)
                ends = await reader.end_offsets(at)
                await reader.commit({each: self.rng.randint(0, end) for each, end in ends.items()})

    async def settle(self, rows: int, older: int) -> list[str]:
        """A sink works in peace: what of the candles is not as it must be, once they have followed the trades."""
        async with self._sinks(rows, older, 1):
            await until(self.arrived, "every row", _ARRIVAL_S)
            return await Comparison(self.tables, self.oracle).said()

    async def arrived(self) -> bool:
        """Whether every record has its row."""
        return await asyncio.to_thread(self._all_there)

    def _all_there(self) -> bool:
        return all(self.tables.count(table) >= len(rows) for table, rows in self.oracle.rows.items())

    @asynccontextmanager
    async def _sinks(self, rows: int, older: int, count: int) -> AsyncIterator[None]:
        begun = [self._sink(rows, older) for _ in range(count)]
        for sink in begun:
            await sink.start()
        try:
            yield
        finally:
            for sink in begun:
                await sink.stop()

    def _sink(self, rows: int, older: int) -> WarmSink:
        metrics = Metrics("warm_sink", "0")
        given = {"clickhouse_url": self.proxy.url, "warm_max_rows": rows, "warm_older_candles": older}
        settings = WarmSinkSettings.load(k2_prefix=self.settings.k2_prefix, warm_interval_s=0.1, **given)
        return WarmSink(settings, metrics, TopicWatch(metrics.unread_partitions))


def _for_ever(rule: ProxyRule) -> None:
    """From now on a rule holds for every request: nothing of a dead sink reaches the server."""
    rule.times = float("inf")


Step = Callable[[HandSink], Awaitable[None]]


def hand_sink(settings: RunSettings, proxy: HttpProxy, schema_id: int) -> HandSink:
    """A run's, with its tables made."""
    names = Names(settings.k2_prefix)
    tables = WarmTables(ClickHouseSettings.load(), names)
    tables.create()
    oracle = Oracle(CommittedRecords(settings, names), schema_id)
    return HandSink(settings, tables, proxy, oracle, History(7, schema_id), random.Random(7))
