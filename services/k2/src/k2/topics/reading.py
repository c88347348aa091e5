"""Reading several partitions up to where they end now, committed records alone."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from k2_shared.core.errors import Unavailable
from k2_shared.core.records import Consumed

_POLL_MS = 200
STALLED_S = 20.0


async def read(
    reader: AIOKafkaConsumer, ranges: Mapping[TopicPartition, range]
) -> AsyncIterator[tuple[TopicPartition, Sequence[Consumed]]]:
    """The committed records of some ranges of offsets, in batches of one partition, each partition in order.

    The reader is assigned to them, and is left so.

    Raises:
        Unavailable: nothing moved for 20 s.
    """
    left = {at: span for at, span in ranges.items() if span}
    reader.assign(list(left))
    for at, span in left.items():
        reader.seek(at, span.start)
    positions, moved = {at: span.start for at, span in left.items()}, time.monotonic()
    while left:
        for at, batch in (await _poll(reader, left)).items():
            if within := [record for record in batch if record.offset < left[at].stop]:
                yield at, within
        before, positions = positions, {at: await reader.position(at) for at in left}
        if any(position != before[at] for at, position in positions.items()):
            moved = time.monotonic()
        for at in [at for at, position in positions.items() if position >= left[at].stop]:
            reader.pause(at)
            del left[at]
        if time.monotonic() - moved > STALLED_S:
            raise Unavailable(f"reading {', '.join(f'{at.topic}[{at.partition}]' for at in left)} stalled")


async def _poll(reader: AIOKafkaConsumer, left: Mapping[TopicPartition, range]) -> Mapping[TopicPartition, Any]:
    found: Mapping[TopicPartition, Any] = await reader.getmany(*left, timeout_ms=_POLL_MS)
    return found


async def first(reader: AIOKafkaConsumer, at: TopicPartition, span: range) -> Consumed | None:
    """The first committed record of a range, if it has one.

    Raises:
        Unavailable: nothing moved for 20 s.
    """
    async for _, batch in read(reader, {at: span}):
        return batch[0]
    return None
