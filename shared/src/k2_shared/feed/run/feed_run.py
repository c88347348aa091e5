"""One run of a feed: from what stands in Kafka, through the work, to what stands there then."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from k2_shared.core.errors import Unavailable
from k2_shared.core.tasks import run_until_first_ends
from k2_shared.feed.publish.publisher import Publisher
from k2_shared.feed.run.checkpoints import Checkpoints
from k2_shared.feed.run.controller import SymbolController
from k2_shared.feed.run.recovery import Recovery
from k2_shared.feed.run.symbols import CapturedSymbols
from k2_shared.feed.transport.connector import Connector
from k2_shared.feed.venue.listings import Pairs

Job = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class FeedRun:
    """A run that is ready to begin. ``jobs`` go on until it ends; ``last_reports`` follow if Kafka still takes them."""

    publisher: Publisher
    symbols: CapturedSymbols
    connector: Connector
    recovery: Recovery
    controller: SymbolController
    checkpoints: Checkpoints
    jobs: Sequence[Job]
    count: Callable[[], None]
    last_reports: Sequence[Callable[[], None]]
    farewell_s: float

    async def begin(self, pairs: Pairs) -> None:
        """Choose the symbols and go on where each stands; what begins now stands in Kafka before any trade does.

        Raises:
            ConfigError: a symbol of the settings was never captured, and cannot be.
            Unavailable: Kafka failed.
        """
        self.recovery.begin(pairs)
        await self.controller.catch_up(self.recovery.control.said)
        await self.publisher.flush()
        self.recovery.log()

    async def work(self, stop: asyncio.Event) -> None:
        """Capture until told to stop, then write down what stands in Kafka.

        Raises:
            Unavailable: the venue is out of reach, memory is used up, or Kafka failed.
            ProducerExhausted: the next run needs another producer.
        """
        self.checkpoints.adopt()
        try:
            await run_until_first_ends(*(job() for job in self.jobs), _until(stop))
        finally:
            self.count()
            if not self.publisher.backlog.failed:
                for report in self.last_reports:
                    report()
                await self._write_last()

    async def _write_last(self) -> None:
        """Write down what stands in Kafka, within a share of the grace period.

        Raises:
            Unavailable: Kafka does not take it.
        """
        try:
            async with asyncio.timeout(self.farewell_s):
                await self.checkpoints.write()
        except TimeoutError:
            raise Unavailable(
                f"Kafka did not take the last {self.publisher.backlog.records} records within {self.farewell_s:.1f} s: "
                "the next start asks REST for what is missing"
            ) from None


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()
