"""Writes what a feed captured, acks=all, idempotent, in order, bounded.

Records are appended straight into the batches that are sent, so that a record costs no future, no task and no second
copy. Each partition has one batch in flight; what comes meanwhile gathers in the next.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from k2_shared.core.errors import InvalidRecord
from k2_shared.core.metrics import Metrics
from k2_shared.core.origin import HEADER, Origin
from k2_shared.core.records import Outgoing
from k2_shared.core.trade import Trade
from k2_shared.feed.publish.backlog import Backlog
from k2_shared.feed.publish.encoder import Encode
from k2_shared.feed.publish.frames import FrameWriter
from k2_shared.kafka.topics import Names, partition_for


@dataclass(slots=True)
class ProducerBatch:
    """Records of one partition that are sent together; ``bytes`` counts values alone."""

    builder: Any
    bytes: int = 0

    @property
    def records(self) -> int:
        """How many records it has."""
        return int(self.builder.record_count())


@dataclass(slots=True)
class PartitionBatcher:
    """Gathers the records of one partition into batches; full ones wait behind the one that is in flight."""

    topic: str  # the contract's name
    at: TopicPartition  # in this run
    backlog: Backlog
    create_batch: Callable[[], Any]
    appended: int = 0
    acknowledged: int = 0
    in_flight: bool = False
    departed: float = 0.0  # when the batch in flight was handed over, by the monotonic clock
    full: deque[ProducerBatch] = field(default_factory=deque)
    _open: ProducerBatch = field(init=False)

    def __post_init__(self) -> None:
        self._open = ProducerBatch(self.create_batch())

    def append(self, timestamp: int, key: bytes | None, value: bytes | None, headers: Sequence[Any]) -> None:
        """Add a record; ``timestamp`` is in ms, headers are pairs of name and bytes."""
        batch = self._open
        if batch.builder.append(timestamp=timestamp, key=key, value=value, headers=headers) is None:
            batch = self._turn()
            batch.builder.append(timestamp=timestamp, key=key, value=value, headers=headers)  # the first always fits
        size = len(value) if value else 0
        batch.bytes += size
        self.appended += 1
        self.backlog.records += 1
        self.backlog.bytes += size

    @property
    def waits(self) -> bool:
        """Whether there is something to send, and nothing in flight."""
        return not self.in_flight and bool(self.full or self._open.records)

    def depart(self) -> ProducerBatch:
        """The next batch to send; there is no other until this one has arrived."""
        self.in_flight, self.departed = True, time.monotonic()
        if not self.full:
            self._turn()
        return self.full.popleft()

    def arrive(self, batch: ProducerBatch) -> None:
        """Note that a batch is acknowledged."""
        self.in_flight = False
        self.acknowledged += batch.records
        self.backlog.acknowledged(batch.records, batch.bytes)

    def _turn(self) -> ProducerBatch:
        """Close the open batch and begin another."""
        self.full.append(self._open)
        self._open = ProducerBatch(self.create_batch())
        return self._open


@dataclass(frozen=True, slots=True)
class _Route:
    """Where the records of a symbol go."""

    key: bytes
    raw: PartitionBatcher
    bronze: PartitionBatcher
    encode: Encode


class Publisher:
    """Sends records in order and watches every delivery; for one event loop, where ``run`` must run.

    Kafka counts the records of a partition in 31 bits and aiokafka does not wrap: replace the sender, and this, while
    ``written`` is far below that. After a failed delivery every other call raises Unavailable.
    """

    def __init__(
        self, sender: AIOKafkaProducer, names: Names, metrics: Metrics, backlog: Backlog, writer: FrameWriter
    ) -> None:
        self.backlog = backlog
        self._sender, self._names, self._metrics, self._writer = sender, names, metrics, writer
        self._batchers: dict[TopicPartition, PartitionBatcher] = {}
        self._keys: dict[tuple[str, bytes | None], PartitionBatcher] = {}
        self._routes: dict[str, _Route] = {}
        self._acknowledged: dict[tuple[str, int], int] = {}
        self._waiting, self._flush_now = asyncio.Event(), asyncio.Event()

    @property
    def unacknowledged_s(self) -> float:
        """For how long Kafka has owed some partition's batch its acknowledgement; 0 while none is in flight."""
        now = time.monotonic()
        return max((now - each.departed for each in self._batchers.values() if each.in_flight), default=0.0)

    @property
    def written(self) -> int:
        """Records that were appended since the start."""
        return sum(each.appended for each in self._batchers.values())

    @property
    def acknowledged(self) -> Mapping[tuple[str, int], int]:
        """The offset after the last acknowledged record, by the contract's name of the topic, and the partition."""
        return self._acknowledged

    def frame(self, raw: bytes, trades: Sequence[Trade], origin: Origin) -> Sequence[InvalidRecord]:
        """Append a frame and its trades, of which there is at least one.

        Returns the refusals of the trades that V3 cannot hold; for each of them the frame is a dead letter.
        """
        self.backlog.raise_failure()
        headers, refused = [(HEADER, origin.pack())], []
        stamp_ms, received_us = origin.received_ns // 1_000_000, origin.received_ns // 1_000
        first = self._route(trades[0])
        first.raw.append(stamp_ms, first.key, raw, headers)
        for trade in trades:
            route = self._route(trade)
            try:
                value = route.encode(trade, received_us)
            except InvalidRecord as error:
                refused.append(error)
                self._append(self._writer.letter(self._writer.raw(raw, first.key, origin), error))
            else:
                route.bronze.append(stamp_ms, route.key, value, headers)
        self._waiting.set()
        return refused

    def quarantine(self, raw: bytes, key: bytes, error: InvalidRecord, origin: Origin) -> None:
        """Append a frame to the raw topic, and as a dead letter with the reason."""
        record = self._writer.raw(raw, key, origin)
        self.put(record)
        self.put(self._writer.letter(record, error))

    def put(self, record: Outgoing) -> None:
        """Append any record to its contract's topic, in the partition of its key."""
        self.backlog.raise_failure()
        self._append(record)
        self._waiting.set()

    async def flush(self) -> None:
        """Wait until everything that was appended so far is acknowledged."""
        self.backlog.raise_failure()
        targets = [(each, each.appended) for each in self._batchers.values()]
        while any(each.acknowledged < target for each, target in targets):
            self._flush_now.set()
            await self.backlog.progress()

    async def run(self) -> None:
        """Send what is appended, until cancelled or until a delivery fails."""
        try:
            while not self.backlog.failed:
                await self._waiting.wait()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self.backlog.limits.linger_s):
                        await self._flush_now.wait()
                self._waiting.clear()
                self._flush_now.clear()
                await self._send()
        except KafkaError as error:
            self._fail(error)
        finally:
            if not self.backlog.failed and self.backlog.records:
                self._fail(asyncio.CancelledError("the publisher was stopped"))

    async def _send(self) -> None:
        for batcher in [each for each in self._batchers.values() if each.waits]:
            batch = batcher.depart()
            sent = await self._sender.send_batch(batch.builder, batcher.at.topic, partition=batcher.at.partition)
            sent.add_done_callback(partial(self._settle, batcher, batch))

    def _settle(self, batcher: PartitionBatcher, batch: ProducerBatch, done: "asyncio.Future[Any]") -> None:
        failure = asyncio.CancelledError() if done.cancelled() else done.exception()
        if failure is None and done.result().offset < 0:
            failure = KafkaError("the broker does not say at which offset it wrote")
        if failure is not None:
            self._fail(failure)
            return
        self._acknowledged[batcher.topic, batcher.at.partition] = done.result().offset + batch.records
        self._metrics.sent.labels(batcher.topic).inc(batch.records)
        batcher.arrive(batch)
        if batcher.waits:
            self._waiting.set()

    def _route(self, trade: Trade) -> _Route:
        route = self._routes.get(trade.symbol)
        if route is None:
            key, writer = trade.key, self._writer
            raw, bronze = self._batcher(writer.raw_topic, key), self._batcher(writer.bronze_topic, key)
            route = self._routes[trade.symbol] = _Route(key, raw, bronze, writer.encoder(trade.symbol))
        return route

    def _append(self, record: Outgoing) -> None:
        batcher = self._batcher(record.topic, record.key)
        batcher.append(record.timestamp, record.key, record.value, list(record.headers))

    def _batcher(self, topic: str, key: bytes | None) -> PartitionBatcher:
        """The batcher of a key's partition."""
        batcher = self._keys.get((topic, key))
        if batcher is None:
            partition = partition_for(key or b"", self._names.contract(topic).partitions)
            at = TopicPartition(self._names.topic(topic), partition)
            new = PartitionBatcher(topic, at, self.backlog, self._sender.create_batch)
            batcher = self._keys[topic, key] = self._batchers.setdefault(at, new)
        return batcher

    def _fail(self, failure: BaseException) -> None:
        self._metrics.errors.labels("feed", type(failure).__name__).inc()
        self.backlog.fail(failure)
        self._waiting.set()
        self._flush_now.set()
