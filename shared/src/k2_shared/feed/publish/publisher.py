"""Writes what a feed captured, acks=all, idempotent, in order, bounded.

Records are appended straight into the batches that are sent, so that a record costs no future, no task and no second
copy. Each partition has one batch on its way; what comes meanwhile gathers in the next.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from k2_shared.core.errors import InvalidRecord, Unavailable
from k2_shared.core.origin import HEADER, Origin
from k2_shared.core.records import Outgoing
from k2_shared.core.telemetry import Metrics
from k2_shared.core.trade import Trade
from k2_shared.feed.publish.encoder import Encode
from k2_shared.feed.publish.frames import FrameWriter
from k2_shared.feed.publish.lanes import Backlog, Batch, Lane
from k2_shared.kafka.topics import Names, partition_for


class Congested(Exception):
    """Kafka takes records, but too slowly: there has been no room for too long."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be unacknowledged, how long a batch gathers, and for how long there may be no room."""

    records: int = 20_000
    bytes: int = 64 * 1024 * 1024
    linger_s: float = 0.005
    stall_s: float = 10.0


@dataclass(frozen=True, slots=True)
class _Route:
    """Where the records of a symbol go."""

    key: bytes
    raw: Lane
    bronze: Lane
    encode: Encode


class Publisher:
    """Sends records in order and watches every delivery; for one event loop, where ``run`` must run.

    Kafka counts the records of a partition in 31 bits and aiokafka does not wrap: replace the sender, and this, while
    ``written`` is far below that.
    """

    def __init__(
        self, sender: AIOKafkaProducer, names: Names, metrics: Metrics, limits: Limits, writer: FrameWriter
    ) -> None:
        self._sender = sender
        self._names = names
        self._metrics = metrics
        self._limits = limits
        self._writer = writer
        self._backlog = Backlog()
        self._lanes: dict[TopicPartition, Lane] = {}
        self._places: dict[tuple[str, bytes | None], Lane] = {}
        self._routes: dict[str, _Route] = {}
        self._acknowledged: dict[tuple[str, int], int] = {}
        self._waiting, self._hurry, self._moved = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._failure: BaseException | None = None

    @property
    def unacknowledged(self) -> int:
        """Records that were appended and are not acknowledged."""
        return self._backlog.records

    @property
    def unacknowledged_s(self) -> float:
        """For how long Kafka has owed some partition's batch its acknowledgement; 0 while none is on its way."""
        now = time.monotonic()
        return max((now - lane.departed for lane in self._lanes.values() if lane.sending), default=0.0)

    @property
    def failed(self) -> bool:
        """Whether Kafka did not take a record: nothing more is published."""
        return self._failure is not None

    @property
    def written(self) -> int:
        """Records that were appended since the start."""
        return sum(lane.appended for lane in self._lanes.values())

    @property
    def acknowledged(self) -> Mapping[tuple[str, int], int]:
        """The offset after the last acknowledged record, by the contract's name of the topic, and the partition."""
        return self._acknowledged

    def frame(self, raw: bytes, trades: Sequence[Trade], origin: Origin) -> Sequence[InvalidRecord]:
        """Append a frame and its trades, of which there is at least one.

        Returns the refusals of the trades that V3 cannot hold; for each of them the frame is a dead letter.

        Raises:
            Unavailable: Kafka did not take an earlier record.
        """
        self._raise_failure()
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
        self._wake()
        return refused

    def quarantine(self, raw: bytes, key: bytes, error: InvalidRecord, origin: Origin) -> None:
        """Append a frame as it came, and as a dead letter.

        Raises:
            Unavailable: Kafka did not take an earlier record.
        """
        record = self._writer.raw(raw, key, origin)
        self.put(record)
        self.put(self._writer.letter(record, error))

    def put(self, record: Outgoing) -> None:
        """Append any record to its contract's topic, in the partition of its key.

        Raises:
            Unavailable: Kafka did not take an earlier record.
        """
        self._raise_failure()
        self._append(record)
        self._wake()

    async def room(self) -> None:
        """Return at once while little is unacknowledged; else wait until it is.

        Raises:
            Congested: there was no room for ``stall_s``.
            Unavailable: Kafka did not take an earlier record.
        """
        self._raise_failure()
        if self._has_room():
            return
        try:
            async with asyncio.timeout(self._limits.stall_s):
                await self._until(self._has_room)
        except TimeoutError:
            raise Congested(
                f"{self.unacknowledged} records of {self._backlog.bytes} bytes are unacknowledged, allowed are "
                f"{self._limits.records} and {self._limits.bytes}, for {self._limits.stall_s:g} s: look at the broker"
            ) from None

    async def flush(self) -> None:
        """Wait until everything that was appended so far is acknowledged.

        Raises:
            Unavailable: a record was not.
        """
        self._raise_failure()
        targets = [(lane, lane.appended) for lane in self._lanes.values()]
        while any(lane.acknowledged < target for lane, target in targets):
            self._hurry.set()
            await self._progress()

    async def run(self) -> None:
        """Send what is appended, until cancelled or until a delivery fails; every other call tells of the failure."""
        try:
            while self._failure is None:
                await self._waiting.wait()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._limits.linger_s):
                        await self._hurry.wait()
                self._waiting.clear()
                self._hurry.clear()
                await self._send()
        except KafkaError as error:
            self._fail(error)
        finally:
            if self._failure is None and self._backlog.records:
                self._fail(asyncio.CancelledError("the publisher was stopped"))

    async def _send(self) -> None:
        for lane in [lane for lane in self._lanes.values() if lane.waits]:
            batch = lane.depart()
            sent = await self._sender.send_batch(batch.builder, lane.at.topic, partition=lane.at.partition)
            sent.add_done_callback(partial(self._settle, lane, batch))

    def _settle(self, lane: Lane, batch: Batch, done: "asyncio.Future[Any]") -> None:
        failure = asyncio.CancelledError() if done.cancelled() else done.exception()
        if failure is None and done.result().offset < 0:
            failure = KafkaError("the broker does not say at which offset it wrote")
        if failure is not None:
            self._fail(failure)
            return
        lane.arrive(batch)
        self._acknowledged[lane.topic, lane.at.partition] = done.result().offset + batch.records
        self._metrics.sent.labels(lane.topic).inc(batch.records)
        if lane.waits:
            self._wake()
        self._tell()

    def _route(self, trade: Trade) -> _Route:
        route = self._routes.get(trade.symbol)
        if route is None:
            key, writer = trade.key, self._writer
            route = _Route(
                key,
                self._lane(writer.raw_topic, key),
                self._lane(writer.bronze_topic, key),
                writer.encoder(trade.symbol),
            )
            self._routes[trade.symbol] = route
        return route

    def _append(self, record: Outgoing) -> None:
        self._lane(record.topic, record.key).append(record.timestamp, record.key, record.value, list(record.headers))

    def _lane(self, topic: str, key: bytes | None) -> Lane:
        """The lane of a key's partition."""
        lane = self._places.get((topic, key))
        if lane is None:
            partition = partition_for(key or b"", self._names.contract(topic).partitions)
            at = TopicPartition(self._names.topic(topic), partition)
            lane = self._lanes.setdefault(at, Lane(topic, at, self._backlog, self._sender.create_batch))
            self._places[topic, key] = lane
        return lane

    def _has_room(self) -> bool:
        return self._backlog.records < self._limits.records and self._backlog.bytes < self._limits.bytes

    async def _until(self, reached: Callable[[], bool]) -> None:
        while not reached():
            await self._progress()

    async def _progress(self) -> None:
        """Wait until something was acknowledged or failed."""
        self._raise_failure()
        await self._moved.wait()
        self._raise_failure()

    def _wake(self) -> None:
        if not self._waiting.is_set():
            self._waiting.set()

    def _tell(self) -> None:
        """Wake everybody who waits for progress."""
        self._moved.set()
        self._moved = asyncio.Event()

    def _fail(self, failure: BaseException) -> None:
        self._metrics.errors.labels("feed", type(failure).__name__).inc()
        self._failure = self._failure or failure
        self._waiting.set()
        self._hurry.set()
        self._tell()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise Unavailable(f"Kafka did not take a record: {self._failure!r}; what followed it was not published")
