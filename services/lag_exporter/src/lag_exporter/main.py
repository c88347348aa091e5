"""The composition root of the lag exporter."""

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import NoReturn

from aiokafka import TopicPartition
from mode import Service

from k2_shared.core.errors import Unavailable
from k2_shared.core.failures import RETRYABLE
from k2_shared.core.logs import logger
from k2_shared.core.metrics import Metrics
from k2_shared.kafka import clients
from k2_shared.kafka.lag import Reading, groups
from k2_shared.kafka.topic_watch import TopicWatch
from k2_shared.kafka.topics import Names, administration, check
from k2_shared.stages.agent import Shell, run
from lag_exporter.adapters import Broker
from lag_exporter.domain import GroupPosition
from lag_exporter.settings import SERVICE, LagSettings

UNKNOWN = "group_lag_unknown"
KNOWN = "group_lag_known"
_OLD = 3  # intervals without a measurement after which a group is named as missing


class LagExporter(Service):  # type: ignore[misc]
    """A Faust service that measures every group's lag again and again, each in a task of its own."""

    def __init__(self, settings: LagSettings, metrics: Metrics, topics: TopicWatch) -> None:
        super().__init__()
        self._settings = settings
        self._topics = topics
        self._metrics = metrics
        self._names = Names(settings.k2_prefix)
        self._groups = groups(self._names)
        self._used = sorted({topic for topics in self._groups.values() for topic in topics})
        self._group_positions: defaultdict[tuple[str, TopicPartition], GroupPosition] = defaultdict(GroupPosition)
        self._measured: dict[str, float] = {}  # by the monotonic clock
        self._unknown: set[str] = set()
        for group in self._groups:
            metrics.groups.measured.labels(group).set(0)  # so that one that never is measured is told too
        topics.watch(self._names.partition_counts(self._used))

    def not_ready(self) -> Sequence[str]:
        """The groups whose last measurement is older than three intervals."""
        oldest = time.monotonic() - _OLD * self._settings.lag_interval_s
        return [
            f"the lag of {group} was not measured for {_OLD} times LAG_INTERVAL_S"
            for group in self._groups
            if self._measured.get(group, 0.0) < oldest
        ]

    async def on_start(self) -> None:
        """Connect; a topic that is missing or is not as its contract says ends the start."""
        admin = await self.add_async_context(administration(self._settings))
        await check(admin, self._names, self._used)
        reader = await self.add_async_context(clients.started(Broker.reader(self._settings), self._settings))
        self._broker = Broker(self._settings, admin, reader)

    async def on_started(self) -> None:
        for group in self._groups:
            self.add_future(self._work(group))

    async def _work(self, group: str) -> None:
        while not self.should_stop:
            await self._try(group)
            await self.sleep(self._settings.lag_interval_s)

    async def _try(self, group: str) -> None:
        """Measure a group, or say once that its lag is unknown: its gauges and their time stay as they are then."""
        try:
            await self._measure(group)
        except RETRYABLE as error:
            self._metrics.errors.labels(SERVICE, type(error).__name__).inc()
            if group not in self._unknown:
                self._unknown.add(group)
                logger().warning(UNKNOWN, group=group, error=repr(error))
            return
        self._measured[group] = time.monotonic()
        self._metrics.groups.measured.labels(group).set_to_current_time()
        if group in self._unknown:
            self._unknown.remove(group)
            logger().info(KNOWN, group=group)

    async def _measure(self, group: str) -> None:
        """Measure a group's lag in every partition; waits for the broker, ``KAFKA_REQUEST_TIMEOUT_MS`` a call at most.

        Raises:
            Unavailable: a topic is not whole, says the shell's watch; a client would ask for it till its timeout.
            KafkaError: the broker cannot say now.
        """
        if faults := self._topics.faults(map(self._names.topic, self._groups[group])):
            raise Unavailable("; ".join(faults))
        partitions = [at for topic in self._groups[group] for at in self._names.partitions(topic)]
        for at, reading in (await self._broker.readings(group, partitions)).items():
            lag = await self._lag(self._group_positions[group, at], at, reading)
            labels = (group, at.topic, str(at.partition))
            self._metrics.groups.lag.labels(*labels).set(lag)
            self._metrics.groups.offset.labels(*labels).set(-1 if reading.committed is None else reading.committed)

    async def _lag(self, position: GroupPosition, at: TopicPartition, reading: Reading) -> int:
        if doubtful := position.doubtful(reading):
            position.looked_up(doubtful, await self._broker.has_record(at, doubtful))
        return position.lag(reading)


def compose(settings: LagSettings, shell: Shell) -> LagExporter:
    """Wire the exporter from its settings."""
    exporter = LagExporter(settings, shell.metrics, shell.topics)
    shell.health.not_ready = exporter.not_ready
    return exporter


def main() -> NoReturn:
    """Run the lag exporter."""
    run(SERVICE, LagSettings, compose)
