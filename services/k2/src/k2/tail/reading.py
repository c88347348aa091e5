"""The last records of topics, those from some place on, and those that come."""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from k2.tail.selection import Start
from k2.topics.reading import read
from k2_shared.core.records import Consumed

_POLL_MS = 500
_WINDOW = 100  # offsets of a partition that are looked at first, from its end

Row = dict[str, Any]
Show = Callable[[Consumed], Row | None]
"""A record as it is shown, or None where it is not meant."""


@dataclass
class _Tail:
    """The last rows of a partition that are known, and the offsets before them that are not looked at."""

    left: range
    rows: list[Row] = field(default_factory=list)


async def last(
    reader: AIOKafkaConsumer, ranges: Mapping[TopicPartition, range], count: int, show: Show
) -> Sequence[Row]:
    """The newest rows of all partitions together, the oldest first.

    Each partition is read from its end backwards, in windows that double, until it has so many or nothing is left.
    """
    tails, window = {at: _Tail(span) for at, span in ranges.items()}, max(count, _WINDOW)
    while windows := {at: each.left[-window:] for at, each in tails.items() if each.left and len(each.rows) < count}:
        found: dict[TopicPartition, list[Row]] = {at: [] for at in windows}
        async for at, batch in read(reader, windows):
            found[at] = [*found[at], *_rows(batch, show)][-count:]
        for at, looked_at in windows.items():
            tails[at].rows = [*found[at], *tails[at].rows][-count:]
            tails[at].left = range(tails[at].left.start, looked_at.start)
        window *= 2
    rows = [row for each in tails.values() for row in each.rows]
    return sorted(rows, key=lambda row: (row["time"], row["topic"], row["partition"], row["offset"]))[-count:]


async def since(
    reader: AIOKafkaConsumer, ranges: Mapping[TopicPartition, range], start: Start, show: Show
) -> AsyncGenerator[Row]:
    """The rows from a place on, up to where the partitions end now; in order within each partition."""
    async for _, batch in read(reader, await ranges_since(reader, ranges, start)):
        for row in _rows([record for record in batch if start.takes(record)], show):
            yield row


async def ranges_since(
    reader: AIOKafkaConsumer, ranges: Mapping[TopicPartition, range], start: Start | None
) -> dict[TopicPartition, range]:
    """What of some ranges of offsets holds everything at or after a place; of a time also some that is older."""
    if start is None:
        return dict(ranges)
    if start.time_ms is None:
        return {at: range(max(span.start, start.offset or 0), span.stop) for at, span in ranges.items()}
    found = await reader.offsets_for_times(dict.fromkeys(ranges, start.time_ms))
    return {at: range(found[at].offset if found.get(at) else span.stop, span.stop) for at, span in ranges.items()}


async def follow(reader: AIOKafkaConsumer, ends: Mapping[TopicPartition, int], show: Show) -> AsyncGenerator[Row]:
    """The rows that come from these offsets on, for ever."""
    reader.assign(list(ends))
    for at, end in ends.items():
        reader.seek(at, end)
    while True:
        for batch in (await reader.getmany(timeout_ms=_POLL_MS)).values():
            for row in _rows(batch, show):
                yield row


def _rows(batch: Sequence[Consumed], show: Show) -> Iterable[Row]:
    return [row for record in batch if (row := show(record)) is not None]
