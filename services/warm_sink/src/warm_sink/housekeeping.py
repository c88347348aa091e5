"""Measures the tables and the server now and then, beside what fills them."""

import asyncio
import time

from mode import Service

from k2_shared.core.errors import K2Error
from k2_shared.core.logs import logger
from k2_shared.core.metrics import Metrics
from warm_sink.adapters import Measures, Warehouse

UNMEASURED = "warm_tables_unmeasured"
MEASURED = "warm_tables_measured"


class Measurer(Service):  # type: ignore[misc]
    """A Faust service that asks the server for its sizes every ``interval_s``; what fails is asked again then."""

    def __init__(self, warehouse: Warehouse, interval_s: float, metrics: Metrics) -> None:
        super().__init__()
        self._warehouse = warehouse
        self._interval_s = interval_s
        self._metrics = metrics
        self._is_failing = False

    async def on_started(self) -> None:
        self._working = self.add_future(self._work())

    async def on_stop(self) -> None:
        """Let the question that is asked be answered."""
        await asyncio.wait([self._working])

    async def _work(self) -> None:
        while not self.should_stop:
            await self._measure()
            await self.sleep(self._interval_s)
        await asyncio.to_thread(self._warehouse.close)

    async def _measure(self) -> None:
        try:
            found = await asyncio.to_thread(self._warehouse.measure)
        except K2Error as error:
            self._metrics.errors.labels("warm_measure", type(error).__name__).inc()
            if not self._is_failing:
                logger().warning(UNMEASURED, reason=str(error))
            self._is_failing = True
            return
        if self._is_failing:
            logger().info(MEASURED)
        self._is_failing = False
        self._show(found)

    def _show(self, found: Measures) -> None:
        warm = self._metrics.warm
        for table, sizes in found.tables.items():
            warm.parts.labels(table).set(sizes.parts)
            warm.rows.labels(table).set(sizes.rows)
            warm.bytes.labels(table).set(sizes.bytes)
        for name, disk in found.disks.items():
            warm.disk.labels(name).set(disk.size)
            warm.disk_free.labels(name).set(disk.free)
        warm.memory.set(found.memory)
        warm.memory_limit.set(found.memory_limit)
        warm.measured.set(time.time())
        for timeframe, count in found.incomplete.items():
            self._metrics.candles.incomplete.labels(timeframe).set(count)
        for exchange, count in found.missing_ids.items():
            self._metrics.candles.missing.labels(exchange).set(count)
