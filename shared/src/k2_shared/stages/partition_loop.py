"""The exactly-once loop of one input partition: consume, process, produce and commit in one transaction.

The order on every assignment is fence -> offsets -> state -> fetch; any other order doubles records when the owner
changes. Whatever fails, the loop starts over from the fence with a new processor: it never retries a commit in place. A
transaction in which a request had to be repeated is a producer's last.
"""

import asyncio
import time

from aiokafka import TopicPartition
from aiokafka.errors import ProducerFenced

from k2_shared.core.errors import Halt, Unavailable
from k2_shared.core.failures import RETRYABLE
from k2_shared.core.logs import logger
from k2_shared.core.records import Consumed, RecordBatch
from k2_shared.core.tasks import run_until_first_ends
from k2_shared.kafka import clients
from k2_shared.stages.breaker import RefusalWindow, Tripped
from k2_shared.stages.context import LoopContext
from k2_shared.stages.partition_writer import PartitionWriter
from k2_shared.stages.recovery import recover, say_state

RESTARTED = "partition_restarted"
HALTED = "agent_halted"
RELEASED = "state_released"


class PartitionLoop:
    """Owns one input partition from fence to release; the agent starts it at an assignment and stops it at the next."""

    def __init__(self, context: LoopContext, at: TopicPartition) -> None:
        self._context = context
        self._at = at
        self._limits = context.limits
        self._meter = context.meter(at)
        self._window = RefusalWindow(context.limits.threshold)
        self._stopping = asyncio.Event()
        self._failures = 0
        self._rested = 0.0
        self._writer: PartitionWriter | None = None

    @property
    def position(self) -> int | None:
        """The next offset to read; None while the partition is not being worked on."""
        return self._writer.position if self._writer else None

    def stop(self) -> None:
        """Ask the loop to end after its current transaction."""
        self._stopping.set()
        self._context.reader.leave(self._at)

    async def run(self) -> None:
        """Work until stopped; after a retryable failure it starts over from the fence, a bounded number of times.

        Ends by itself where another process has taken over under this one's name.

        Raises:
            Halt: another owner fenced this one, which is none of its name; or state and world contradict each other.
            Unavailable: too many failures without a commit between them.
        """
        while not self._stopping.is_set():
            try:
                await self._own()
            except ProducerFenced:
                self._meter.transaction("fenced")
                if not await self._context.is_replaced():
                    raise Halt(f"{self._context.transactional_id(self._at)} was fenced by another owner") from None
                return  # the group gives it back, if an operator wants
            except Tripped as tripped:
                await self._halt(str(tripped))
            except RETRYABLE as error:
                await self._back_off(error)
            finally:
                self._writer = None

    async def _halt(self, reason: str) -> None:
        """Stand still with every other partition until an operator resumes, or the partition is revoked."""
        logger().error(HALTED, topic=self._at.topic, partition=self._at.partition, reason=reason)
        self._context.breaker.trip(f"{self._at.topic}[{self._at.partition}]: {reason}", "look at the dead letters")
        await self._resumed()

    async def _resumed(self) -> None:
        """Wait until the agent may work or this loop is to end; the partition stays ours meanwhile, and unread."""
        self._context.reader.pause(self._at)
        await run_until_first_ends(self._context.breaker.closed(), self._stopping.wait())
        self._context.reader.resume(self._at)

    async def _back_off(self, error: Exception) -> None:
        limits, self._failures = self._limits, self._failures + 1
        self._meter.failed(error)
        logger().warning(
            RESTARTED,
            topic=self._at.topic,
            partition=self._at.partition,
            error=repr(error),
            failures=self._failures,
        )
        if self._failures >= limits.attempts:
            raise Unavailable(f"{self._at.topic}[{self._at.partition}]: {self._failures} failures, the last {error!r}")
        await asyncio.sleep(min(limits.backoff_max_s, limits.backoff_s * 2 ** min(self._failures, 10)))

    async def _own(self) -> None:
        """Fence every other owner, recover, and work until stopped or until the producer is to be replaced."""
        context, at = self._context, self._at
        fenced = clients.producer(context.settings, transactional_id=context.transactional_id(at))
        async with clients.started(fenced, context.settings) as sender:
            context.reader.pause(at)
            recovered = await recover(context, at)
            context.reader.resume(at)
            self._writer = writer = PartitionWriter(context, at, sender, recovered, self._window)
            while not self._stopping.is_set() and writer.is_good():
                await self._cycle(writer)
            if context.pipeline.state:
                say_state(RELEASED, at, writer.processor)

    async def _cycle(self, writer: PartitionWriter) -> None:
        batch = await self._gathered()
        if self._context.breaker.reason:
            await self._resumed()
        if self._stopping.is_set() or not (batch or writer.is_behind()):
            return
        began = time.monotonic()
        async with asyncio.timeout(self._limits.transaction_s):
            await writer.transact(batch)
        self._failures = 0
        self._rest(time.monotonic() - began)

    def _rest(self, took_s: float) -> None:
        """Let records gather: where transactions are slow, fewer and larger ones are faster."""
        limits = self._limits
        self._rested = time.monotonic() + min(limits.rest_max_s, max(limits.rest_s, limits.rest_factor * took_s))

    async def _gathered(self) -> RecordBatch:
        """What comes while the loop rests after its last transaction; without any, what one poll brings then."""
        limits, gathered = self._limits, list[Consumed]()
        while not self._stopping.is_set() and len(gathered) < limits.max_records:
            rest_ms = int((self._rested - time.monotonic()) * 1_000)
            wait_ms = rest_ms if rest_ms > 0 else 0 if gathered else limits.poll_ms
            gathered += await self._context.reader.read(self._at, wait_ms, limits.max_records - len(gathered))
            if rest_ms <= 0:
                break
        return gathered
