"""Finds a trade in the topics, by reading its symbol's partition of each."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import TopicPartition

from k2.lineage.markers import committed_ms
from k2.lineage.path import Hop, MessageId
from k2.tail.decoding import headers, origin_words
from k2.tail.reading import ranges_since
from k2.tail.selection import Start
from k2.topics.broker import Cluster, Partition
from k2.topics.reading import read
from k2_shared.core import origin
from k2_shared.core.errors import InvalidRecord
from k2_shared.core.origin import Origin
from k2_shared.core.records import Consumed
from k2_shared.core.trade import decode_as_contract, message_id
from k2_shared.kafka.topics import BRONZE, DLQ, GOLD, RAW, SILVER, partition_for

Leaders = Mapping[str, list[tuple[int, int]]]
"""The partitions of every topic, each with its leader, as ``Cluster.topics`` has them."""

_FRAMES_MS = 1_000  # a frame's record bears the time of its receipt, and so do its trades'


@dataclass
class Found:
    """What the topics have of a trade: its places, its fields, and the frames that it came in."""

    hops: list[Hop]
    trade: dict[str, Any] | None
    origins: list[Origin]


async def trace(cluster: Cluster, of: MessageId, start: Start | None) -> Found:
    """Every record of a trade from bronze on, and the frames that brought it.

    Raises:
        KafkaError, Unavailable: the broker cannot say now.
    """
    found, there = Found([], None, []), await cluster.topics()
    exchange = of.exchange.lower()
    for stage, pattern in (("bronze", BRONZE), ("silver", SILVER), ("gold", GOLD)):
        async for partition, record in _records(cluster, there, pattern.format(exchange=exchange), of, start):
            if stage == "bronze":
                found.trade = found.trade or _fields(record)
                found.origins += _origins(record)
            at_us = await _readable_us(cluster, partition, record) if stage != "bronze" else None
            found.hops.append(Hop(stage, _where(record), at_us, _origin(record)))
    async for partition, record in _records(cluster, there, DLQ, of, start):
        said = {name: text for name, text in headers(record.headers).items() if name != origin.HEADER}
        at_us = await _readable_us(cluster, partition, record)
        found.hops.append(Hop("dlq", _where(record), at_us, _origin(record), {"letter": said}))
        found.trade = found.trade or _fields(record)
    found.hops += await _frames(cluster, there, RAW.format(exchange=exchange), found.origins)
    return found


async def _records(
    cluster: Cluster, there: Leaders, topic: str, of: MessageId, start: Start | None
) -> AsyncIterator[tuple[Partition, Consumed]]:
    """The records of a trade in a topic: it is in the partition of its key."""
    partitions = await _partitions(cluster, there, topic)
    home = partition_for(of.key, len(partitions)) if partitions else None
    wanted = str(of).encode()
    for partition in (each for each in partitions if each.at.partition == home):
        ranges = await ranges_since(cluster.reader, {partition.at: partition.span}, start)
        async for _, batch in read(cluster.reader, ranges):
            for record in batch:
                if record.value and wanted in record.value and _is(record, of):
                    yield partition, record


def _is(record: Consumed, of: MessageId) -> bool:
    try:
        return message_id(record.value) == str(of)
    except InvalidRecord:
        return False


def _fields(record: Consumed) -> dict[str, Any] | None:
    try:
        return decode_as_contract(record.value)
    except InvalidRecord:
        return None


async def _readable_us(cluster: Cluster, partition: Partition, record: Consumed) -> int | None:
    at_ms = await committed_ms(cluster.admin, partition.leader, partition.at, record.offset)
    return None if at_ms is None else at_ms * 1_000


async def _partitions(cluster: Cluster, there: Leaders, topic: str) -> list[Partition]:
    name = cluster.names.topic(topic)
    return (await cluster.partitions({name: there[name]}))[name]


async def _frames(cluster: Cluster, there: Leaders, topic: str, origins: Sequence[Origin]) -> list[Hop]:
    """The raw frames that some origins lead to; a frame is in the partition of the first symbol that it names."""
    partitions, hops = await _partitions(cluster, there, topic), list[Hop]()
    for each in origins:
        packed, received_ms = each.pack(), each.received_ns // 1_000_000
        ranges = await ranges_since(
            cluster.reader, {of.at: of.span for of in partitions}, Start(time_ms=received_ms - _FRAMES_MS)
        )
        ends = await _offsets(cluster, list(ranges), received_ms + _FRAMES_MS)
        near = {at: range(span.start, min(span.stop, ends.get(at, span.stop))) for at, span in ranges.items()}
        async for _, batch in read(cluster.reader, near):
            hops += [
                Hop("raw", _where(record), each.received_ns // 1_000, origin_words(each))
                for record in batch
                if origin.find(record.headers) == packed
            ]
    return hops


async def _offsets(cluster: Cluster, partitions: Sequence[TopicPartition], time_ms: int) -> dict[TopicPartition, int]:
    found = await cluster.reader.offsets_for_times(dict.fromkeys(partitions, time_ms))
    return {at: offset.offset for at, offset in found.items() if offset}


def _origins(record: Consumed) -> list[Origin]:
    packed = origin.find(record.headers)
    try:
        return [Origin.unpack(packed)] if packed else []
    except ValueError:
        return []


def _origin(record: Consumed) -> Any:
    return next(iter(map(origin_words, _origins(record))), None)


def _where(record: Consumed) -> str:
    return f"{record.topic}[{record.partition}]@{record.offset}"
