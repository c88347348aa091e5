"""Whether a table may be filled at a start, and from which offset of each partition; pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from k2_shared.core.errors import Halt
from k2_shared.kafka.identities import Identity, check_same
from warm_sink.settings import MOST_ROWS

HALF_LANDED = 2 * MOST_ROWS
"""How many offsets an insert may span: those of its rows, and as many of the markers of transactions."""


@dataclass(frozen=True, slots=True)
class Source:
    """A topic as it was when a table was first filled from it: its cluster, its id, and its count of partitions."""

    cluster_id: str
    topic_id: str
    partitions: int


Ends = Mapping[tuple[str, int], int]
"""By topic and partition, the offset behind the last row of a table."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a table says of itself: the sources it was filled from by topic, and by partition the end of its rows."""

    sources: Mapping[str, Source]
    ends: Ends


def has_all(now: Ends, before: Ends) -> bool:
    """Whether a table that had rows up to there before has not lost the last ones."""
    return all(now.get(at, 0) >= end for at, end in before.items())


@dataclass(frozen=True, slots=True)
class Filled:
    """Up to where a table is filled: by partition the end of its rows, of which those expire that are so old.

    None where none does, or none has. Of a table that is ``folded`` rows would be wrong for ever if records were left
    out; of another one they lack.
    """

    table: str
    ends: Ends
    kept_hours: int | None
    folded: bool = False


def new_sources(table: str, standing: Standing, now: Mapping[str, Source]) -> dict[str, Source]:
    """Compare the topics that a table was filled from with those that feed it now; returns those that are new to it.

    Raises:
        Halt: a topic is another one, or has other partitions: a place in it means another record.
    """
    advice = (
        f"its places mean other records: begin another database (CLICKHOUSE_DATABASE), or delete the topic's rows from "
        f"{table} and its row from sink_state"
    )
    for topic, source in now.items():
        known = standing.sources.get(topic)
        try:
            _check(topic, known, source, any(at[0] == topic for at in standing.ends))
        except Halt as error:
            raise Halt(f"table {table}: {error}; {advice}") from None
    return {topic: source for topic, source in now.items() if topic not in standing.sources}


def _check(topic: str, known: Source | None, now: Source, has_rows: bool) -> None:
    if known is None:
        if has_rows:
            raise Halt(f"there are rows of topic {topic}, and none in sink_state that says which topic that was")
        return
    check_same(Identity(known.cluster_id, {topic: known.topic_id}), Identity(now.cluster_id, {topic: now.topic_id}))
    if known.partitions != now.partitions:
        raise Halt(f"topic {topic} has {now.partitions} partitions, the table was filled from {known.partitions}")


@dataclass(frozen=True, slots=True)
class Landmark:
    """A row that was inserted, by which a table is known not to have lost what was inserted since.

    ``texts`` and ``numbers`` are columns with their values, ``times`` those in microseconds since the epoch.
    """

    texts: Mapping[str, str]
    numbers: Mapping[str, int]
    times: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one partition.

    ``committed`` is the group's offset; ``table_end`` is behind the last row of the table, 0 where it has none; ``log``
    are the offsets that Kafka has; ``kept`` is the first of them whose row would not be expired, ``log.stop`` where
    every row would be. ``folded`` as of ``Filled``.
    """

    committed: int | None
    table_end: int
    log: range
    kept: int
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Start:
    """Where to read on, and which offsets before it Kafka no longer has, so that nobody can say whether rows lack."""

    offset: int
    unproven: range = range(0)


def start(at: str, seen: Evidence) -> Start:
    """Where to read a partition, ``at``, on: nothing is left out, and what stands in the table may be read again.

    The group's offset was committed after its rows had been inserted, yet a server that lost its last inserts, or was
    restored, has less. What lies before the table's end and behind the group's offset may have holes, as of an insert
    of which a part had landed: it is read again. Without an offset of the group all is read that is not expired.

    Raises:
        Halt: Kafka has lost records that were read, or records that were not; or some that rows are folded of.
    """
    committed, log = seen.committed, seen.log
    is_unproven = seen.kept == log.start and seen.table_end < log.start
    if max(committed or 0, seen.table_end) > log.stop:
        raise Halt(_lost_by_kafka(at, seen))
    if seen.folded and is_unproven and committed != log.start:
        raise Halt(_cut(at, seen))
    if committed is None:
        return Start(seen.kept)
    if committed < log.start and seen.kept == log.start:
        raise Halt(
            f"{at} was read up to {committed} and starts at {log.start}: {log.start - committed} offsets are lost; "
            f"what the cold tables have of them stays there. Set the group's offset to {log.start} to go on without"
        )
    offset = max(log.start, min(committed, max(seen.table_end, seen.kept)))
    return Start(offset, range(seen.table_end, log.start) if is_unproven else range(0))


def further_back(seen: Evidence, begun: Start) -> Start:
    """Where to read a partition on where the table lacks rows that the group had committed.

    It has an older state, and that may be one in which half of an insert had landed: rows before its end lack, too.
    They lie within the last ``HALF_LANDED`` offsets before it.
    """
    first = min(seen.kept, begun.offset)
    return Start(max(first, min(begun.offset, seen.table_end - HALF_LANDED)), begun.unproven)


def _cut(at: str, seen: Evidence) -> str:
    first = seen.log.start
    return (
        f"{at} starts at {first}, and of what was before only {seen.table_end} offsets are folded: rows made of the "
        "rest would lack the others for ever. Restore the topic, or the table; or set the group's offset to "
        f"{first} to go on, with first windows that lack what the topic has lost"
    )


def _lost_by_kafka(at: str, seen: Evidence) -> str:
    return (
        f"{at} ends at {seen.log.stop}, the group's offset is {seen.committed}, and the table has rows up to "
        f"{seen.table_end}: Kafka has lost records, whose offsets it will give to others; delete the rows from "
        f"{seen.log.stop} on of this partition, set the group's offset to {seen.log.stop}, then start again"
    )
