"""The found side of the reconciliation: what read_committed consumers find in the topics."""

import asyncio
import time
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from k2_shared.core.origin import received_ns
from k2_shared.core.settings import KafkaSettings
from k2_shared.core.trade import message_id
from k2_shared.kafka import clients
from k2_shared.kafka.topics import BRONZE, DLQ, EXCHANGES, GOLD, RAW, SILVER, Names

STAGES: dict[str, tuple[str, ...]] = {
    "raw": tuple(RAW.format(exchange=e.lower()) for e in EXCHANGES),
    "bronze": tuple(BRONZE.format(exchange=e.lower()) for e in EXCHANGES),
    "silver": tuple(SILVER.format(exchange=e.lower()) for e in EXCHANGES),
    "dlq": (DLQ,),
    "gold": (GOLD,),
}
_NEWEST = 5


@dataclass
class StageCount:
    """One stage as its consumer saw it: ``ages_ms`` from the receipt of the frame to the read."""

    records: int = 0
    ids: Counter[str] = field(default_factory=Counter)
    ages_ms: "array[float]" = field(default_factory=lambda: array("d"))
    newest: dict[str, list[Any]] = field(default_factory=dict)

    def take(self, batch: Sequence[Any], *, identified: bool) -> None:
        """Count records; ``identified`` where their values carry a message id."""
        now = time.time_ns()
        self.records += len(batch)
        self.ages_ms.extend((now - (received_ns(record.headers) or now)) / 1e6 for record in batch)
        if identified:
            self.ids.update(message_id(record.value) for record in batch)
            for record in batch[-_NEWEST:]:
                kept = self.newest.setdefault(record.key.decode(), [])
                kept.append(record.value)
                del kept[:-_NEWEST]

    def age_ms(self, quantile: float) -> float | None:
        """A quantile of the ages."""
        return percentile(self.ages_ms, quantile)


def percentile(values: Sequence[float], quantile: float) -> float | None:
    """The value below which the share ``quantile`` of the values lies, rounded to 0.1; None where there are none."""
    if not values:
        return None
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(quantile * len(ordered)))], 1)


class Observer:
    """Reads every stage's topics from their start, until told to stop."""

    def __init__(self, settings: KafkaSettings, names: Names) -> None:
        self._settings = settings
        self._names = names
        self._caught_up: dict[str, bool] = dict.fromkeys(STAGES, False)
        self.stages = {stage: StageCount() for stage in STAGES}

    async def run(self) -> None:
        """Read until cancelled."""
        async with asyncio.TaskGroup() as group:
            for stage in STAGES:
                group.create_task(self._read(stage))

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
        async with clients.started(clients.consumer(self._settings), self._settings) as reader:
            reader.assign(at)
            await reader.seek_to_beginning(*at)
            while True:
                batches = await reader.getmany(timeout_ms=250)
                for batch in batches.values():
                    self.stages[stage].take(batch, identified=identified)
                if not batches and not self._caught_up[stage]:
                    ends = await reader.end_offsets(at)
                    self._caught_up[stage] = all([await reader.position(tp) >= ends[tp] for tp in at])
