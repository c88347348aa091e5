"""A watch over an agent's topics: each is the one that was there at the start, with its contract's partitions."""

from collections.abc import Iterable, Mapping

from prometheus_client import Gauge

from k2_shared.core.logs import logger
from k2_shared.kafka.identities import Incarnation
from k2_shared.kafka.topics import gone, miscounted, recreated

CHANGED = "topic_changed"
WHOLE = "topic_whole"


class TopicWatch:
    """Compares what the broker says of each topic with its contract and with what it said first."""

    def __init__(self, unread: Gauge) -> None:
        self._unread = unread
        self._partitions: dict[str, int] = {}
        self._first: dict[str, str] = {}
        self._faults: dict[str, str] = {}
        self._gone: set[str] = set()

    @property
    def topics(self) -> list[str]:
        """The topics that are watched."""
        return list(self._partitions)

    def watch(self, partitions: Mapping[str, int]) -> None:
        """Watch topics from now on; ``partitions`` says how many of each are read and written."""
        self._partitions.update(partitions)

    def not_ready(self) -> list[str]:
        """The topics that are not whole: which, and what to do."""
        return list(self._faults.values())

    def faults(self, topics: Iterable[str]) -> list[str]:
        """What is wrong with those of some topics that are not whole, as far as the broker has said."""
        return [self._faults[topic] for topic in topics if topic in self._faults]

    def contradictions(self, topics: Iterable[str]) -> list[str]:
        """What is wrong with those of some topics that are there, and are not what they were at the start."""
        return self.faults(topic for topic in topics if topic not in self._gone)

    def judge(self, found: Mapping[str, Incarnation | None]) -> None:
        """Take in what the broker says; None is a topic that it does not have."""
        for topic, wanted in self._partitions.items():
            if topic in found:
                (self._gone.discard if found[topic] else self._gone.add)(topic)
                self._say(topic, self._fault(topic, wanted, found[topic]))

    def _fault(self, topic: str, wanted: int, now: Incarnation | None) -> str:
        self._unread.labels(topic).set(max(0, now.partitions - wanted) if now else 0)
        if now is None:  # what is not there at the start, the start itself refuses
            return gone(topic) if topic in self._first else ""
        first = self._first.setdefault(topic, now.topic_id)
        if first != now.topic_id:
            return recreated(topic, first, now.topic_id)
        return miscounted(topic, now.partitions, wanted)

    def _say(self, topic: str, fault: str) -> None:
        before = self._faults.pop(topic, "")
        if fault:
            self._faults[topic] = fault
        if fault and fault != before:
            logger().error(CHANGED, topic=topic, fault=fault)
        elif before and not fault:
            logger().info(WHOLE, topic=topic)
