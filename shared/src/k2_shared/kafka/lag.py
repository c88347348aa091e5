"""Which consumer groups must keep up, and how far one is behind in a partition: pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from k2_shared.core import contracts
from k2_shared.kafka.topics import BRONZE, EXCHANGES, SILVER, Names


def groups(names: Names) -> Mapping[str, tuple[str, ...]]:
    """Every consumer group that must keep up, and the topics, by their contracts' names, that it reads."""
    lower = [exchange.lower() for exchange in EXCHANGES]
    inputs = {"silver": BRONZE, "gold": SILVER}
    return {
        **{names.group(of): tuple(topic.format(exchange=each) for each in lower) for of, topic in inputs.items()},
        **{names.table_group(table.name): table.topics for table in contracts.tables().values()},
        **{names.warm_group(table.name): table.topics for table in contracts.warm_tables().values()},
    }


@dataclass(frozen=True, slots=True)
class Reading:
    """What the broker says of a group and a partition at one moment; ``end`` is where a read_committed reader ends."""

    committed: int | None
    log_start: int
    end: int

    @property
    def first(self) -> int:
        """The offset that the group would read next."""
        return max(self.log_start, self.committed or 0)

    @property
    def offsets(self) -> int:
        """The offsets from there to the end, those that hold no record included."""
        return max(0, self.end - self.first)
