"""When a record of a transaction could be read: the time of the marker that ends its transaction.

Facts: Kafka's record batches, version 2 (KIP-98): a control batch of the same producer ends a transaction; its time is
the broker's. aiokafka reads these batches and keeps them to itself.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code
from aiokafka.protocol.fetch import FetchRequest

_HEADER = struct.Struct(">qiibIhiqqqhii")
_LENGTH_BYTES = 12  # of the offset and the length before what the length counts
_TRANSACTIONAL, _CONTROL = 0x10, 0x20
_READ_COMMITTED = 1
_BYTES = 1024 * 1024
_FETCHES = 20


@dataclass(frozen=True, slots=True)
class BatchHeader:
    """The header of one record batch."""

    first: int
    last: int
    producer_id: int
    time_ms: int
    is_transactional: bool
    is_control: bool


def batches(data: bytes) -> Iterator[BatchHeader]:
    """The headers of the whole batches in what a broker answered; the last one may be cut."""
    start = 0
    while start + _HEADER.size <= len(data):
        first, length, _, _, _, attributes, delta, _, time_ms, producer_id, *_ = _HEADER.unpack_from(data, start)
        yield BatchHeader(
            first, first + delta, producer_id, time_ms, bool(attributes & _TRANSACTIONAL), bool(attributes & _CONTROL)
        )
        start += _LENGTH_BYTES + length


async def committed_ms(admin: AIOKafkaAdminClient, leader: int, at: TopicPartition, offset: int) -> int | None:
    """When the transaction of a committed record ended, ms; None where it was written in none, or that is far behind.

    Raises:
        KafkaError: the broker cannot say now.
    """
    producer, position = None, offset
    for _ in range(_FETCHES):
        data = await _fetch(admin, leader, at, position)
        for batch in batches(data):
            if batch.last < offset:
                continue
            if producer is None:
                if not batch.is_transactional:
                    return None
                producer = batch.producer_id
            elif batch.is_control and batch.producer_id == producer:
                return batch.time_ms
            position = batch.last + 1
        if not data:
            return None
    return None


async def _fetch(admin: AIOKafkaAdminClient, leader: int, at: TopicPartition, offset: int) -> bytes:
    asked = FetchRequest(
        max_wait_time=0,
        min_bytes=0,
        max_bytes=_BYTES,
        isolation_level=_READ_COMMITTED,
        topics=[(at.topic, [(at.partition, offset, _BYTES)])],
    )
    answer = await admin._send_request(asked, leader)
    ((_, ((_, code, *_, data),)),) = answer.topics
    if code:
        raise for_code(code)(f"{at.topic}[{at.partition}] cannot be read at {offset}")
    return bytes(data)
