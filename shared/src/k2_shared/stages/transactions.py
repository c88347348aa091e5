"""The agent around the exactly-once loops: one consumer group, one loop and transactional id per input partition."""

import asyncio
from collections.abc import Iterable
from contextlib import aclosing, suppress
from typing import Self

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from mode import Service

from k2_shared.core.logs import logger
from k2_shared.core.metrics import Metrics
from k2_shared.core.settings import KafkaSettings
from k2_shared.core.tasks import run_until_first_ends
from k2_shared.kafka import clients
from k2_shared.kafka.group_reader import GroupReader
from k2_shared.kafka.topics import Names, administration, check
from k2_shared.stages.agent import Shell
from k2_shared.stages.breaker import Breaker
from k2_shared.stages.context import LoopContext
from k2_shared.stages.limits import AgentLimits
from k2_shared.stages.namesake import Namesake
from k2_shared.stages.partition_loop import HALTED, PartitionLoop
from k2_shared.stages.processor import Pipeline

ASSIGNED = "partitions_assigned"
REVOKED = "partitions_revoked"
_OBSERVE_S = 5.0


class TransactionalAgent(Service, ConsumerRebalanceListener):  # type: ignore[misc]
    """A Faust service that runs a pipeline: a loop for each partition that the consumer group assigns to it."""

    def __init__(
        self,
        settings: KafkaSettings,
        names: Names,
        pipeline: Pipeline,
        metrics: Metrics,
        limits: AgentLimits | None = None,
    ) -> None:
        super().__init__()
        self._settings = settings
        self.names = names
        self.pipeline = pipeline
        self._limits = limits or AgentLimits()
        self._metrics = metrics
        self.group = names.group(pipeline.service)
        self._namesake = Namesake(self.group, self._limits.instance)
        self.breaker = Breaker(metrics.halted)
        self._loops: dict[TopicPartition, tuple[PartitionLoop, asyncio.Task[None]]] = {}
        self._assigned = False

    def in_shell(self, shell: Shell) -> Self:
        """Show this agent's readiness on the shell's pages, let its page resume it, and have its topics watched."""
        shell.topics.watch(self.names.partition_counts(self.pipeline.topics))
        shell.health.not_ready = self.not_ready
        shell.health.resume = self.breaker.resume
        return self

    @property
    def partitions(self) -> frozenset[TopicPartition]:
        """The input partitions that the group has given to this process, and that it works on or recovers."""
        return frozenset(self._loops)

    def not_ready(self) -> list[str]:
        """What is missing until every assigned partition is being worked on."""
        if self.breaker.reason:
            return [f"halted: {self.breaker.reason}; {self.breaker.advice}, then 'k2 dlq resume'"]
        if not self._assigned:
            return ["partition assignment"]
        asking = {schemas.asking for schemas in self.pipeline.schemas.values() if schemas.asking}
        idle = [f"{at.topic}[{at.partition}]" for at, (loop, _) in self._loops.items() if loop.position is None]
        return [*sorted(asking), *idle]

    async def on_start(self) -> None:
        """Connect, and join the group; a topic that is missing or is not as its contract says ends the start."""
        admin = await self.add_async_context(administration(self._settings))
        await check(admin, self.names, self.pipeline.topics)
        make_processor = await self.pipeline.processors()
        broker = clients.consumer(self._settings, committed=False)
        await self.add_async_context(clients.started(broker, self._settings))
        member = clients.consumer(self._settings, group=self.group, instance=self._limits.instance)
        reader = GroupReader(member, self._limits.attempts)
        await self.add_async_context(clients.started(member, self._settings))
        await self.add_async_context(aclosing(reader))
        self.context = LoopContext(
            settings=self._settings,
            names=self.names,
            pipeline=self.pipeline,
            limits=self._limits,
            metrics=self._metrics,
            breaker=self.breaker,
            admin=admin,
            broker=broker,
            reader=reader,
            make_processor=make_processor,
            is_replaced=self.is_replaced,
        )
        member.subscribe([self.names.topic(name) for name in self.pipeline.inputs], listener=self)

    async def on_started(self) -> None:
        self.add_future(self._observe())
        self.add_future(self.context.reader.keep_polling())

    async def on_stop(self) -> None:
        await self._release()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Start a loop for each partition of the contract; the loops fence before they read.

        One beyond them has no partition of its number to be written to: it is told by readiness, and left unread.
        """
        logger().info(ASSIGNED, partitions=len(assigned))
        self._namesake.member_id = self.context.reader.member_id
        for at in assigned:
            if at.partition < self.names.contract(at.topic).partitions:
                loop = PartitionLoop(self.context, at)
                self._loops[at] = (loop, self.add_future(loop.run()))
            else:
                self.context.reader.pause(at)
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
                replaced = await self._namesake.has_taken_over(self.context.admin)
            except KafkaError as error:
                self._metrics.errors.labels(self.pipeline.service, type(error).__name__).inc()
                if not error.retriable:
                    return False
                await self.sleep(self._limits.backoff_s)
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
        await run_until_first_ends(self.breaker.closed(), self._stopped.wait())
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
            _, late = await asyncio.wait([task for _, task in loops], timeout=self._limits.revoke_timeout_s)
            for task in late:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        for at in owned:
            self.context.meter(at).released()

    async def _observe(self) -> None:
        """Learn from the broker where partitions end, whatever our own reader happens to know."""
        context = self.context
        while not self.should_stop:
            loops = {at: loop for at, (loop, _) in self._loops.items() if loop.position is not None}
            try:
                context.ends = await context.broker.end_offsets([*loops, *self._outputs(loops)]) if loops else {}
            except KafkaError as error:
                self._metrics.errors.labels(self.pipeline.service, type(error).__name__).inc()
            for at, loop in loops.items():
                if at in context.ends and loop.position is not None:
                    context.meter(at).lag(context.ends[at] - loop.position)
            await self.sleep(_OBSERVE_S)

    def _outputs(self, inputs: Iterable[TopicPartition]) -> set[TopicPartition]:
        """The partitions of the output that states are restored from, beside some inputs' partitions."""
        state = self.pipeline.state
        return {self.context.beside(at, state.output) for at in inputs} if state else set()
