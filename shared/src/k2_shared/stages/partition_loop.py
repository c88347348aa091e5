"""The exactly-once loop of one input partition: consume, process, produce and commit in one transaction.

The order on every assignment is fence -> offsets -> state -> fetch; any other order doubles records when the owner
changes. Whatever fails, the loop starts over from the fence with a new stage: it never retries a commit in place. A
transaction in which a request had to be repeated is a producer's last.
"""

import asyncio
import random
import time
from typing import TYPE_CHECKING

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced

from k2_shared.core.errors import Halt, Unavailable
from k2_shared.core.records import Batch, ByTopic, Consumed
from k2_shared.core.tasks import together
from k2_shared.core.telemetry import logger
from k2_shared.kafka import clients
from k2_shared.kafka.clients import Producer
from k2_shared.kafka.dlq import PREFIX
from k2_shared.kafka.resumption import Committed, committed, holds
from k2_shared.kafka.topics import DLQ
from k2_shared.stages.breaker import Counts, Tripped, Window
from k2_shared.stages.failpoints import Place
from k2_shared.stages.stage import Outcome, Stage, Stamp

if TYPE_CHECKING:
    from k2_shared.stages.transactions import TransactionalAgent

RESTARTED = "partition_restarted"
REPLACED = "producer_replaced"
HALTED = "agent_halted"
RESTORED = "state_restored"
RELEASED = "state_released"


class PartitionLoop:
    """Owns one input partition from fence to release."""

    def __init__(self, agent: "TransactionalAgent", at: TopicPartition) -> None:
        self._agent = agent
        self._at = at
        self._limits = agent.limits
        self._reach = agent.limits.failpoints.reach
        self._meter = agent.meter(at)
        self._window = Window(agent.limits.threshold)
        self._stopping = asyncio.Event()
        self._failures = 0
        topics = agent.pipeline.state
        self.output = self._beside(topics.output) if topics else None
        self._stamped = self._written = self._sent = 0
        self._checkpoint_due = self._rested = 0.0
        self.position = 0
        self.running = False

    def stop(self) -> None:
        """Ask the loop to end after its current transaction."""
        self._stopping.set()
        self._agent.reader.leave(self._at)

    async def run(self) -> None:
        """Work until stopped; every failure but a fence starts over from the fence, a bounded number of times.

        Ends by itself where another process has taken over under this one's name.

        Raises:
            Halt: another owner fenced this one, which is none of its name.
            Unavailable: too many failures without a commit between them.
        """
        while not self._stopping.is_set():
            try:
                await self._own()
            except ProducerFenced:
                self._meter.transaction("fenced")
                if not await self._agent.is_replaced():
                    raise Halt(f"{self._agent.transactional_id(self._at)} was fenced by another owner") from None
                return  # the group gives it back, if an operator wants
            except Tripped as tripped:
                await self._halt(str(tripped))
            except (KafkaError, TimeoutError, Unavailable) as error:
                await self._back_off(error)
            finally:
                self.running = False

    async def _halt(self, reason: str) -> None:
        """Stand still with every other partition until an operator resumes, or the partition is revoked."""
        logger().error(HALTED, topic=self._at.topic, partition=self._at.partition, reason=reason)
        self._agent.breaker.trip(f"{self._at.topic}[{self._at.partition}]: {reason}", "look at the dead letters")
        await self._resumed()

    async def _resumed(self) -> None:
        """Wait until the agent may work or this loop is to end; the partition stays ours meanwhile, and unread."""
        self._agent.reader.pause(self._at)
        await together(self._agent.breaker.closed(), self._stopping.wait())
        self._agent.reader.resume(self._at)

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
        agent = self._agent
        fenced = clients.producer(agent.settings, transactional_id=agent.transactional_id(self._at))
        async with clients.started(fenced, agent.settings) as sender:
            agent.reader.pause(self._at)
            stage = await self._recovered(await self._rewind())
            agent.reader.resume(self._at)
            self.running, self._sent = True, 0
            while not self._stopping.is_set() and self._is_good(sender):
                await self._cycle(sender, stage)
            self._say(RELEASED, stage)

    def _is_good(self, sender: Producer) -> bool:
        """Whether a producer may begin another transaction: none of its requests can arrive in there by delay."""
        if sender.unanswered:
            where = {"topic": self._at.topic, "partition": self._at.partition}
            logger().warning(REPLACED, **where, unanswered=sender.unanswered)
        return not sender.unanswered and self._sent < self._limits.producer_records

    async def _rewind(self) -> Committed:
        """Go to the last committed offset, whatever was prefetched before the fence."""
        agent = self._agent
        found = await committed(agent.admin, agent.group, self._at)
        found.check(agent.committed.get(self._at, 0), "this process committed")
        if found.offset is None and await self._was_read():
            raise found.doubt("records that were written from it stand in the outputs")
        self.position = (await agent.span(self._at)).start if found.offset is None else found.offset
        agent.reader.seek(self._at, self.position)
        self._window.resume(found.metadata)
        return found

    async def _was_read(self) -> bool:
        """Whether the output that the input alone fills holds a record, or a dead letter is about it."""
        agent, letters = self._agent, self._beside(DLQ)
        sole = agent.pipeline.sole.get(agent.names.contract(self._at.topic).name)
        if sole and await holds(agent.settings, self._beside(sole), await agent.span(self._beside(sole))):
            return True
        source = (f"{PREFIX}topic", self._at.topic.encode())
        return await holds(agent.settings, letters, await agent.span(letters), lambda record: source in record.headers)

    async def _recovered(self, found: Committed) -> Stage:
        """A stage that knows what was committed: the checkpoints, and the outputs behind them."""
        agent, topics = self._agent, self._agent.pipeline.state
        stage = agent.make_stage(self._at)
        self._reach(Place.DURING_RECOVERY)
        if topics and self.output:
            checkpoints = self._beside(topics.checkpoints)
            latest = await clients.latest(agent.settings, checkpoints, await agent.end(checkpoints))
            stamp = stage.load(latest)
            found.check(stamp.input, "the checkpoint was written at")
            self._stamped = stamp.output
            end = await agent.end(self.output)
            async for batch in clients.replay(agent.settings, self.output, self._stamped, end):
                await self._learn(batch)
                stage.restore(batch)
            self._checkpoint_due = time.monotonic() + self._limits.checkpoint_s * random.random()  # noqa: S311
            self._say(RESTORED, stage)
        return stage

    async def _learn(self, batch: Batch) -> None:
        """Have the registry asked for the schema ids of a batch that are not known."""
        if schemas := self._agent.pipeline.schemas.get(self._at.topic):
            await schemas.learn(record.value for record in batch)

    def _beside(self, topic: str) -> TopicPartition:
        return TopicPartition(self._agent.names.topic(topic), self._at.partition)

    def _say(self, event: str, stage: Stage) -> None:
        if self.output:
            ids = stage.size().ids
            logger().info(event, topic=self._at.topic, partition=self._at.partition, ids=ids, digest=stage.digest())

    async def _cycle(self, sender: Producer, stage: Stage) -> None:
        batch = await self._gathered()
        if self._agent.breaker.reason:
            await self._resumed()
        if self._stopping.is_set() or not (batch or self._is_behind()):
            return
        began = time.monotonic()
        async with asyncio.timeout(self._limits.transaction_s):
            await self._transact(sender, stage, batch)
        self._failures = 0
        self._rest(time.monotonic() - began)

    def _rest(self, took_s: float) -> None:
        """Let records gather: where transactions are slow, fewer and larger ones are faster."""
        limits = self._limits
        self._rested = time.monotonic() + min(limits.rest_max_s, max(limits.rest_s, limits.rest_factor * took_s))

    async def _gathered(self) -> Batch:
        """What comes while the loop rests after its last transaction; without any, what one poll brings then."""
        limits, gathered = self._limits, list[Consumed]()
        while not self._stopping.is_set() and len(gathered) < limits.max_records:
            rest_ms = int((self._rested - time.monotonic()) * 1_000)
            wait_ms = rest_ms if rest_ms > 0 else 0 if gathered else limits.poll_ms
            gathered += await self._agent.reader.read(self._at, wait_ms, limits.max_records - len(gathered))
            if rest_ms <= 0:
                break
        return gathered

    def _is_due(self) -> bool:
        return self.output is not None and time.monotonic() >= self._checkpoint_due

    def _is_behind(self) -> bool:
        """Whether an idle partition must follow its output, which others write too, so that recovery stays short."""
        return self._is_due() and self._output_end() - self._stamped >= self._limits.idle_checkpoint_records

    def _output_end(self) -> int:
        """An offset below which all that this partition wrote is in its stage; as high as is known."""
        return max(self._stamped, self._written, self._agent.ends.get(self.output, 0))

    async def _transact(self, sender: Producer, stage: Stage, batch: Batch) -> None:
        """One transaction; where its outcome is unknown the caller starts over from the fence."""
        began, position = time.perf_counter(), await self._agent.reader.position(self._at)
        await self._learn(batch)
        outcome = stage.process(batch) if batch else Outcome({})
        self._account(batch, outcome)
        counts = self._judged(batch, outcome, position)
        await sender.begin_transaction()
        self._reach(Place.BEFORE_SEND)
        letters = await self._send(sender, stage, outcome, (position, counts.note))
        stamp = Stamp(position, self._output_end()) if self._is_due() else None
        await clients.send_all(sender, self._agent.names, self._at.partition, letters)
        if stamp:
            await clients.send_all(sender, self._agent.names, self._at.partition, stage.checkpoint(stamp))
            self._reach(Place.DURING_CHECKPOINT)
        self._reach(Place.BEFORE_COMMIT)
        await sender.commit_transaction()
        self._reach(Place.AFTER_COMMIT)
        self.position = self._agent.committed[self._at] = position
        self._sent += len(batch)
        if batch:
            self._window.take(counts)
        self._meter.committed(batch, outcome, time.perf_counter() - began)
        if stamp:
            self._checkpointed(stage, stamp)

    def _judged(self, batch: Batch, outcome: Outcome, end: int) -> Counts:
        """The refusals with those of a batch that ends at ``end``; counting starts anew where it is pardoned.

        Raises:
            Tripped: there are too many of them.
        """
        if not batch:
            return self._window.counts
        if self._agent.breaker.is_pardoned(self._at, self.position):
            return Counts()
        try:
            return self._window.judge(len(batch), outcome.refused)
        except Tripped:
            self._agent.breaker.pardon(self._at, end)
            raise

    def _checkpointed(self, stage: Stage, stamp: Stamp) -> None:
        self._stamped = stamp.output
        self._checkpoint_due = time.monotonic() + self._limits.checkpoint_s
        self._meter.checkpointed(stage.size())

    async def _send(self, sender: Producer, stage: Stage, outcome: Outcome, offset: tuple[int, str]) -> ByTopic:
        """Write the outcome and the offset with its note; returns the letters that had to wait for the offsets."""
        agent, topics = self._agent, self._agent.pipeline.state
        writing = clients.send_all(sender, agent.names, self._at.partition, outcome.outgoing)
        offsets, _ = await asyncio.gather(writing, sender.send_offsets_to_transaction({self._at: offset}, agent.group))
        if offsets:
            self._reach(Place.AFTER_SEND)
        if topics and topics.output in offsets:
            self._written = int(offsets[topics.output][-1]) + 1
        letters = stage.accept(offsets)
        count = sum(len(records.get(DLQ, ())) for records in (outcome.outgoing, letters))
        if count != outcome.letters:
            raise Halt(f"{self._where()}: {outcome.letters} records refused, {count} dead letters")
        return letters

    def _account(self, batch: Batch, outcome: Outcome) -> None:
        forwarded = sum(len(records) for topic, records in outcome.outgoing.items() if topic != DLQ)
        parts = forwarded + outcome.letters + outcome.duplicates
        if parts != len(batch) or len(outcome.refused) != outcome.letters:
            raise Halt(
                f"{self._where()}: {len(batch)} records read, {forwarded} to write, {outcome.letters} refused and "
                f"{outcome.duplicates} duplicates do not add up"
            )

    def _where(self) -> str:
        return f"{self._at.topic}[{self._at.partition}] from offset {self.position}"
