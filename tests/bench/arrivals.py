"""Measures when records become readable to a read_committed consumer."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from aiokafka import TopicPartition
from tests.bench.harness import Bench

from k2_shared.core.origin import received_ns
from k2_shared.kafka import clients

QUANTILES = (0.5, 0.99, 0.999)
POLL_MS = 50  # only how long nothing is waited for: records end a poll at once


@dataclass
class Arrivals:
    """When the records of a stage were received, and how long after that they were readable (ns)."""

    received: list[int] = field(default_factory=list)
    delays: list[int] = field(default_factory=list)

    def take(self, records: Iterable[Any]) -> None:
        """Note records that have just become readable."""
        now = time.time_ns()
        for record in records:
            received = received_ns(record.headers) or 0
            self.received.append(received)
            self.delays.append(now - received)

    def quantiles(self, begin_ns: int) -> list[float]:
        """p50, p99 and p99.9 in ms of what was received from a time on."""
        measured = np.array(self.delays)[np.array(self.received) >= begin_ns]
        return [float(found) / 1e6 for found in np.quantile(measured, QUANTILES, method="inverted_cdf")]


@asynccontextmanager
async def arriving(bench: Bench, topics: Iterable[str], partitions: Iterable[int]) -> AsyncIterator[Arrivals]:
    """Note the records of some partitions as they become readable."""
    found = Arrivals()
    at = [TopicPartition(bench.names.topic(topic), partition) for topic in topics for partition in partitions]
    async with clients.started(clients.consumer(bench.settings), bench.settings) as reader:
        reader.assign(at)
        await reader.seek_to_beginning(*at)
        task = asyncio.create_task(_read(reader, found))
        try:
            yield found
        finally:
            task.cancel()
            await asyncio.wait([task])


async def _read(reader: Any, found: Arrivals) -> None:
    while True:
        for records in (await reader.getmany(timeout_ms=POLL_MS)).values():
            found.take(records)
