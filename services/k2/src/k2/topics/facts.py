"""What a topic is and holds, as values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a group is behind: committed records, and seconds since the oldest of them was received.

    ``estimated`` where offsets were counted instead of records; ``seconds`` is None where nothing is unread.
    """

    records: int = 0
    seconds: float | None = None
    estimated: bool = False

    def __add__(self, other: "Lag") -> "Lag":
        ages = [age for age in (self.seconds, other.seconds) if age is not None]
        return Lag(self.records + other.records, max(ages, default=None), self.estimated or other.estimated)

    def shown(self) -> dict[str, object]:
        """For JSON."""
        return {"lag": self.records, "seconds": self.seconds, "estimated": self.estimated}


@dataclass(frozen=True, slots=True)
class PartitionFacts:
    """One partition; times in ms since the epoch, None where it has no record."""

    partition: int
    start: int
    end: int
    records: int
    estimated: bool
    bytes: int | None
    first_ms: int | None
    last_ms: int | None
    per_second: float
    groups: Mapping[str, Lag] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """One topic: ``differences`` are from its contract, and None where no contract names it."""

    topic: str
    partitions: Sequence[PartitionFacts]
    retention_ms: int | None
    cleanup: str | None
    subject: str | None
    schema_id: int | None
    differences: Sequence[str] | None

    @property
    def contract(self) -> str:
        """``ok``, ``none``, or what differs."""
        if self.differences is None:
            return "none"
        return "; ".join(self.differences) or "ok"

    @property
    def records(self) -> int:
        """The committed records that it holds."""
        return sum(each.records for each in self.partitions)

    @property
    def estimated(self) -> bool:
        """Whether ``records`` counts offsets."""
        return any(each.estimated for each in self.partitions)

    @property
    def bytes(self) -> int | None:
        """On the leaders' disks; None where a broker does not say."""
        known = [each.bytes for each in self.partitions if each.bytes is not None]
        return sum(known) if len(known) == len(self.partitions) else None

    @property
    def first_ms(self) -> int | None:
        """When its oldest record was received."""
        return min((each.first_ms for each in self.partitions if each.first_ms is not None), default=None)

    @property
    def last_ms(self) -> int | None:
        """When its newest record was received."""
        return max((each.last_ms for each in self.partitions if each.last_ms is not None), default=None)

    @property
    def per_second(self) -> float:
        """Records of the last seconds, by the second."""
        return sum(each.per_second for each in self.partitions)

    @property
    def groups(self) -> Mapping[str, Lag]:
        """Each group's lag over all partitions."""
        found: dict[str, Lag] = {}
        for partition in self.partitions:
            for group, lag in partition.groups.items():
                found[group] = found.get(group, Lag()) + lag
        return found
