"""The found side of the reconciliation: what read_committed consumers find in the topics."""

import asyncio
import time
from array import array
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka import TopicPartition

from k2_shared.core import contracts
from k2_shared.core.origin import received_ns
from k2_shared.core.settings import KafkaSettings
from k2_shared.core.trade import message_id
from k2_shared.feed.coverage import feed_records
from k2_shared.feed.coverage.feed_records import GapRecord
from k2_shared.kafka import clients
from k2_shared.kafka.topics import BRONZE, DLQ, EXCHANGES, GAPS, GOLD, RAW, SILVER, Names

STAGES: dict[str, tuple[str, ...]] = {
    "raw": tuple(RAW.format(exchange=e.lower()) for e in EXCHANGES),
    "bronze": tuple(BRONZE.format(exchange=e.lower()) for e in EXCHANGES),
    "silver": tuple(SILVER.format(exchange=e.lower()) for e in EXCHANGES),
    "dlq": (DLQ,),
    "gold": (GOLD,),
}
WARM_STAGES = {
    table.name: stage
    for table in contracts.warm_tables().values()
    for stage, topics in STAGES.items()
    if set(topics) == set(table.topics)
}
"""The stage whose records fill a table of the warm tier; only the gap ledger's is of none."""
_POLL_MS = 250


@dataclass
class StageCount:
    """One stage as its consumer saw it: ``ages_ms`` from the receipt of the frame to the read."""

    records: int = 0
    ids: Counter[str] = field(default_factory=Counter)
    ages_ms: "array[float]" = field(default_factory=lambda: array("d"))

    def take(self, batch: Sequence[Any], *, identified: bool) -> None:
        """Count records; ``identified`` where their values carry a message id."""
        now = time.time_ns()
        self.records += len(batch)
        self.ages_ms.extend((now - (received_ns(record.headers) or now)) / 1e6 for record in batch)
        if identified:
            self.ids.update(message_id(record.value) for record in batch)

    def age_ms(self, quantile: float) -> float | None:
        """A quantile of the ages."""
        return percentile(self.ages_ms, quantile)


def percentile(values: Sequence[float], quantile: float) -> float | None:
    """The value below which the share ``quantile`` of the values lies, rounded to 0.1; None where there are none."""
    if not values:
        return None
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(quantile * len(ordered)))], 1)


@asynccontextmanager
async def _reading(settings: KafkaSettings, at: Sequence[TopicPartition]) -> AsyncIterator[Any]:
    """A consumer of these partitions, from their start on."""
    async with clients.started(clients.consumer(settings), settings) as reader:
        reader.assign(at)
        await reader.seek_to_beginning(*at)
        yield reader


class Observer:
    """Reads every stage's topics and the gap ledger from their start, until told to stop."""

    def __init__(self, settings: KafkaSettings, names: Names) -> None:
        self._settings = settings
        self._names = names
        self._caught_up: dict[str, bool] = dict.fromkeys(STAGES, False)
        self.stages = {stage: StageCount() for stage in STAGES}
        self.ledger: list[GapRecord] = []

    async def run(self) -> None:
        """Read until cancelled."""
        async with asyncio.TaskGroup() as group:
            for stage in STAGES:
                group.create_task(self._read(stage))
            group.create_task(self._read_ledger())

    @property
    def caught_up(self) -> bool:
        """Whether every stage was read to its topics' ends since ``look_again``."""
        return all(self._caught_up.values())

    def look_again(self) -> None:
        """Forget what is known of the topics' ends."""
        self._caught_up = dict.fromkeys(STAGES, False)

    async def _read(self, stage: str) -> None:
        at = [partition for topic in STAGES[stage] for partition in self._names.partitions(topic)]
        identified = stage not in {"raw", "dlq"}
        async with _reading(self._settings, at) as reader:
            while True:
                batches = await reader.getmany(timeout_ms=_POLL_MS)
                for batch in batches.values():
                    self.stages[stage].take(batch, identified=identified)
                if not batches and not self._caught_up[stage]:
                    ends = await reader.end_offsets(at)
                    self._caught_up[stage] = all([await reader.position(tp) >= ends[tp] for tp in at])

    async def _read_ledger(self) -> None:
        async with _reading(self._settings, self._names.partitions(GAPS)) as reader:
            while True:
                batches = await reader.getmany(timeout_ms=_POLL_MS)
                self.ledger += [feed_records.gaps.read(each.value) for batch in batches.values() for each in batch]
