"""What the brokers, the coordinators and the registry say of topics."""

import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from k2.topics import log_dirs, reading
from k2.topics.contract import differences
from k2.topics.facts import Lag, PartitionFacts, TopicFacts
from k2.topics.scan import Scan
from k2_shared.core import contracts
from k2_shared.core.errors import K2Error
from k2_shared.core.settings import RunSettings
from k2_shared.kafka import clients
from k2_shared.kafka.offsets import offset_ranges
from k2_shared.kafka.registry import SchemaRegistry
from k2_shared.kafka.topics import Names, administration

COUNT_LIMIT = 1_000_000
RECENT_S = 10.0
_TAIL = 2_000  # offsets at a partition's end that are read where not all of them are
_OURS = "market."


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition as the brokers describe it: the offsets that a read_committed reader finds there."""

    at: TopicPartition
    leader: int
    span: range


@dataclass
class Cluster:
    """The topics of a run, and who reads them; every request is bounded by ``KAFKA_REQUEST_TIMEOUT_MS``."""

    names: Names
    admin: AIOKafkaAdminClient
    reader: AIOKafkaConsumer
    limit: int = COUNT_LIMIT

    @classmethod
    @asynccontextmanager
    async def connect(cls, settings: RunSettings, limit: int = COUNT_LIMIT) -> AsyncIterator["Cluster"]:
        """Clients for one command.

        Raises:
            Unavailable: no broker answered.
        """
        async with (
            administration(settings) as admin,
            clients.started(clients.consumer(settings), settings) as reader,
        ):
            yield cls(Names(settings.k2_prefix), admin, reader, limit)

    async def topics(self) -> dict[str, list[tuple[int, int]]]:
        """The partitions and their leaders of every topic of the run; none where one of the contracts is missing."""
        there = {
            found["topic"]: [(each["partition"], each["leader"]) for each in found["partitions"]]
            for found in await self.admin.describe_topics()
            if found["topic"].startswith(self.names.prefix + _OURS)
        }
        return {self.names.topic(name): [] for name in contracts.topics()} | there

    async def partitions(self, topics: Mapping[str, list[tuple[int, int]]]) -> dict[str, list[Partition]]:
        """Where each partition begins and ends now; one without a leader cannot say, and is left out."""
        led = ((TopicPartition(topic, number), leader) for topic, of in topics.items() for number, leader in of)
        leaders = {at: leader for at, leader in led if leader >= 0}
        there = await offset_ranges(self.reader, leaders) if leaders else {}
        found: dict[str, list[Partition]] = {topic: [] for topic in topics}
        for at in sorted(leaders):
            found[at.topic].append(Partition(at, leaders[at], there[at]))
        return found

    async def configs(self, topics: Iterable[str]) -> dict[str, dict[str, str]]:
        """The settings of topics."""
        asked = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in topics]
        answers = await self.admin.describe_configs(asked) if asked else []
        return {
            name: {setting: value for setting, value, *_ in found}
            for answer in answers
            for _code, _message, _kind, name, found in answer.resources
        }

    async def groups(self) -> dict[str, dict[TopicPartition, int]]:
        """What every group of the run has committed."""
        found = {}
        for group, _ in await self.admin.list_consumer_groups():
            if group.startswith(self.names.prefix):
                offsets = await self.admin.list_consumer_group_offsets(group)
                found[group] = {at: each.offset for at, each in offsets.items() if each.offset >= 0}
        return found

    async def sizes(self, partitions: Iterable[Partition]) -> dict[TopicPartition, int]:
        """The bytes of partitions; nothing where this user may not ask."""
        try:
            return await log_dirs.sizes(self.admin, {each.at: each.leader for each in partitions})
        except KafkaError:
            return {}

    async def measure(
        self, partitions: Sequence[Partition], groups: Mapping[str, Mapping[TopicPartition, int]], exact: bool
    ) -> dict[TopicPartition, Scan]:
        """Read a topic: all of it, or the end of each partition and one record where each group stands."""
        recent_from_ms = int((time.time() - RECENT_S) * 1e3)
        scans = {
            each.at: Scan(recent_from_ms, {max(of.get(each.at, 0), each.span.start) for of in groups.values()})
            for each in partitions
        }
        ranges = {each.at: each.span if exact else each.span[-_TAIL:] for each in partitions}
        async for at, batch in reading.read(self.reader, ranges):
            scans[at].add(batch)
        if not exact:
            for each in partitions:
                await self._look_behind(each, ranges[each.at], scans[each.at])
        return scans

    async def _look_behind(self, partition: Partition, read: range, scan: Scan) -> None:
        """Read what the end of a partition does not say: its first record, and the next ones of groups far behind."""
        first = await reading.first(self.reader, partition.at, partition.span)
        scan.first_ms = first.timestamp if first else None
        for offset, unread in scan.unread.items():
            if offset < read.start:
                found = await reading.first(self.reader, partition.at, range(offset, partition.span.stop))
                unread.records = partition.span.stop - offset if found else 0
                unread.since_ms = found.timestamp if found else None


async def facts(cluster: Cluster, topics: Sequence[str], schema_ids: Mapping[str, int]) -> list[TopicFacts]:
    """Everything about some topics; ``schema_ids`` are by subject.

    Raises:
        KafkaError, Unavailable: a broker cannot say now.
    """
    there = await cluster.topics()
    partitions = await cluster.partitions({topic: there[topic] for topic in topics})
    configs = await cluster.configs([topic for topic in topics if there[topic]])
    sizes = await cluster.sizes([each for of in partitions.values() for each in of])
    groups = await cluster.groups()
    return [
        await _topic(cluster, topic, there[topic], partitions[topic], configs.get(topic, {}), sizes, groups, schema_ids)
        for topic in topics
    ]


async def _topic(  # what was asked for all topics at once
    cluster: Cluster,
    topic: str,
    there: Sequence[tuple[int, int]],
    partitions: Sequence[Partition],
    config: Mapping[str, str],
    sizes: Mapping[TopicPartition, int],
    groups: Mapping[str, Mapping[TopicPartition, int]],
    schema_ids: Mapping[str, int],
) -> TopicFacts:
    own = {group: of for group, of in groups.items() if any(at.topic == topic for at in of)}
    exact = sum(len(each.span) for each in partitions) <= cluster.limit
    scans = await cluster.measure(partitions, own, exact)
    contract = contracts.topics().get(topic.removeprefix(cluster.names.prefix))
    subject = cluster.names.subject(topic) if contract and contract.schema else None
    retention = config.get("retention.ms")
    return TopicFacts(
        topic=topic,
        partitions=[_partition(each, scans[each.at], sizes.get(each.at), own, exact) for each in partitions],
        retention_ms=int(retention) if retention else None,
        cleanup=config.get("cleanup.policy"),
        subject=subject,
        schema_id=schema_ids.get(subject) if subject else None,
        differences=_differences(contract, there, config),
    )


def _differences(
    contract: contracts.TopicContract | None, there: Sequence[tuple[int, int]], config: Mapping[str, str]
) -> list[str] | None:
    if contract is None:
        return None
    if not there:
        return ["it does not exist: run 'k2 init'"]
    headless = [str(number) for number, leader in there if leader < 0]
    said = [f"partitions {', '.join(headless)} have no leader: look at the brokers"] if headless else []
    return said + differences(contract, len(there), config)


def _partition(
    of: Partition, scan: Scan, size: int | None, groups: Mapping[str, Mapping[TopicPartition, int]], exact: bool
) -> PartitionFacts:
    now_ms = time.time() * 1e3
    lags = {}
    for group, committed in groups.items():
        unread = scan.unread[max(committed.get(of.at, 0), of.span.start)]
        age_s = None if unread.since_ms is None else max(0.0, round((now_ms - unread.since_ms) / 1e3, 1))
        lags[group] = Lag(unread.records, age_s, not exact and unread.records > scan.records)
    return PartitionFacts(
        partition=of.at.partition,
        start=of.span.start,
        end=of.span.stop,
        records=scan.records if exact else len(of.span),
        estimated=not exact and len(of.span) > scan.records,
        bytes=size,
        first_ms=scan.first_ms,
        last_ms=scan.last_ms,
        per_second=scan.recent / RECENT_S,
        groups=lags,
    )


async def schema_ids(settings: RunSettings, names: Names, topics: Iterable[str]) -> tuple[dict[str, int], str]:
    """The registry's ids by subject, and why some are not known."""
    found: dict[str, int] = {}
    try:
        async with SchemaRegistry.connect(settings) as registry:
            for topic in topics:
                contract: Any = contracts.topics().get(topic.removeprefix(names.prefix))
                if contract and contract.schema:
                    subject = names.subject(topic)
                    found[subject] = await registry.schema_id(contract, subject)
    except K2Error as error:
        return found, str(error)
    return found, ""
