"""The transactions of one input partition: a batch is processed and written, with its offset, in one of them."""

import asyncio
import random
import time

from aiokafka import TopicPartition

from k2_shared.core.errors import Halt
from k2_shared.core.logs import logger
from k2_shared.core.records import ByTopic, RecordBatch, WrittenOffsets
from k2_shared.kafka.clients import Producer
from k2_shared.kafka.sending import send_all
from k2_shared.kafka.topics import DLQ
from k2_shared.stages.breaker import RefusalCounts, RefusalWindow, Tripped
from k2_shared.stages.context import LoopContext
from k2_shared.stages.failpoints import Failpoint
from k2_shared.stages.processor import Outcome, Stamp
from k2_shared.stages.recovery import Recovered

REPLACED = "producer_replaced"


class PartitionWriter:
    """Writes what one partition's processor decides, from a fence until something fails.

    After any failure, also one with an unknown outcome, it is given up with its processor and its producer.
    """

    def __init__(
        self, context: LoopContext, at: TopicPartition, sender: Producer, recovered: Recovered, window: RefusalWindow
    ) -> None:
        self._context = context
        self._at = at
        self._limits = context.limits
        self._reach = context.limits.failpoints.reach
        self._meter = context.meter(at)
        self._sender = sender
        self._window = window
        topics = context.pipeline.state
        self._output = context.beside(at, topics.output) if topics else None
        self._stamped = recovered.stamped
        self._written = self._sent = 0
        self._checkpoint_due = time.monotonic() + self._limits.checkpoint_s * random.random()  # noqa: S311
        self.processor = recovered.processor
        self.position = recovered.position
        window.resume(recovered.note)

    def is_good(self) -> bool:
        """Whether the producer may begin another transaction: none of its requests can arrive in there by delay."""
        if self._sender.unanswered:
            where = {"topic": self._at.topic, "partition": self._at.partition}
            logger().warning(REPLACED, **where, unanswered=self._sender.unanswered)
        return not self._sender.unanswered and self._sent < self._limits.producer_records

    def is_behind(self) -> bool:
        """Whether an idle partition must follow its output, which others write too, so that recovery stays short."""
        return self._is_due() and self._output_end() - self._stamped >= self._limits.idle_checkpoint_records

    def _is_due(self) -> bool:
        return self._output is not None and time.monotonic() >= self._checkpoint_due

    def _output_end(self) -> int:
        """An offset below which all that this partition wrote is in its processor; as high as is known."""
        ends = self._context.ends
        return max(self._stamped, self._written, ends.get(self._output, 0) if self._output else 0)

    async def transact(self, batch: RecordBatch) -> None:
        """Process a batch and commit what became of it with its offset; without records, a checkpoint alone.

        Waits for the broker. Called by the partition's loop, again only after it has returned.

        Raises:
            Tripped: too many records are refused; nothing was written.
            Halt: records read are not records written, or one can never be written.
            KafkaError: the broker failed, and whether it was committed is unknown.
        """
        began, position = time.perf_counter(), await self._context.reader.position(self._at)
        await self._context.learn(self._at, batch)
        outcome = self.processor.process(batch) if batch else Outcome({})
        self._account(batch, outcome)
        counts = self._judged(batch, outcome, position)
        stamp = await self._commit(outcome, (position, counts.note))
        self.position = self._context.committed[self._at] = position
        self._sent += len(batch)
        if batch:
            self._window.take(counts)
        self._meter.committed(batch, outcome, time.perf_counter() - began)
        if stamp:
            self._checkpointed(stamp)

    async def _commit(self, outcome: Outcome, offset: tuple[int, str]) -> Stamp | None:
        """One transaction; returns the stamp of its checkpoint, if it has one."""
        sender = self._sender
        await sender.begin_transaction()
        self._reach(Failpoint.BEFORE_SEND)
        letters = await self._send(outcome, offset)
        stamp = Stamp(offset[0], self._output_end()) if self._is_due() else None
        await self._write(letters)
        if stamp:
            await self._write(self.processor.checkpoint(stamp))
            self._reach(Failpoint.DURING_CHECKPOINT)
        self._reach(Failpoint.BEFORE_COMMIT)
        await sender.commit_transaction()
        self._reach(Failpoint.AFTER_COMMIT)
        return stamp

    async def _write(self, records: ByTopic) -> dict[str, WrittenOffsets]:
        return await send_all(self._sender, self._context.names, self._at.partition, records)

    async def _send(self, outcome: Outcome, offset: tuple[int, str]) -> ByTopic:
        """Write the outcome and the offset with its note; returns the letters that had to wait for the offsets."""
        offsets, _ = await asyncio.gather(
            self._write(outcome.outgoing),
            self._sender.send_offsets_to_transaction({self._at: offset}, self._context.group),
        )
        if offsets:
            self._reach(Failpoint.AFTER_SEND)
        topics = self._context.pipeline.state
        if topics and topics.output in offsets:
            self._written = int(offsets[topics.output][-1]) + 1
        letters = self.processor.accept(offsets)
        count = sum(len(records.get(DLQ, ())) for records in (outcome.outgoing, letters))
        if count != outcome.letters:
            raise Halt(f"{self._where()}: {outcome.letters} records refused, {count} dead letters")
        return letters

    def _judged(self, batch: RecordBatch, outcome: Outcome, end: int) -> RefusalCounts:
        """The refusals with those of a batch that ends at ``end``; counting starts anew where it is pardoned.

        Raises:
            Tripped: there are too many of them.
        """
        if not batch:
            return self._window.counts
        if self._context.breaker.is_pardoned(self._at, self.position):
            return RefusalCounts()
        try:
            return self._window.judge(len(batch), outcome.refused)
        except Tripped:
            self._context.breaker.pardon(self._at, end)
            raise

    def _checkpointed(self, stamp: Stamp) -> None:
        self._stamped = stamp.output
        self._checkpoint_due = time.monotonic() + self._limits.checkpoint_s
        self._meter.checkpointed(self.processor.size())

    def _account(self, batch: RecordBatch, outcome: Outcome) -> None:
        forwarded = sum(len(records) for topic, records in outcome.outgoing.items() if topic != DLQ)
        parts = forwarded + outcome.letters + outcome.duplicates
        if parts != len(batch) or len(outcome.refused) != outcome.letters:
            raise Halt(
                f"{self._where()}: {len(batch)} records read, {forwarded} to write, {outcome.letters} refused and "
                f"{outcome.duplicates} duplicates do not add up"
            )

    def _where(self) -> str:
        return f"{self._at.topic}[{self._at.partition}] from offset {self.position}"
