"""Writes what a feed captured: raw frames and V3 trades, acks=all, idempotent, bounded."""

import asyncio
from collections.abc import Iterable
from typing import Any

from aiokafka import AIOKafkaProducer

from k2_shared.errors import Unavailable
from k2_shared.records import Outgoing
from k2_shared.telemetry import Metrics
from k2_shared.topics import Names, partition_for


class Publisher:
    """Sends records in order and watches every delivery."""

    def __init__(self, sender: AIOKafkaProducer, names: Names, metrics: Metrics, max_in_flight: int) -> None:
        self._sender = sender
        self._names = names
        self._metrics = metrics
        self._max_in_flight = max_in_flight
        self._pending: set[asyncio.Future[Any]] = set()
        self._failure: BaseException | None = None

    async def publish(self, records: Iterable[Outgoing]) -> None:
        """Hand records over; waits while too many are unacknowledged.

        Raises:
            Unavailable: Kafka did not take an earlier record; it may be lost, so the feed must stop.
        """
        for record in records:
            contract = self._names.contract(record.topic)
            delivery = await self._sender.send(
                self._names.topic(record.topic),
                key=record.key,
                value=record.value,
                partition=partition_for(record.key or b"", contract.partitions),
                timestamp_ms=record.timestamp,
                headers=list(record.headers),
            )
            self._pending.add(delivery)
            delivery.add_done_callback(lambda done, topic=record.topic: self._settle(done, topic))
        while len(self._pending) > self._max_in_flight:
            await asyncio.wait(self._pending, return_when=asyncio.FIRST_COMPLETED)
        self._raise_failure()

    async def flush(self) -> None:
        """Wait until every record is acknowledged.

        Raises:
            Unavailable: one was not.
        """
        if self._pending:
            await asyncio.wait(self._pending)
        self._raise_failure()

    def _settle(self, done: asyncio.Future[Any], topic: str) -> None:
        self._pending.discard(done)
        failure = asyncio.CancelledError() if done.cancelled() else done.exception()
        if failure is None:
            self._metrics.sent.labels(topic).inc()
        else:
            self._metrics.errors.labels("feed", type(failure).__name__).inc()
            self._failure = self._failure or failure

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise Unavailable(f"Kafka did not take a record: {self._failure!r}; what followed it was not published")
