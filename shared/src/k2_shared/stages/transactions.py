"""The agent around the exactly-once loops: one consumer group, one loop and transactional id per input partition."""

import asyncio
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Self

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from mode import Service

from k2_shared.core.settings import KafkaSettings
from k2_shared.core.tasks import together
from k2_shared.core.telemetry import Metrics, logger
from k2_shared.kafka import clients
from k2_shared.kafka.group_reader import GroupReader
from k2_shared.kafka.topics import Names, administration, check
from k2_shared.stages.agent import Shell
from k2_shared.stages.breaker import Breaker, Threshold
from k2_shared.stages.failpoints import Failpoints
from k2_shared.stages.meter import PartitionMeter
from k2_shared.stages.namesake import Namesake
from k2_shared.stages.partition_loop import HALTED, PartitionLoop
from k2_shared.stages.settings import StageSettings
from k2_shared.stages.stage import Pipeline

ASSIGNED = "partitions_assigned"
REVOKED = "partitions_revoked"
_OBSERVE_S = 5.0


@dataclass(frozen=True, slots=True)
class Limits:
    """The loops' limits."""

    max_records: int = 10_000
    poll_ms: int = 200
    rest_s: float = 0.03  # after a commit, at least: the broker still marks the last transaction
    rest_max_s: float = 0.2
    rest_factor: float = 0.5  # of what the last transaction took
    attempts: int = 60
    backoff_s: float = 0.2
    backoff_max_s: float = 5.0
    revoke_timeout_s: float = 8.0
    producer_records: int = 1_000_000_000  # then a new producer: aiokafka counts wrongly from 2^31 on
    transaction_s: float = 12.0  # under the broker's timeout, so that only a suspended process exceeds that
    checkpoint_s: float = 5.0
    idle_checkpoint_records: int = 100_000  # an idle partition follows its output's end in such steps
    instance: str | None = None
    threshold: Threshold = field(default_factory=Threshold)
    failpoints: Failpoints = field(default_factory=Failpoints)

    @classmethod
    def of(cls, settings: StageSettings, checkpoint_s: float = 5.0) -> Self:
        """The limits that settings say."""
        return cls(
            instance=settings.k2_instance,
            threshold=Threshold(settings.breaker_records, settings.breaker_share, settings.breaker_run),
            failpoints=Failpoints(settings.k2_failpoint),
            checkpoint_s=checkpoint_s,
        )


class TransactionalAgent(Service, ConsumerRebalanceListener):  # type: ignore[misc]
    """A Faust service that runs a pipeline's partition loops under one consumer group."""

    def __init__(
        self, settings: KafkaSettings, names: Names, pipeline: Pipeline, metrics: Metrics, limits: Limits | None = None
    ) -> None:
        super().__init__()
        self.settings = settings
        self.names = names
        self.pipeline = pipeline
        self.limits = limits or Limits()
        self.breaker = Breaker(metrics.halted)
        self.group = names.group(pipeline.service)
        self._metrics = metrics
        self.ends: dict[TopicPartition, int] = {}
        self.committed: dict[TopicPartition, int] = {}
        self._broker: AIOKafkaConsumer = None
        self.admin: AIOKafkaAdminClient = None
        self._namesake = Namesake(self.group, self.limits.instance)
        self._loops: dict[TopicPartition, tuple[PartitionLoop, asyncio.Task[None]]] = {}
        self._assigned = False

    def in_shell(self, shell: Shell) -> Self:
        """Show this agent's readiness on the shell's pages, let its page resume it, and have its topics watched."""
        shell.topics.watch(self.names.partition_counts(self.pipeline.topics))
        shell.health.not_ready = self.not_ready
        shell.health.resume = self.breaker.resume
        return self

    def transactional_id(self, at: TopicPartition) -> str:
        """The id that fences every other owner of an input partition."""
        return self.names.transactional_id(self.pipeline.service, at.topic, at.partition)

    def meter(self, at: TopicPartition) -> PartitionMeter:
        """The metrics of one input partition."""
        return PartitionMeter(self._metrics, self.pipeline.service, at.topic, at.partition)

    async def end(self, at: TopicPartition) -> int:
        """The end of a partition at the broker, uncommitted records included."""
        return int((await self._broker.end_offsets([at]))[at])

    async def span(self, at: TopicPartition) -> range:
        """The offsets that a partition has at the broker, uncommitted records included."""
        return range((await self._broker.beginning_offsets([at]))[at], await self.end(at))

    def not_ready(self) -> list[str]:
        """What is missing until every assigned partition is being worked on."""
        if self.breaker.reason:
            return [f"halted: {self.breaker.reason}; {self.breaker.advice}, then 'k2 dlq resume'"]
        if not self._assigned:
            return ["partition assignment"]
        asking = {schemas.asking for schemas in self.pipeline.schemas.values() if schemas.asking}
        idle = [f"{at.topic}[{at.partition}]" for at, (loop, _) in self._loops.items() if not loop.running]
        return [*sorted(asking), *idle]

    async def on_start(self) -> None:
        self.admin = await self.add_async_context(administration(self.settings))
        await check(self.admin, self.names, self.pipeline.topics)
        self.make_stage = await self.pipeline.stages()
        broker = clients.consumer(self.settings, committed=False)
        self._broker = await self.add_async_context(clients.started(broker, self.settings))
        member = clients.consumer(self.settings, group=self.group, instance=self.limits.instance)
        self.reader = GroupReader(member, self.limits.attempts)
        await self.add_async_context(clients.started(member, self.settings))
        await self.add_async_context(aclosing(self.reader))
        member.subscribe([self.names.topic(name) for name in self.pipeline.inputs], listener=self)

    async def on_started(self) -> None:
        self.add_future(self._observe())
        self.add_future(self.reader.keep_polling())

    async def on_stop(self) -> None:
        await self._release()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Start a loop for each partition of the contract; the loops fence before they read.

        One beyond them has no partition of its number to be written to: it is told by readiness, and left unread.
        """
        logger().info(ASSIGNED, partitions=len(assigned))
        self._namesake.member_id = self.reader.member_id
        for at in assigned:
            if at.partition < self.names.contract(at.topic).partitions:
                loop = PartitionLoop(self, at)
                self._loops[at] = (loop, self.add_future(loop.run()))
            else:
                self.reader.pause(at)
        self._assigned = True

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """End every loop after its current transaction, before somebody else may own the partition.

        aiokafka joins the group again as soon as this returns: where another process has the name, an operator decides.
        """
        logger().info(REVOKED, partitions=len(revoked))
        await self._release()
        if await self.is_replaced():
            await self._stand_aside()

    async def is_replaced(self) -> bool:
        """Whether another process has taken over under K2_INSTANCE; this one is halted then."""
        while not self.should_stop:
            try:
                replaced = await self._namesake.has_taken_over(self.admin)
            except KafkaError as error:
                self._metrics.errors.labels(self.pipeline.service, type(error).__name__).inc()
                if not error.retriable:
                    return False
                await self.sleep(self.limits.backoff_s)
            else:
                if replaced:
                    self._halt(*self._namesake.fault)
                return replaced
        return False

    def _halt(self, reason: str, advice: str) -> None:
        if self.breaker.reason != reason:
            logger().error(HALTED, reason=reason, advice=advice)
            self.breaker.trip(reason, advice)

    async def _stand_aside(self) -> None:
        """Stay out of the group until an operator resumes; told to stop, this process does not join it any more."""
        await together(self.breaker.closed(), self._stopped.wait())
        coordination = asyncio.current_task()
        if self.should_stop and coordination:
            coordination.cancel()  # it would join once more before it looks whether it is to end
            await asyncio.sleep(0)

    async def _release(self) -> None:
        owned, self._loops, self._assigned = self._loops, {}, False
        loops = list(owned.values())
        for loop, _ in loops:
            loop.stop()
        if loops:
            _, late = await asyncio.wait([task for _, task in loops], timeout=self.limits.revoke_timeout_s)
            for task in late:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        for at in owned:
            self.meter(at).released()

    async def _observe(self) -> None:
        """Learn from the broker where partitions end, whatever our own reader happens to know."""
        while not self.should_stop:
            loops = {at: loop for at, (loop, _) in self._loops.items() if loop.running}
            outputs = {loop.output for loop in loops.values() if loop.output}
            try:
                self.ends = await self._broker.end_offsets([*loops, *outputs]) if loops else {}
            except KafkaError as error:
                self._metrics.errors.labels(self.pipeline.service, type(error).__name__).inc()
            for at, loop in loops.items():
                if at in self.ends:
                    self.meter(at).lag(self.ends[at] - loop.position)
            await self.sleep(_OBSERVE_S)
