"""The one consumer of an agent's group, which its partition loops share; it polls as long as it lives.

A consumer of aiokafka whose ``getmany`` nobody calls for its max_poll_interval_ms leaves the group, and does not join
again before somebody calls it. So the polls are made here, also while every loop waits for an operator or recovers. And
no ``getmany`` is cancelled: aiokafka would count it as running for ever.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, NoOffsetForPartitionError

from k2_shared.core.errors import Unavailable
from k2_shared.core.logs import logger
from k2_shared.core.records import RecordBatch
from k2_shared.core.tasks import cancel_and_wait
from k2_shared.kafka import clients

POLL_FAILED = "group_poll_failed"
_POLLS_AN_INTERVAL = 10
_NOWHERE = TopicPartition("", 0)
"""A poll of this partition, which nobody has, brings nothing and counts as one."""


@dataclass(slots=True)
class _Place:
    """One partition's poll, which may outlive the loop that asked for it, and who waits for it."""

    poll: "asyncio.Task[RecordBatch] | None" = None
    waiter: "asyncio.Future[None] | None" = None

    def wake(self) -> None:
        if self.waiter and not self.waiter.done():
            self.waiter.set_result(None)


class GroupReader:
    """The group's consumer as its partition loops use it: each reads its own partition. No method blocks the others."""

    def __init__(self, consumer: AIOKafkaConsumer, attempts: int) -> None:
        self._consumer = consumer
        self._attempts = attempts
        self._places: dict[TopicPartition, _Place] = {}

    @property
    def member_id(self) -> str:
        """The id by which the broker knows this process in the group; empty while it is none of its members."""
        return str(self._consumer._coordinator.member_id)

    def seek(self, at: TopicPartition, offset: int) -> None:
        """Read on from an offset, whatever was read before."""
        self._consumer.seek(at, offset)
        place = self._places.get(at)
        if place and place.poll and place.poll.done():
            place.poll = None  # one that still runs reads from the new offset

    def pause(self, at: TopicPartition) -> None:
        """Ask the broker for nothing of a partition; it stays ours."""
        if at in self._consumer.assignment():
            self._consumer.pause(at)

    def resume(self, at: TopicPartition) -> None:
        """Ask the broker for a partition again."""
        if at in self._consumer.assignment():
            self._consumer.resume(at)

    async def position(self, at: TopicPartition) -> int:
        """The offset behind everything that was read, markers and aborted records too."""
        return int(await self._consumer.position(at))

    async def read(self, at: TopicPartition, timeout_ms: int, max_records: int) -> RecordBatch:
        """The next records of a partition, at most so many; none after the time, or as soon as it is ``left``.

        Raises:
            KafkaError: they cannot be read.
        """
        place = self._places.setdefault(at, _Place())
        place.poll = place.poll or self._polled(place, at, timeout_ms, max_records)
        if not place.poll.done():
            place.waiter = asyncio.get_running_loop().create_future()
            await place.waiter
        if not place.poll.done():
            return ()
        poll, place.poll = place.poll, None
        return poll.result()

    def leave(self, at: TopicPartition) -> None:
        """Make a pending ``read`` of a partition return now, without records; during a rebalance no poll would."""
        if at in self._places:
            self._places[at].wake()

    async def keep_polling(self) -> None:
        """Poll for ever, so that the group knows that this process lives, whatever its loops wait for.

        Raises:
            Unavailable: too many polls failed in a row.
        """
        failures = 0
        while True:
            await asyncio.sleep(clients.MAX_POLL_INTERVAL_MS / 1_000 / _POLLS_AN_INTERVAL)
            try:
                await self._consumer.getmany(_NOWHERE, timeout_ms=0)
                failures = 0
            except KafkaError as error:
                failures += 1
                logger().warning(POLL_FAILED, error=repr(error), failures=failures)
                if failures >= self._attempts:
                    raise Unavailable(f"{failures} polls failed in a row, the last with {error!r}") from None

    async def aclose(self) -> None:
        """End the polls; the consumer itself is somebody else's."""
        await cancel_and_wait(*(place.poll for place in self._places.values() if place.poll))

    def _polled(
        self, place: _Place, at: TopicPartition, timeout_ms: int, max_records: int
    ) -> "asyncio.Task[RecordBatch]":
        def wake(poll: "asyncio.Task[RecordBatch]") -> None:
            if not poll.cancelled():
                poll.exception()  # taken: also where nobody reads on
            place.wake()

        poll = asyncio.create_task(self._poll(at, timeout_ms, max_records))
        poll.add_done_callback(wake)
        return poll

    async def _poll(self, at: TopicPartition, timeout_ms: int, max_records: int) -> RecordBatch:
        try:
            found: Any = await self._consumer.getmany(at, timeout_ms=timeout_ms, max_records=max_records)
        except NoOffsetForPartitionError:  # it looked for one before we told it where to read
            return ()
        batch: RecordBatch = found.get(at, ())
        return batch
