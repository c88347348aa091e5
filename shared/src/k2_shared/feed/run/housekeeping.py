"""The regular duties of a run beside its connections: reports, metrics, and the limits of the process."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prometheus_client import Gauge

from k2_shared.feed.publish.publisher import Publisher
from k2_shared.feed.run.memory import MemoryWatch

TICK_S = 0.1
_TICKS_A_LOOK = 10
_WRITTEN_MAX = 1_000_000_000

Duty = Callable[[], None]


class ProducerExhausted(Exception):
    """The producer must be replaced: from 2^31 records of a partition on aiokafka counts wrongly."""


@dataclass(frozen=True)
class ProcessLimits:
    """What may end a run: the memory of the process, and the records that its producer has written."""

    memory: MemoryWatch
    resident: Gauge
    publisher: Publisher

    def check(self) -> None:
        """Measure the memory, and see that nothing is used up.

        Raises:
            Unavailable: the process has grown too large.
            ProducerExhausted: the producer must be replaced.
        """
        self.resident.set(self.memory.check())
        if self.publisher.written >= _WRITTEN_MAX:
            raise ProducerExhausted


@dataclass(frozen=True)
class Housekeeping:
    """Does some duties ten times a second and others once; none of them blocks."""

    ticks: Sequence[Duty]
    looks: Sequence[Duty]

    async def run(self) -> None:
        """Do the duties for ever; raises what one of them raises."""
        number = 0
        while True:
            await asyncio.sleep(TICK_S)
            number += 1
            for duty in self.ticks:
                duty()
            for duty in self.looks if number % _TICKS_A_LOOK == 0 else ():
                duty()
