"""Kafka clients as this project uses them: every limit named, every reader read_committed."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from k2_shared import contracts
from k2_shared.errors import Unavailable
from k2_shared.records import ByTopic, Record
from k2_shared.settings import KafkaSettings
from k2_shared.topics import Names, unreachable

MAX_REQUEST_BYTES = max(c.max_message_bytes for c in contracts.topics().values()) + 65_536
BATCH_BYTES = 512 * 1024
FETCH_BYTES = 4 * 1024 * 1024
SESSION_TIMEOUT_MS = 10_000
HEARTBEAT_MS = 3_000
TRANSACTION_TIMEOUT_MS = 15_000
_REPLAY_POLL_MS = 200


def consumer(settings: KafkaSettings, *, group: str | None = None, committed: bool = True) -> AIOKafkaConsumer:
    """A consumer that never commits by itself and starts at the earliest record."""
    return AIOKafkaConsumer(
        **settings.client(),
        group_id=group,
        isolation_level="read_committed" if committed else "read_uncommitted",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=SESSION_TIMEOUT_MS,
        heartbeat_interval_ms=HEARTBEAT_MS,
        max_partition_fetch_bytes=FETCH_BYTES,
        fetch_max_wait_ms=100,
    )


def producer(settings: KafkaSettings, *, transactional_id: str | None = None) -> AIOKafkaProducer:
    """An idempotent producer with acks=all; transactional where an id is given."""
    transactional: dict[str, Any] = {}
    if transactional_id:
        transactional = {
            "transactional_id": transactional_id,
            "transaction_timeout_ms": TRANSACTION_TIMEOUT_MS,
        }
    return AIOKafkaProducer(
        **settings.client(),
        acks="all",
        enable_idempotence=True,
        max_batch_size=BATCH_BYTES,
        max_request_size=MAX_REQUEST_BYTES,
        **transactional,
    )


@asynccontextmanager
async def started(client: Any, settings: KafkaSettings) -> AsyncIterator[Any]:
    """Start a client and stop it whatever happens.

    Raises:
        Unavailable: no broker answered.
    """
    try:
        await client.start()
    except KafkaConnectionError as error:
        await client.stop()
        raise unreachable(settings, error) from None
    try:
        yield client
    finally:
        await client.stop()


async def send_all(sender: AIOKafkaProducer, names: Names, partition: int, records: ByTopic) -> None:
    """Write records to one partition number of their topics, in order, and await every delivery."""
    deliveries: list[asyncio.Future[Any]] = []
    for topic, group in records.items():
        if group:
            deliveries += await _send_topic(sender, names.topic(topic), partition, group)
    for delivery in deliveries:
        await delivery


async def _send_topic(
    sender: AIOKafkaProducer, topic: str, partition: int, records: Sequence[Record]
) -> list[asyncio.Future[Any]]:
    deliveries = []
    batch = sender.create_batch()
    for record in records:
        if not _append(batch, record):
            deliveries.append(await sender.send_batch(batch, topic, partition=partition))
            batch = sender.create_batch()
            _append(batch, record)
    deliveries.append(await sender.send_batch(batch, topic, partition=partition))
    return deliveries


def _append(batch: Any, record: Record) -> bool:
    """Append to a batch; False where it is full. A batch takes its first record whatever its size."""
    added = batch.append(key=record.key, value=record.value, timestamp=record.timestamp, headers=list(record.headers))
    return added is not None


async def replay(
    settings: KafkaSettings, at: TopicPartition, *, stalled_after_s: float = 60.0
) -> AsyncIterator[Sequence[Any]]:
    """Read one partition from its start to where it ends now, every committed record, in batches.

    The end is the high watermark: a transaction of somebody else that is open now may hide our own
    later records, so the reader waits until it ends (the broker ends it after its timeout).

    Raises:
        Unavailable: nothing moved for ``stalled_after_s``.
    """
    end = await high_watermark(settings, at)
    async with started(consumer(settings), settings) as reader:
        reader.assign([at])
        await reader.seek_to_beginning(at)
        position, moved = await reader.position(at), time.monotonic()
        while position < end:
            # Markers and aborted records move the position without a record, so the poll is short.
            batch = (await reader.getmany(at, timeout_ms=_REPLAY_POLL_MS)).get(at, [])
            before, position = position, await reader.position(at)
            if batch:
                yield batch
            if position > before:
                moved = time.monotonic()
            elif time.monotonic() - moved > stalled_after_s:
                raise Unavailable(f"reading {at.topic}[{at.partition}] stalled at {position} of {end}")


async def high_watermark(settings: KafkaSettings, at: TopicPartition) -> int:
    """The end of a partition, uncommitted records included."""
    async with started(consumer(settings, committed=False), settings) as reader:
        return int((await reader.end_offsets([at]))[at])
