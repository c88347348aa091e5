"""Whole batches of records, written in order to one partition number of their topics."""

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from k2_shared.core.errors import Halt
from k2_shared.core.records import ByTopic, Record, WrittenOffsets
from k2_shared.kafka import dlq
from k2_shared.kafka.topics import Names


async def send_all(
    sender: AIOKafkaProducer, names: Names, partition: int, records: ByTopic
) -> dict[str, WrittenOffsets]:
    """Write records to one partition number of their topics, in order, and await every delivery.

    Returns the offsets of each topic's records, by the contract's name.

    Raises:
        KafkaError: the broker did not take them.
        Halt: nor will it ever, since one is larger than its topic takes; says which, and what to do.
    """
    try:
        sent = {
            topic: await _send_topic(sender, names.topic(topic), partition, group)
            for topic, group in records.items()
            if group
        }
        return {topic: np.concatenate([await _offsets(*batch) for batch in batches]) for topic, batches in sent.items()}
    except MessageSizeTooLargeError:
        raise _oversized(sender, names, partition, records) from None


def _oversized(sender: AIOKafkaProducer, names: Names, partition: int, records: ByTopic) -> Halt:
    """The error for records of which one is refused for its size: the one that exceeds its topic's limit by most."""

    def size(record: Record) -> int:
        batch = sender.create_batch()
        _append(batch, record)
        return int(batch.size())

    limits = {topic: names.contract(names.topic(topic)).max_message_bytes for topic in records}
    sizes = ((size(record), topic, record) for topic, group in records.items() for record in group)
    found, topic, record = max(sizes, key=lambda each: each[0] - limits[each[1]])
    name = names.topic(topic)
    return Halt(
        f"{name}[{partition}] does not take the record of {dlq.source(record)}: it has {found} bytes with its headers, "
        f"allowed are {limits[topic]} (max_message_bytes of the topic's contract); raise max.message.bytes of {name} "
        "above that with kafka-configs.sh and restart: it goes on there, nothing is lost"
    )


async def _offsets(delivery: "asyncio.Future[Any]", count: int) -> WrittenOffsets:
    first = (await delivery).offset
    if first < 0:
        raise KafkaError("the broker does not say at which offset it wrote")
    return np.arange(first, first + count, dtype=np.int64)


async def _send_topic(
    sender: AIOKafkaProducer, topic: str, partition: int, records: Sequence[Record]
) -> list[tuple["asyncio.Future[Any]", int]]:
    sent = []
    batch, count = sender.create_batch(), 0
    for record in records:
        if not _append(batch, record):
            sent.append((await sender.send_batch(batch, topic, partition=partition), count))
            batch, count = sender.create_batch(), 0
            _append(batch, record)
        count += 1
    sent.append((await sender.send_batch(batch, topic, partition=partition), count))
    return sent


def _append(batch: Any, record: Record) -> bool:
    """Append to a batch; False where it is full. A batch takes its first record whatever its size."""
    added = batch.append(key=record.key, value=record.value, timestamp=record.timestamp, headers=list(record.headers))
    return added is not None
