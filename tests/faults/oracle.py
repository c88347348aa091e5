"""The writer of bronze: paced, idempotent, and sure of what it delivered, also where the broker did not say."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import islice
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from tests.faults.content import Draft
from tests.faults.deliveries import Delivery, DeliveryLog, Place, sha256

from k2_shared.core.errors import Unavailable
from k2_shared.core.origin import Origin, find
from k2_shared.core.settings import KafkaSettings
from k2_shared.kafka import clients
from k2_shared.kafka.offsets import offset_ranges_now
from k2_shared.kafka.topics import Names

_BATCH_S = 0.1
_ATTEMPTS, _BACKOFF_S = 120, 0.5


class Oracle:
    """Delivers drafts at a rate while it is not paused; each is in the log once it stands in bronze."""

    def __init__(
        self, settings: KafkaSettings, names: Names, content: Iterator[Draft], log: DeliveryLog, per_second: int
    ) -> None:
        self._settings, self._names, self._content, self.log = settings, names, content, log
        self._batch = max(1, int(per_second * _BATCH_S))
        self._sender: AIOKafkaProducer | None = None
        self._flowing = asyncio.Event()
        self._idle = asyncio.Lock()
        self._ends: dict[TopicPartition, int] = {}
        self.unsure: dict[int, Draft] = {}  # what a producer that was given up had sent, by number

    @asynccontextmanager
    async def delivering(self) -> AsyncIterator["Oracle"]:
        """Deliver for the length of the block; what was begun is finished."""
        self._flowing.set()
        task = asyncio.create_task(self._run())
        try:
            yield self
        finally:
            await self.pause()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await self._give_up()

    async def pause(self) -> None:
        """Deliver nothing more; returns when what was begun is delivered."""
        self._flowing.clear()
        async with self._idle:
            pass

    def resume(self) -> None:
        """Deliver again."""
        self._flowing.set()

    async def _run(self) -> None:
        while True:
            await self._flowing.wait()
            async with self._idle:
                await self.deliver(list(islice(self._content, self._batch)))
            await asyncio.sleep(_BATCH_S)

    async def deliver(self, drafts: Sequence[Draft]) -> None:
        """Deliver each draft exactly once, in order within its partition.

        Raises:
            Unavailable: the broker did not come back.
        """
        waiting = list(drafts)
        for _ in range(_ATTEMPTS):
            try:
                waiting = await self._attempt(waiting)
            except (KafkaError, Unavailable, OSError, TimeoutError):
                await self._give_up(waiting)
            if not waiting:
                return
            await asyncio.sleep(_BACKOFF_S)
        raise Unavailable(f"{len(waiting)} deliveries were not acknowledged after {_ATTEMPTS} attempts")

    async def _attempt(self, drafts: list[Draft]) -> list[Draft]:
        """Send what does not stand in bronze already; returns what was not acknowledged."""
        if self._sender is None:
            drafts = self._note(drafts, await self._standing(drafts))
            self._sender = clients.producer(self._settings)
            await self._sender.start()
        futures = [await self._send(self._sender, draft) for draft in drafts]
        answers = await asyncio.gather(*futures, return_exceptions=True)
        places = {
            draft.number: Place(answer.topic, answer.partition, answer.offset)
            for draft, answer in zip(drafts, answers, strict=True)
            if not isinstance(answer, BaseException) and answer.offset >= 0
        }
        left = self._note(drafts, places)
        if left:
            await self._give_up(left)
        return left

    async def _send(self, sender: AIOKafkaProducer, draft: Draft) -> Any:
        return await sender.send(
            self._names.topic(draft.topic),
            draft.value,
            draft.key,
            partition=draft.partition,
            timestamp_ms=draft.timestamp,
            headers=list(draft.headers),
        )

    async def _give_up(self, unsure: Sequence[Draft] = ()) -> None:
        """End this producer; what it had sent may arrive later all the same, as from a broker that was restarted."""
        self.unsure.update((draft.number, draft) for draft in unsure)
        sender, self._sender = self._sender, None
        if sender:
            with suppress(KafkaError, OSError, TimeoutError):
                await sender.stop()

    def _note(self, drafts: list[Draft], places: dict[int, Place]) -> list[Draft]:
        """Log what was delivered; returns the others."""
        done = [draft for draft in drafts if draft.number in places]
        self.log.append([_delivery(draft, places[draft.number]) for draft in done])
        for at in (places[draft.number] for draft in done):
            here = TopicPartition(at.topic, at.partition)
            self._ends[here] = max(self._ends.get(here, 0), at.offset + 1)
        return [draft for draft in drafts if draft.number not in places]

    async def note_late(self) -> int:
        """Log what has arrived of producers that were given up, beside what was sent once more; returns how much.

        To be called when nothing is being delivered and the broker works.
        """
        known = {delivery.at for delivery in self.log.deliveries}
        at = {TopicPartition(self._names.topic(draft.topic), draft.partition) for draft in self.unsure.values()}
        late: list[Delivery] = []
        for here, there in (await offset_ranges_now(self._settings, at)).items() if at else ():
            async for batch in clients.replay(self._settings, here, there.start, there.stop):
                places = ((_number(record), Place(record.topic, record.partition, record.offset)) for record in batch)
                late += [_delivery(self.unsure[n], to) for n, to in places if n in self.unsure and to not in known]
        self.log.append(late)
        return len(late)

    async def _standing(self, drafts: list[Draft]) -> dict[int, Place]:
        """Where the drafts stand that an earlier producer sent without an answer, by the number in their header."""
        at = {TopicPartition(self._names.topic(draft.topic), draft.partition) for draft in drafts}
        reader = clients.consumer(self._settings)
        found: dict[int, Place] = {}
        async with clients.started(reader, self._settings):
            reader.assign(list(at))
            ends = await reader.end_offsets(list(at))
            for here in at:
                reader.seek(here, self._ends.get(here, 0))
            while any([await reader.position(here) < end for here, end in ends.items()]):
                for batch in (await reader.getmany(timeout_ms=100)).values():
                    found |= {_number(r): Place(r.topic, r.partition, r.offset) for r in batch}
        return {number: place for number, place in found.items() if number in {draft.number for draft in drafts}}


def _number(record: Any) -> int:
    return Origin.unpack(find(record.headers) or b"").frame_number


def _delivery(draft: Draft, at: Place) -> Delivery:
    return Delivery(at, sha256(draft.value), draft.kind, draft.message_id, draft.refusal)
