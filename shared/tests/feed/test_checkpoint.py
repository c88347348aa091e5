"""Checkpoints as they are saved: in chunks where gaps are many, and whole or not at all when they are read."""

from itertools import product

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k2_shared.feed.coverage.blocks import MOST
from k2_shared.feed.coverage.checkpoint import INLINE, Checkpoint
from k2_shared.feed.coverage.checkpoint_records import NOBODY, CheckpointRecords, UnreadableRecords
from k2_shared.feed.coverage.coverage import Coverage, Gap
from k2_shared.feed.coverage.feed_records import Cause

SYMBOL = "BTC/USD"
SHELF, OTHER = CheckpointRecords("KRAKEN", "feed_kraken", "a"), CheckpointRecords("KRAKEN", "feed_kraken", "b")
Log = list[tuple[bytes, bytes | None]]


def coverage(gaps: int) -> Coverage:
    """Every second id is missing."""
    found = Coverage()
    found.begin(1)
    for trade_id in range(1, 2 * gaps + 2, 2):
        found.offer(trade_id, trade_id)
    return found


class Writer:
    """Writes checkpoints of a coverage to a log, as one process does."""

    def __init__(self, log: Log, records: CheckpointRecords, of: Coverage) -> None:
        self.log, self.records, self.coverage = log, records, of
        self.chunks = frozenset[str]()

    def write(self) -> list[int]:
        """Save; returns the sizes of what was written before the head, and of the head."""
        saved = self.records.saved(self.coverage, 0, self.chunks)
        records = self.records.records(SYMBOL, saved)
        self.log += [(each.key, each.value) for each in records]
        self.log += [(each.key, each.value) for each in self.records.discarded(self.chunks - saved.chunks)]
        self.chunks = saved.chunks
        return [len(each.value) for each in records if each.value is not None]


def values(log: Log) -> dict[bytes, bytes]:
    """What a reader of a compacted topic has."""
    return {key: value for key, value in dict(log).items() if value is not None}


def read(log: Log) -> Checkpoint:
    """A symbol's checkpoint; one without ids where it cannot be read."""
    return SHELF.read_checkpoints(values(log), UnreadableRecords())[SYMBOL]


@pytest.mark.parametrize("gaps", [0, 1, INLINE, INLINE + 1, MOST + 1, 5 * MOST])
def test_what_is_saved_is_read(gaps: int) -> None:
    """In records of bounded size, however many gaps there are."""
    log, of = Log(), coverage(gaps)
    sizes = Writer(log, SHELF, of).write()
    found = read(log).coverage(of.limits)
    assert (found.first, found.high, [*found.gaps]) == (of.first, of.high, [*of.gaps])
    assert max(sizes) < 120_000
    assert (len(sizes) > 1) == (gaps > INLINE)


def test_of_many_gaps_only_what_changed_is_written_again() -> None:
    """A filled id and a new gap change a record each."""
    writer = Writer(Log(), SHELF, coverage(20 * MOST))
    everything = writer.write()
    writer.coverage.settle(2, 2)
    writer.coverage.offer(writer.coverage.high + 2, 0)
    assert sum(writer.write()) < sum(everything) / 5


def test_records_of_gaps_are_deleted_when_no_checkpoint_needs_them() -> None:
    """What stays are the head and its own."""
    log: Log = []
    writer = Writer(log, SHELF, coverage(3 * MOST))
    writer.write()
    writer.coverage.settle(1, 3 * MOST)
    writer.write()
    assert len(values(log)) == 1 + len(writer.chunks)
    writer.coverage.settle(1, writer.coverage.high)
    writer.write()
    assert values(log).keys() == {SHELF.key(SYMBOL)}


@settings(max_examples=15)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 4 * MOST), st.integers(0, MOST)), min_size=1, max_size=4))
def test_any_mixture_of_old_and_new_records_is_whole_or_without_ids(
    steps: list[tuple[bool, int, int]],
) -> None:
    """Killed after any record, compacted, and written by two processes by turns: nothing is invented, nothing lost.

    A checkpoint that is read is one that was written; one of which a record is gone is to be read from bronze.
    """
    log: Log = []
    writers = [Writer(log, records, coverage(2 * MOST)) for records in (SHELF, OTHER)]
    written = [Checkpoint(stamp=0)]
    for turn, first, count in steps:
        writer = writers[turn]
        writer.coverage.settle(first, first + count)
        writer.write()
        written.append(Checkpoint.of(writer.coverage, 0, [*writer.coverage.gaps]))
    heads = [number for number, (key, _) in enumerate(log) if key == SHELF.key(SYMBOL)]
    for end, lost in product(range(heads[0] + 1, len(log) + 1), [None, *range(0, len(log), 3)]):
        left = [each for number, each in enumerate(log[:end]) if number != lost or number in heads]
        assert read(left) in (written if lost is not None else written[1:])


def test_a_restart_finds_its_own_records_and_whose_they_are() -> None:
    """Those of other processes are theirs; what a crash left behind is nobody's."""
    log: Log = []
    mine = Writer(log, SHELF, coverage(2 * MOST))
    mine.write()
    crashed = SHELF.records(SYMBOL, SHELF.saved(coverage(INLINE + 1), 0))[:-1]
    log += [(each.key, each.value) for each in crashed]
    assert SHELF.own_chunks(values(log)).keys() == {SYMBOL, NOBODY}
    assert SHELF.own_chunks(values(log))[SYMBOL] == mine.chunks
    assert OTHER.own_chunks(values(log)) == {}


GAP = [2, 2, "restart", 1, 0]
HEAD = {"stamp": 9, "first": 1, "high": 5, "high_us": 5, "began_at": 3}


@pytest.mark.parametrize(
    "value",
    [
        b"\x00\xff",
        b"[]",
        {**HEAD, "gaps": [[2, 2, "meteor", 1, 0]]},
        {**HEAD, "gaps": [[*GAP, 1]]},
        {**HEAD, "gaps": [GAP], "colour": 1},
        {**HEAD, "high": "5"},
    ],
)
def test_a_checkpoint_of_a_newer_version_is_left_alone_and_said(value: object) -> None:
    """It is only a shortcut: nothing of it is believed, and all is read from bronze."""
    ignored = UnreadableRecords()
    raw = value if isinstance(value, bytes) else msgspec.json.encode(value)
    found = SHELF.read_checkpoints({SHELF.key(SYMBOL): raw}, ignored)
    assert found == {SYMBOL: Checkpoint(stamp=0)}
    assert ignored.counts == {"unreadable_checkpoint": 1}


@pytest.mark.parametrize("chunk", [None, b'[[2,2,"meteor",1,0]]', b'[[9,9,"restart",1,0]]', b'[[3,2,"restart",1,0]]'])
def test_a_checkpoint_without_its_gaps_says_only_how_the_venue_numbers(chunk: bytes | None) -> None:
    """They are missing, of a newer version, or none of its ids."""
    ignored = UnreadableRecords()
    found = {SHELF.key(SYMBOL): msgspec.json.encode({**HEAD, "chunks": ["a/1"]})}
    if chunk is not None:
        found[b"feed_kraken/gaps/a/1"] = chunk
    assert SHELF.read_checkpoints(found, ignored) == {SYMBOL: Checkpoint(stamp=0, began_at=3)}
    assert ignored.counts == {"unreadable_checkpoint": 1}


def test_gaps_are_read_as_they_are_written_by_hand() -> None:
    """So that a change of the format is seen here."""
    value = msgspec.json.encode({**HEAD, "gaps": [GAP]})
    found = SHELF.read_checkpoints({SHELF.key(SYMBOL): value}, UnreadableRecords())[SYMBOL]
    assert (found.stamp, found.gaps) == (9, [Gap(2, 2, Cause.RESTART, 1, 0)])


@pytest.mark.parametrize("value", [b"", b"{}", b'["yesterday"]', b"\xff"])
def test_attempts_that_cannot_be_read_count_as_none(value: bytes) -> None:
    """They are counted and said."""
    ignored = UnreadableRecords()
    assert SHELF.read_attempts({SHELF.attempts_key: value}, ignored) == []
    assert ignored.counts == {"unreadable_attempts": 1}
