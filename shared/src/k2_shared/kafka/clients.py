"""Kafka clients as this project uses them: every limit named, every reader read_committed."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from k2_shared.core import contracts
from k2_shared.core.errors import Halt, Unavailable
from k2_shared.core.logs import logger
from k2_shared.core.settings import KafkaSettings
from k2_shared.kafka import admission, codecs
from k2_shared.kafka.topics import unreachable

MAX_REQUEST_BYTES = max(c.max_message_bytes for c in contracts.topics().values()) + 65_536
BATCH_BYTES = 512 * 1024
FETCH_BYTES = 1024 * 1024
FETCH_MIN_BYTES = 64 * 1024
FETCH_WAIT_MS = 30
FETCH_TOTAL_BYTES = 16 * 1024 * 1024
SESSION_TIMEOUT_MS = 10_000
HEARTBEAT_MS = 3_000
MAX_POLL_INTERVAL_MS = 300_000
TRANSACTION_TIMEOUT_MS = 15_000
STOP_TIMEOUT_S = 3.0  # of one client; an agent stops several, one after the other, within its grace period
ABANDONED = "client_abandoned"
_REPLAY_POLL_MS = 200
_TRANSACTION_BACKOFF_MS = 20  # between transactions: the broker still writes the markers of the last


@dataclass(frozen=True, slots=True)
class Fetch:
    """How a consumer asks for records: bytes of a partition and in all, and how long the broker waits for more."""

    partition_bytes: int = FETCH_BYTES
    total_bytes: int = FETCH_TOTAL_BYTES
    wait_ms: int = FETCH_WAIT_MS


def consumer(
    settings: KafkaSettings,
    *,
    group: str | None = None,
    instance: str | None = None,
    committed: bool = True,
    fetch: Fetch = Fetch(),  # frozen
) -> AIOKafkaConsumer:
    """A consumer that never commits by itself; without a group it starts at the earliest record.

    In a group it must be told where to read; where that record is gone it fails and skips nothing. ``instance`` is its
    static name there: restarted under it, it has its partitions back at once.

    Raises:
        ConfigError: this installation cannot read every codec of Kafka.
    """
    codecs.check()
    return AIOKafkaConsumer(
        **settings.client(),
        group_id=group,
        group_instance_id=instance,
        isolation_level="read_committed" if committed else "read_uncommitted",
        enable_auto_commit=False,
        auto_offset_reset="none" if group else "earliest",
        session_timeout_ms=SESSION_TIMEOUT_MS,
        heartbeat_interval_ms=HEARTBEAT_MS,
        max_poll_interval_ms=MAX_POLL_INTERVAL_MS,
        max_partition_fetch_bytes=fetch.partition_bytes,
        fetch_max_bytes=fetch.total_bytes,
        fetch_min_bytes=FETCH_MIN_BYTES if group else 1,
        fetch_max_wait_ms=fetch.wait_ms,
    )


class Producer(AIOKafkaProducer):  # type: ignore[misc]  # aiokafka is not typed
    """A producer that knows how many of its requests were not answered, so that the broker may still receive them.

    aiokafka asks again by itself and goes on. In a later transaction of the same epoch such a request would count as
    part of that one, so a producer of which one is missing begins no other: see .github/decisions/0010.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.unanswered = 0
        self._ask = self.client.send
        self.client.send = self._counting

    async def _counting(self, *given: Any, **options: Any) -> Any:
        try:
            return await self._ask(*given, **options)
        except BaseException:  # also where whoever waited was cancelled
            self.unanswered += 1
            raise


def producer(
    settings: KafkaSettings, *, transactional_id: str | None = None, transaction_ms: int = TRANSACTION_TIMEOUT_MS
) -> Producer:
    """An idempotent producer with acks=all; transactional where an id is given."""
    transactional: dict[str, Any] = {}
    if transactional_id:
        transactional = {
            "transactional_id": transactional_id,
            "transaction_timeout_ms": transaction_ms,
            "retry_backoff_ms": _TRANSACTION_BACKOFF_MS,
        }
    return Producer(
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
        ConfigError: one did, and refuses what the settings say.
    """
    try:
        await client.start()
    except KafkaConnectionError as error:
        await _stop(client)
        raise await admission.refusal(settings) or unreachable(settings, error) from None
    try:
        yield client
    finally:
        await _stop(client)


async def _stop(client: Any) -> None:
    """Stop a client; one that waits for a broker that is gone is left behind, fenced by its successor.

    A consumer of aiokafka that stops while its fetch waits to be tried again says that it was cancelled.
    """
    task = asyncio.current_task()
    asked = task.cancelling() if task else 0
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await client.stop()
    except (TimeoutError, asyncio.CancelledError):
        if task and task.cancelling() > asked:
            raise
        logger().warning(ABANDONED, client=type(client).__name__)


async def replay(
    settings: KafkaSettings, at: TopicPartition, start: int, end: int, *, stalled_after_s: float = 60.0
) -> AsyncIterator[Sequence[Any]]:
    """Read one partition from ``start`` to ``end``, every committed record, in batches.

    ``end`` is a high watermark: a transaction of somebody else that is open now may hide our own
    later records, so the reader waits until it ends (the broker ends it after its timeout).

    Raises:
        Halt: the partition does not hold that range.
        Unavailable: nothing moved for ``stalled_after_s``.
    """
    if start == end:
        return
    async with started(consumer(settings), settings) as reader:
        reader.assign([at])
        first = (await reader.beginning_offsets([at]))[at]
        if not first <= start <= end:
            raise Halt(
                f"{at.topic}[{at.partition}] holds {first} to {end}, and is to be read from {start}: records were "
                "deleted, or the topic was created anew under a state that knows more"
            )
        reader.seek(at, start)
        position, moved = start, time.monotonic()
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


async def latest(settings: KafkaSettings, at: TopicPartition, end: int) -> dict[bytes, bytes]:
    """The newest committed value of each key of a compacted partition; deleted keys are not in it."""
    found: dict[bytes, bytes] = {}
    async for batch in replay(settings, at, 0, end):
        found.update((record.key, record.value) for record in batch)
    return {key: value for key, value in found.items() if value is not None}
