"""The exactly-once loop of silver and gold: consume, process, produce and commit in one transaction.

Each input partition has a loop and a transactional id of its own. On every assignment the order is
fence -> offsets -> state -> fetch; any other order doubles records when the owner changes.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced
from mode import Service

from k2_shared import kafka
from k2_shared.errors import Halt, Unavailable
from k2_shared.origin import received_ns
from k2_shared.records import Batch, ByTopic
from k2_shared.settings import KafkaSettings
from k2_shared.telemetry import Metrics, logger
from k2_shared.topics import Names, administration, check

ASSIGNED = "partitions_assigned"
REVOKED = "partitions_revoked"
RESTARTED = "partition_restarted"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch: every record of it is written on, refused, or a duplicate."""

    outgoing: ByTopic
    rejected: Mapping[str, int] = field(default_factory=dict)
    duplicates: int = 0


class PartitionStage(Protocol):
    """The domain of one input partition, pure: it holds staged changes until they are committed."""

    def restore(self, batch: Batch) -> None:
        """Take in records that this stage wrote before; called before the first ``process``."""

    def process(self, batch: Batch) -> Outcome:
        """Decide what becomes of each record and stage the state that goes with it."""

    def merge(self) -> None:
        """The records are committed: the staged state holds."""

    def discard(self) -> None:
        """The transaction was aborted: nothing of it holds."""


StageFactory = Callable[[TopicPartition], PartitionStage]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What an agent reads and writes, and which of its outputs restores a stage.

    ``stages`` is awaited once at start and makes the stage of each partition, anew on every assignment.
    """

    service: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    stages: Callable[[], Awaitable[StageFactory]]
    restores_from: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """The loop's limits."""

    max_records: int = 5_000
    poll_ms: int = 200
    attempts: int = 60
    backoff_s: float = 0.2
    backoff_max_s: float = 5.0
    revoke_timeout_s: float = 8.0


class PartitionLoop:
    """Owns one input partition from fence to release."""

    def __init__(self, agent: "TransactionalAgent", at: TopicPartition) -> None:
        self._agent = agent
        self._at = at
        self._stopping = False
        self._failures = 0
        self.running = False

    def stop(self) -> None:
        """Ask the loop to end after its current transaction."""
        self._stopping = True

    async def run(self) -> None:
        """Work until stopped; every failure but a fence starts over from the fence, a bounded number of times.

        Raises:
            Halt: another owner fenced this one.
            Unavailable: too many failures without a commit between them.
        """
        while not self._stopping:
            try:
                await self._own()
            except ProducerFenced:
                raise Halt(f"{self._agent.transactional_id(self._at)} was fenced by another owner") from None
            except (KafkaError, TimeoutError) as error:
                self.running = False
                await self._back_off(error)

    async def _back_off(self, error: Exception) -> None:
        limits, self._failures = self._agent.limits, self._failures + 1
        self._agent.metrics.errors.labels(self._agent.pipeline.service, type(error).__name__).inc()
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
        fenced = kafka.producer(agent.settings, transactional_id=agent.transactional_id(self._at))
        async with kafka.started(fenced, agent.settings) as sender:
            await self._rewind()
            stage = await self._restored()
            self.running = True
            while not self._stopping:
                await self._cycle(sender, stage)

    async def _rewind(self) -> None:
        """Go to the last committed offset, whatever was prefetched before the fence."""
        reader = self._agent.reader
        committed = await reader.committed(self._at)
        if committed is None:
            await reader.seek_to_beginning(self._at)
        else:
            reader.seek(self._at, committed)

    async def _restored(self) -> PartitionStage:
        pipeline = self._agent.pipeline
        stage = self._agent.make_stage(self._at)
        if pipeline.restores_from:
            source = TopicPartition(self._agent.names.topic(pipeline.restores_from), self._at.partition)
            async for batch in kafka.replay(self._agent.settings, source):
                stage.restore(batch)
        return stage

    async def _cycle(self, sender: AIOKafkaProducer, stage: PartitionStage) -> None:
        agent = self._agent
        fetched = await agent.reader.getmany(
            self._at, timeout_ms=agent.limits.poll_ms, max_records=agent.limits.max_records
        )
        batch = fetched.get(self._at)
        if not batch:
            return
        position = await agent.reader.position(self._at)
        with agent.metrics.duration.labels(agent.pipeline.service).time():
            outcome = stage.process(batch)
            _account(batch, outcome)
            try:
                await self._commit(sender, outcome.outgoing, position)
            except BaseException:
                stage.discard()
                raise
            stage.merge()
        self._failures = 0
        agent.count(batch, outcome)

    async def _commit(self, sender: AIOKafkaProducer, outgoing: ByTopic, position: int) -> None:
        """One transaction; where its outcome is unknown the caller starts over from the fence."""
        agent = self._agent
        await sender.begin_transaction()
        await kafka.send_all(sender, agent.names, self._at.partition, outgoing)
        await sender.send_offsets_to_transaction({self._at: position}, agent.group)
        await sender.commit_transaction()


def _account(batch: Batch, outcome: Outcome) -> None:
    written = sum(map(len, outcome.outgoing.values()))
    if written + outcome.duplicates != len(batch):
        raise Halt(
            f"{batch[0].topic}[{batch[0].partition}] from offset {batch[0].offset}: {len(batch)} records read, "
            f"{written} to write and {outcome.duplicates} duplicates do not add up"
        )


class TransactionalAgent(Service, ConsumerRebalanceListener):  # type: ignore[misc]
    """A Faust service that runs a pipeline's partition loops under one consumer group."""

    def __init__(
        self,
        settings: KafkaSettings,
        names: Names,
        pipeline: Pipeline,
        metrics: Metrics,
        limits: Limits | None = None,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.names = names
        self.pipeline = pipeline
        self.metrics = metrics
        self.limits = limits or Limits()
        self.group = names.group(pipeline.service)
        self.reader: AIOKafkaConsumer = None
        self._loops: dict[TopicPartition, tuple[PartitionLoop, asyncio.Task[None]]] = {}
        self._assigned = False

    def transactional_id(self, at: TopicPartition) -> str:
        """The id that fences every other owner of an input partition."""
        return self.names.transactional_id(self.pipeline.service, at.topic, at.partition)

    def not_ready(self) -> list[str]:
        """What is missing until every assigned partition is being worked on."""
        if not self._assigned:
            return ["partition assignment"]
        return [f"{at.topic}[{at.partition}]" for at, (loop, _) in self._loops.items() if not loop.running]

    def count(self, batch: Batch, outcome: Outcome) -> None:
        """Count what one committed transaction read and wrote."""
        metrics = self.metrics
        metrics.transactions.labels("committed").inc()
        metrics.received.labels(batch[0].topic).inc(len(batch))
        metrics.duplicates.inc(outcome.duplicates)
        for topic, records in outcome.outgoing.items():
            metrics.sent.labels(topic).inc(len(records))
        for reason, count in outcome.rejected.items():
            metrics.rejected.labels(reason).inc(count)
        if received := received_ns(batch[0].headers):
            metrics.pipeline_age.labels(self.pipeline.service).observe(max(0.0, time.time() - received / 1e9))

    async def on_start(self) -> None:
        async with administration(self.settings) as admin:
            await check(admin, self.names, (*self.pipeline.inputs, *self.pipeline.outputs))
        self.make_stage = await self.pipeline.stages()
        self.reader = await self.add_async_context(
            kafka.started(kafka.consumer(self.settings, group=self.group), self.settings)
        )
        self.reader.subscribe([self.names.topic(name) for name in self.pipeline.inputs], listener=self)

    async def on_stop(self) -> None:
        await self._release()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Start a loop for each partition; the loops fence before they read."""
        logger().info(ASSIGNED, partitions=len(assigned))
        for at in assigned:
            loop = PartitionLoop(self, at)
            self._loops[at] = (loop, self.add_future(loop.run()))
        self._assigned = True

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """End every loop after its current transaction, before somebody else may own the partition."""
        logger().info(REVOKED, partitions=len(revoked))
        await self._release()

    async def _release(self) -> None:
        loops, self._loops, self._assigned = list(self._loops.values()), {}, False
        for loop, _ in loops:
            loop.stop()
        if loops:
            _, late = await asyncio.wait([task for _, task in loops], timeout=self.limits.revoke_timeout_s)
            for task in late:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
