"""The durable coverage on the real broker: what a feed knows after it died at any moment."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from k2_shared.core.records import Outgoing
from k2_shared.core.settings import RunSettings
from k2_shared.core.trade import encode, wire_prefix
from k2_shared.feed.coverage import feed_records
from k2_shared.feed.coverage.checkpoint_records import NOBODY
from k2_shared.feed.coverage.coverage import Coverage, Gap, Gaps
from k2_shared.feed.coverage.feed_records import Cause, GapRecord, GapState
from k2_shared.feed.coverage.store import CoverageStore
from k2_shared.feed.publish.tracker import SymbolTracker
from k2_shared.feed.run.checkpoints import Checkpoints
from k2_shared.kafka import clients
from k2_shared.kafka.schemas import SubjectSchemas
from k2_shared.kafka.topics import BRONZE, COVERAGE, GAPS, Names, partition_for
from k2_support.records import trade

SYMBOL = "BTC/USD"
BRONZE_TOPIC = BRONZE.format(exchange="kraken")
pytestmark = pytest.mark.topics(BRONZE_TOPIC, COVERAGE, GAPS)


class Bronze:
    """Writes as a feed would."""

    def __init__(self, settings: RunSettings, names: Names, schema_id: int) -> None:
        self.settings, self.names, self.schema_id = settings, names, schema_id

    def store(self, instance: str = "0") -> CoverageStore:
        topic = self.names.topic(BRONZE_TOPIC)
        schemas = SubjectSchemas(self.settings, self.names.contract(topic), self.names.subject(topic))
        return CoverageStore("KRAKEN", "feed_kraken", instance, self.settings, self.names, schemas)

    async def put(self, *records: Outgoing) -> None:
        async with clients.started(clients.producer(self.settings), self.settings) as sender:
            for record in records:
                topic = self.names.topic(record.topic)
                partition = partition_for(record.key or b"", self.names.contract(topic).partitions)
                await sender.send_and_wait(topic, record.value, record.key, partition)

    async def trades(self, *ids: int, symbol: str = SYMBOL) -> None:
        made = [trade(exchange="KRAKEN", symbol=symbol, trade_id=each, timestamp=each * 1_000) for each in ids]
        prefix = wire_prefix(self.schema_id)
        await self.put(*(Outgoing(BRONZE_TOPIC, each.key, encode(each, 0, prefix), 0, ()) for each in made))

    def neighbour(self) -> str:
        """Another symbol of the same partition."""
        home = self.store().partition(SYMBOL)
        return next(f"A{n}/USD" for n in range(1_000) if self.store().partition(f"A{n}/USD") == home)

    async def restored(self) -> Coverage:
        return (await self.store().restore()).coverages[SYMBOL]


@pytest.fixture
def bronze(run_settings: RunSettings, names: Names, topics: dict[str, int]) -> Bronze:
    return Bronze(run_settings, names, topics[names.subject(names.topic(BRONZE_TOPIC))])


def ids_of(gaps: Iterable[Gap]) -> list[tuple[int, int]]:
    return [(gap.first, gap.last) for gap in gaps]


async def test_nothing_stands_in_an_empty_kafka(bronze: Bronze) -> None:
    """A first start begins with the first trade it sees."""
    restored = await bronze.store().restore()
    assert (restored.coverages, restored.gaps, restored.attempts) == ({}, {}, [])


async def test_what_was_published_after_the_checkpoint_is_known(bronze: Bronze) -> None:
    """Killed between two checkpoints: bronze says what was published, and what is missing in it."""
    coverage = Coverage()
    coverage.begin(10)
    coverage.offer(10, 10_000)
    await bronze.trades(10)
    await bronze.put(bronze.store().checkpoint(SYMBOL, coverage, 0))
    await bronze.trades(11, 12, 15, 14)
    found = await bronze.restored()
    assert (found.first, found.high, found.high_us) == (10, 15, 15_000)
    assert ids_of(found.gaps) == [(13, 13)]


async def test_an_older_checkpoint_gives_the_same(bronze: Bronze) -> None:
    """A second process of the feed may write one at any time: the coverage never goes back."""
    early, late = Coverage(), Coverage()
    for coverage, last in ((early, 11), (late, 13)):
        coverage.begin(10)
        for number in range(10, last + 1):
            coverage.offer(number, 0)
    await bronze.trades(10, 11, 12, 13)
    await bronze.put(bronze.store().checkpoint(SYMBOL, late, 4), bronze.store().checkpoint(SYMBOL, early, 2))
    found = await bronze.restored()
    assert (found.first, found.high, [*found.gaps]) == (10, 13, [])


async def test_a_symbol_that_had_just_begun_loses_nothing(bronze: Bronze) -> None:
    """Its beginning stands in Kafka before its first trade, whose order may be any."""
    await bronze.put(bronze.store().checkpoint(SYMBOL, Coverage(), 0))
    await bronze.trades(52, 50, 51)
    found = await bronze.restored()
    assert (found.first, found.high, [*found.gaps]) == (50, 52, [])


async def test_a_checkpoint_keeps_gaps_resets_and_attempts(bronze: Bronze) -> None:
    """Each process has attempts of its own."""
    gap = Gap(11, 12, Cause.ROTATION, 5, 10_000)
    coverage = Coverage(first=10, high=13, high_us=13_000, gaps=Gaps([gap]), stopped_at=77)
    store = bronze.store("a")
    await bronze.put(store.checkpoint(SYMBOL, coverage, 0), store.attempts([1.5, 2.5]))
    restored = await store.restore()
    found = restored.coverages[SYMBOL]
    assert ([*found.gaps], found.stopped_at, restored.attempts) == ([gap], 77, [1.5, 2.5])
    assert (await bronze.store("b").restore()).attempts == []


async def test_what_the_ledger_gave_up_is_not_asked_for_again(bronze: Bronze) -> None:
    """Killed after an id was told to be unfillable, and before the checkpoint."""
    coverage = Coverage(first=10, high=13, gaps=Gaps([Gap(11, 12, Cause.RECONNECT, 5, 0)]))
    told = [
        GapRecord(
            exchange="KRAKEN",
            symbol=SYMBOL,
            state=state,
            first_id=11,
            last_id=last,
            cause=Cause.RECONNECT,
            opened_at=5,
            at=6,
        )
        for state, last in ((GapState.OPENED, 12), (GapState.UNFILLABLE, 11))
    ]
    await bronze.put(
        bronze.store().checkpoint(SYMBOL, coverage, 0), *(feed_records.gaps.outgoing(each) for each in told)
    )
    restored = await bronze.store().restore()
    assert ids_of(restored.coverages[SYMBOL].gaps) == [(12, 12)]
    assert list(restored.gaps[SYMBOL].open) == [(12, 12)]


async def test_a_numbering_that_has_ended_is_not_mixed_with_the_new_one(bronze: Bronze) -> None:
    """After a reset was accepted, neither bronze from before nor what the ledger said then counts."""
    told = GapRecord(
        exchange="KRAKEN",
        symbol=SYMBOL,
        state=GapState.UNFILLABLE,
        first_id=2,
        last_id=2,
        cause=Cause.RECONNECT,
        opened_at=5,
        at=6,
    )
    await bronze.trades(900_000, 1, 3)
    neighbour = Coverage(first=1, high=1)  # of the same partition, with an older stamp
    await bronze.put(
        feed_records.gaps.outgoing(told),
        bronze.store().checkpoint(SYMBOL, Coverage(first=1, high=1, began_at=100), 1),
        bronze.store().checkpoint(bronze.neighbour(), neighbour, 0),
    )
    found = (await bronze.store().restore()).coverages[SYMBOL]
    assert (found.high, ids_of(found.gaps)) == (3, [(2, 2)])


async def test_records_that_no_feed_wrote_are_passed_over(bronze: Bronze) -> None:
    """Silver refuses them; a replayed dead letter may be one."""
    await bronze.put(
        bronze.store().checkpoint(SYMBOL, Coverage(), 0), Outgoing(BRONZE_TOPIC, b"KRAKEN:BTC/USD", b"poison", 0, ())
    )
    await bronze.trades(50)
    assert (await bronze.restored()).high == 50


async def test_a_symbol_that_was_left_is_forgotten(bronze: Bronze) -> None:
    """Taken up again, it begins anew."""
    store = bronze.store()
    await bronze.put(store.checkpoint(SYMBOL, Coverage(first=1, high=2), 0), store.forgotten(SYMBOL))
    assert (await store.restore()).coverages == {}


async def test_a_checkpoint_that_cannot_be_read_is_rebuilt_from_bronze(bronze: Bronze) -> None:
    """One of a newer version after a rollback, as an example: the feed starts, and knows every id that stands there."""
    store = bronze.store()
    await bronze.trades(50, 51, 54)
    newer = Outgoing(
        "market.crypto.feed.coverage", store.key(SYMBOL), b'{"stamp":3,"first":50,"high":54,"hue":1}', 0, ()
    )
    await bronze.put(newer, Outgoing("market.crypto.feed.coverage", store.attempts_key, b'{"at":1}', 0, ()))
    restored = await store.restore()
    found = restored.coverages[SYMBOL]
    assert (found.first, found.high, ids_of(found.gaps)) == (50, 54, [(52, 53)])
    assert restored.attempts == []
    assert restored.ignored == {"unreadable_checkpoint": 1, "unreadable_attempts": 1}


async def test_gap_records_that_cannot_be_read_are_passed_over(bronze: Bronze) -> None:
    """The others count."""
    coverage = Coverage(first=10, high=13, gaps=Gaps([Gap(11, 12, Cause.RECONNECT, 5, 0)]))
    told = GapRecord(
        exchange="KRAKEN", symbol=SYMBOL, state=GapState.OPENED, first_id=11, last_id=12, cause=Cause.RECONNECT,
        opened_at=5, at=6,
    )  # fmt: skip
    known = feed_records.gaps.outgoing(told)
    newer = Outgoing(known.topic, known.key, known.value.replace(b"reconnect", b"meteorite"), 0, ())
    await bronze.put(bronze.store().checkpoint(SYMBOL, coverage, 0), newer, known, newer)
    restored = await bronze.store().restore()
    assert list(restored.gaps[SYMBOL].open) == [(11, 12)]
    assert restored.ignored == {"unreadable_gap": 2}


async def test_a_checkpoint_of_more_gaps_than_a_record_holds_is_restored(bronze: Bronze) -> None:
    """100,000 of them are ten times what the topic takes as one record."""
    coverage = Coverage()
    coverage.begin(1)
    for trade_id in range(1, 200_002, 2):
        coverage.offer(trade_id, 0)
    store = bronze.store()
    await bronze.trades(1)
    await bronze.put(*store.records(SYMBOL, store.saved(coverage, 1)))
    found = await bronze.restored()
    assert (found.first, found.high, len(found.gaps)) == (1, 200_001, 100_000)
    assert [*found.gaps] == [*coverage.gaps]


@dataclass
class Publisher:
    """Writes at once, and has acknowledged so many bronze records of each partition."""

    bronze: Bronze
    end: int
    put_so_far: list[Outgoing] = field(default_factory=list)

    @property
    def acknowledged(self) -> dict[tuple[str, int], int]:
        return dict.fromkeys(((BRONZE_TOPIC, partition) for partition in range(12)), self.end)

    def put(self, record: Outgoing) -> None:
        self.put_so_far.append(record)

    async def flush(self) -> None:
        records, self.put_so_far = self.put_so_far, []
        await self.bronze.put(*records)


@pytest.mark.parametrize("captured", [True, False])
async def test_a_start_reads_a_bounded_part_of_bronze_for_a_quiet_symbol(bronze: Bronze, captured: bool) -> None:
    """Its neighbour's trades go on, and its checkpoint follows them, also while it is not captured."""
    quiet, busy = Coverage(first=7, high=7), bronze.neighbour()
    publisher: Any = Publisher(bronze, 0)
    tracker = SymbolTracker(8)
    if captured:
        tracker.add(SYMBOL, quiet)
    left = {} if captured else {SYMBOL: quiet}
    ends = dict.fromkeys(range(12), 0)
    checkpoints = Checkpoints(publisher, bronze.store(), tracker, 5, ends, {}, left, lambda: None, replay_max=100)
    await checkpoints.write()
    publisher.end = 120
    await bronze.trades(*range(1, 121), symbol=busy)
    await checkpoints.write()
    await bronze.trades(*range(121, 141), symbol=busy)
    restored = await bronze.store().restore()
    assert restored.replayed == 20
    assert (restored.coverages[SYMBOL].first, restored.coverages[SYMBOL].high) == (7, 7)


async def test_a_start_deletes_the_gaps_that_it_replaces_and_those_of_a_crash(bronze: Bronze) -> None:
    """Of this instance: the records of another may be in use."""
    coverage = Coverage()
    coverage.begin(1)
    for trade_id in range(1, 1_000, 2):
        coverage.offer(trade_id, 0)
    for instance in ("0", "other"):
        store = bronze.store(instance)
        await bronze.put(*store.records(SYMBOL, store.saved(coverage, 0)))
    restored = await bronze.store().restore()
    publisher: Any = Publisher(bronze, 0)
    tracker = SymbolTracker(8)
    tracker.add(SYMBOL, restored.coverages[SYMBOL])
    ends, chunks = restored.ends, restored.chunks
    checkpoints = Checkpoints(publisher, bronze.store(), tracker, 5, ends, chunks, {}, lambda: None)
    checkpoints.adopt()
    await checkpoints.write()
    await publisher.flush()
    again = await bronze.store().restore()
    assert [*again.coverages[SYMBOL].gaps] == [*coverage.gaps]
    assert again.chunks.keys() == {SYMBOL}
    assert len(again.chunks[SYMBOL]) == 1
    assert (await bronze.store("other").restore()).chunks.keys() == {NOBODY}
