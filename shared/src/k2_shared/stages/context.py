"""The context that the partition loops of one agent share."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from k2_shared.core.metrics import Metrics
from k2_shared.core.records import RecordBatch
from k2_shared.core.settings import KafkaSettings
from k2_shared.kafka.group_reader import GroupReader
from k2_shared.kafka.topics import Names
from k2_shared.stages.breaker import Breaker
from k2_shared.stages.limits import AgentLimits
from k2_shared.stages.meter import PartitionMeter
from k2_shared.stages.processor import Pipeline, ProcessorFactory


@dataclass
class LoopContext:
    """The clients, the limits and the knowledge of an agent, made at its start and handed to each of its loops.

    ``broker`` asks for the ends of partitions and is in no group; ``is_replaced`` says whether another process has
    taken over under this one's name. ``committed`` are the offsets that this process has committed, ``ends`` those at
    which partitions ended when the broker was asked last.
    """

    settings: KafkaSettings
    names: Names
    pipeline: Pipeline
    limits: AgentLimits
    metrics: Metrics
    breaker: Breaker
    admin: AIOKafkaAdminClient
    broker: AIOKafkaConsumer
    reader: GroupReader
    make_processor: ProcessorFactory
    is_replaced: Callable[[], Awaitable[bool]]
    committed: dict[TopicPartition, int] = field(default_factory=dict)
    ends: dict[TopicPartition, int] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """The agent's consumer group."""
        return self.names.group(self.pipeline.service)

    def transactional_id(self, at: TopicPartition) -> str:
        """The id that fences every other owner of an input partition."""
        return self.names.transactional_id(self.pipeline.service, at.topic, at.partition)

    async def learn(self, at: TopicPartition, batch: RecordBatch) -> None:
        """Have the registry asked for the schema ids of an input's batch that are not known; waits until it answers."""
        if schemas := self.pipeline.schemas.get(at.topic):
            await schemas.learn(batch)

    def meter(self, at: TopicPartition) -> PartitionMeter:
        """The metrics of one input partition."""
        return PartitionMeter(self.metrics, self.pipeline.service, at.topic, at.partition)

    def beside(self, at: TopicPartition, topic: str) -> TopicPartition:
        """The partition of another topic, by the contract's name, that has an input partition's number."""
        return TopicPartition(self.names.topic(topic), at.partition)
