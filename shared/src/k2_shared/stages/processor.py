"""What a service says of itself to run exactly once: the topics of its pipeline, and a processor for each partition."""

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
    """The offsets that a checkpoint covers: the input's before ``input``, and the output's before ``output``."""

    input: int
    output: int


@dataclass(frozen=True, slots=True)
class StateSize:
    """The size of a processor's state: how many ids it remembers, and in how many bytes."""

    ids: int
    bytes: int


class Processor(ABC):
    """Decides what becomes of the records of one input partition; pure, so no method may block or do I/O.

    The partition's loop calls it, never two methods at a time: ``load`` and ``restore`` once it has fenced every other
    owner, then for each transaction ``process``, ``accept`` and, when one is due, ``checkpoint``. Every method may
    raise ``Halt``, which ends the agent with exit 3; any other error is a bug, and ends it with exit 1.

    A processor lives as long as nothing fails. After any failure, also one with an unknown outcome, the loop recovers a
    new one from what was committed; so what an aborted transaction did to a processor is gone with it. Without state,
    ``process`` alone is needed.
    """

    @abstractmethod
    def process(self, batch: RecordBatch) -> Outcome:
        """Decide for each record of the next batch whether it is written on, refused or dropped as a duplicate."""

    def accept(self, offsets: Mapping[str, WrittenOffsets]) -> ByTopic:
        """Take into the state what the last outcome wrote, by topic at these offsets; the transaction is still open.

        Returns the dead letters that name offsets of the outcome, and so could not be written with it.
        """
        return {}

    def checkpoint(self, stamp: Stamp) -> ByTopic:
        """Return what changed since the last checkpoint, and the stamp of this one, as records of the state topic."""
        return {}

    def load(self, latest: Latest) -> Stamp:
        """Set the state to the checkpoints, the newest value of each key; returns the offsets that they cover."""
        return Stamp(0, 0)

    def restore(self, batch: RecordBatch) -> None:  # noqa: B027  # without state there is nothing to restore
        """Take into the state the output's next records behind the checkpoints; some may be in it already."""

    def size(self) -> StateSize:
        """The size of the state, for the metrics."""
        return StateSize(0, 0)

    def digest(self) -> str:
        """A hash of the state, for the log: equal where two states are equal."""
        return ""


ProcessorFactory = Callable[[TopicPartition], Processor]


@dataclass(frozen=True, slots=True)
class StateTopics:
    """The topics from which a state is restored: the checkpoints, then the output's records behind them."""

    checkpoints: str
    output: str


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The topics that an agent reads and writes, and the processors between them.

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
