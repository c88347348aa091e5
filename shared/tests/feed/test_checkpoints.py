"""When checkpoints are written, and what is left of them whatever happens meanwhile; Kafka is a list here."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from k2_shared.core.errors import Unavailable
from k2_shared.core.records import Outgoing
from k2_shared.feed.coverage.checkpoint import INLINE
from k2_shared.feed.coverage.checkpoint_records import CheckpointRecords, UnreadableRecords
from k2_shared.feed.coverage.coverage import Coverage
from k2_shared.feed.publish.tracker import SymbolTracker
from k2_shared.feed.run.checkpoints import Checkpoints
from k2_support.waiting import eventually

SYMBOL = "BTC/USD"


class CoverageStore(CheckpointRecords):
    """Everything is in one partition of bronze."""

    bronze = "bronze"

    def partition(self, symbol: str) -> int:
        return 0


@dataclass
class Publisher:
    """Keeps what was written; ``at_flush`` happens at each flush, and may fail."""

    log: dict[bytes, bytes | None] = field(default_factory=dict)
    acknowledged: dict[tuple[str, int], int] = field(default_factory=dict)
    at_flush: Callable[[], object] = lambda: None
    flushes: int = 0

    def put(self, record: Outgoing) -> None:
        assert record.key is not None
        self.log[record.key] = record.value

    async def flush(self) -> None:
        self.flushes += 1
        self.at_flush()


class Rig:
    """One symbol with more gaps than a head holds."""

    def __init__(self) -> None:
        self.publisher, self.store, self.tracker = (
            Publisher(),
            CoverageStore("KRAKEN", "feed_kraken", "0"),
            SymbolTracker(8),
        )
        self.coverage = Coverage()
        self.coverage.begin(1)
        for trade_id in range(1, 4 * INLINE, 2):
            self.coverage.offer(trade_id, 0)
        self.tracker.add(SYMBOL, self.coverage)
        self.worked = 0
        publisher: Any = self.publisher
        store: Any = self.store
        self.checkpoints = Checkpoints(publisher, store, self.tracker, 0.001, {0: 5}, {}, {}, self._works)

    def _works(self) -> None:
        self.worked += 1

    def values(self) -> dict[bytes, bytes]:
        return {key: value for key, value in self.publisher.log.items() if value is not None}

    def read(self) -> Coverage:
        """What a start finds."""
        ignored = UnreadableRecords()
        found = self.store.read_checkpoints(self.values(), ignored)[SYMBOL].coverage(self.coverage.limits)
        assert not ignored.counts
        return found


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_a_run_works_when_its_checkpoints_are_durable(rig: Rig) -> None:
    """Not when it has begun, and not by what it writes in the end."""
    await rig.checkpoints.write()
    assert rig.worked == 0
    running = asyncio.create_task(rig.checkpoints.run())
    await eventually(lambda: rig.worked, "a checkpoint of the run")
    running.cancel()


async def test_a_run_whose_first_checkpoint_fails_has_not_worked(rig: Rig) -> None:
    """However often it is started: its restarts wait longer and longer."""

    def fail() -> None:
        raise Unavailable("the record is too large")

    rig.publisher.at_flush = fail
    with pytest.raises(Unavailable):
        await rig.checkpoints.run()
    assert rig.worked == 0


@pytest.mark.parametrize("flushes", [1, 2])
async def test_a_checkpoint_that_was_cancelled_is_written_whole_by_the_next(rig: Rig, flushes: int) -> None:
    """Records of gaps that were made for it, and never written, are not believed to be there."""
    writing = asyncio.create_task(rig.checkpoints.write())
    rig.publisher.at_flush = lambda: writing.cancel() if rig.publisher.flushes == flushes else None
    with suppress(asyncio.CancelledError):
        await writing
    assert writing.cancelled()
    await rig.checkpoints.write()
    assert [*rig.read().gaps] == [*rig.coverage.gaps]


async def test_what_has_not_changed_is_not_written_again(rig: Rig) -> None:
    """Nor what has, but for the records that hold it."""
    await rig.checkpoints.write()
    before = dict(rig.publisher.log)
    await rig.checkpoints.write()
    assert rig.publisher.log == before
    rig.coverage.offer(rig.coverage.high + 1, 0)
    await rig.checkpoints.write()
    assert rig.publisher.log.keys() == before.keys()
    assert rig.read().high == rig.coverage.high


async def test_a_symbol_that_is_left_while_checkpoints_are_written_stays_left(rig: Rig) -> None:
    """Its end stands in Kafka already; its records of gaps go too."""
    await rig.checkpoints.write()
    rig.coverage.offer(rig.coverage.high + 1, 0)

    def leave() -> None:
        if SYMBOL in rig.tracker.symbols:
            rig.tracker.drop(SYMBOL)
            rig.publisher.put(rig.store.forgotten(SYMBOL))

    rig.publisher.at_flush = leave
    await rig.checkpoints.write()
    await rig.checkpoints.write()
    assert rig.values() == {}


async def test_a_checkpoint_follows_its_partition(rig: Rig) -> None:
    """Written again without any change when it lies far behind what is acknowledged."""
    rig.checkpoints.replay_max = 100
    for end, stamp in ((10, 10), (109, 10), (110, 110)):
        rig.publisher.acknowledged["bronze", 0] = end
        await rig.checkpoints.write()
        assert rig.store.read_checkpoints(rig.values(), UnreadableRecords())[SYMBOL].stamp == stamp
