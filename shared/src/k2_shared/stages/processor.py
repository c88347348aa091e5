"""What an exactly-once agent is made of: a pipeline of topics, and a pure processor for each input partition."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from aiokafka import TopicPartition

from k2_shared.core.records import ByTopic, RecordBatch, WrittenOffsets
from k2_shared.kafka.schemas import SubjectSchemas

Latest = Mapping[bytes, bytes]
"""The newest value of each key of a compacted topic's partition."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch: every record of it is written on, refused, or a duplicate.

    ``rejected`` counts the dead letters by reason, also those that ``Processor.accept`` gives later, ``refused`` are
    their rows in the batch, in order; ``uncompared`` are duplicates too old to be compared; ``event_us`` is the newest
    exchange time in microseconds, 0 where unknown.
    """

    outgoing: ByTopic
    rejected: Mapping[str, int] = field(default_factory=dict)
    refused: Sequence[int] = ()
    duplicates: int = 0
    uncompared: int = 0
    event_us: int = 0

    @property
    def letters(self) -> int:
        """How many records are refused."""
        return sum(self.rejected.values())


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a checkpoint covers: the next offset to read of the input, and of the output all before ``output``."""

    input: int
    output: int


@dataclass(frozen=True, slots=True)
class StateSize:
    """How much a processor remembers."""

    ids: int
    bytes: int


class Processor(ABC):
    """The domain of one input partition, pure. It lives as long as nothing fails.

    After any failure, also one with an unknown outcome, the loop recovers a new processor from what was committed; so
    what an aborted transaction did to a processor is gone with it. Only ``process`` is needed without state.
    """

    @abstractmethod
    def process(self, batch: RecordBatch) -> Outcome:
        """Decide what becomes of each record."""

    def accept(self, offsets: Mapping[str, WrittenOffsets]) -> ByTopic:
        """The outcome was written at these offsets: take it in, and give the letters that had to wait for them."""
        return {}

    def checkpoint(self, stamp: Stamp) -> ByTopic:
        """What changed since the last checkpoint, as records of the state topic."""
        return {}

    def load(self, latest: Latest) -> Stamp:
        """Take in the checkpoints; returns what they cover."""
        return Stamp(0, 0)

    def restore(self, batch: RecordBatch) -> None:  # noqa: B027  # without state there is nothing to restore
        """Take in records of the output that may be younger than the checkpoint."""

    def size(self) -> StateSize:
        """How much is remembered."""
        return StateSize(0, 0)

    def digest(self) -> str:
        """A hash of all that is remembered: equal where the states are."""
        return ""


ProcessorFactory = Callable[[TopicPartition], Processor]


@dataclass(frozen=True, slots=True)
class StateTopics:
    """Where checkpoints are, and the output that holds what came after them."""

    checkpoints: str
    output: str


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What an agent reads and writes.

    ``processors`` is awaited once at start and makes the processor of each partition, anew on every assignment.
    ``exclusive_outputs`` names for an input the output that nothing else fills: records there prove that the input has
    a committed offset.
    ``schemas`` has by input, as it is called in the run, what its records may be written with: every id of a batch is
    asked for before a processor gets it.
    """

    service: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    processors: Callable[[], Awaitable[ProcessorFactory]]
    state: StateTopics | None = None
    exclusive_outputs: Mapping[str, str] = field(default_factory=dict)
    schemas: Mapping[str, SubjectSchemas] = field(default_factory=dict)

    @property
    def topics(self) -> list[str]:
        """Every topic that is read or written, by the contract's name."""
        return [*self.inputs, *self.outputs, *([self.state.checkpoints] if self.state else [])]
