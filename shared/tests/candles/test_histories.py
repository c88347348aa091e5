"""Whatever happens to batches, inserts and processes, every stored row is what the trades up to its offset make."""

import random
from collections import defaultdict
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from shared.tests.candles.oracle import GoldTrade, buckets_of, candle, candles, columns, said
from shared.tests.candles.stored import StoredCandles

from k2_shared.candles.fold import CandleFold
from k2_shared.candles.rows import Bucket, chosen, latest
from k2_shared.candles.wide import UNSCALED_LIMIT

BEGIN = 1_762_732_800_000_000
MINUTE = 60_000_000
DAY = 1_440 * MINUTE
KEYS = 3
PARTITIONS = 2

AMOUNTS = st.integers(1, UNSCALED_LIMIT - 1) | st.integers(1, 9) | st.just(UNSCALED_LIMIT - 1)
LATENESS = st.just(0) | st.integers(0, 25 * 60 * MINUTE) | st.sampled_from([MINUTE, 60 * MINUTE, DAY])


@st.composite
def topics(draw: st.DrawFn) -> list[GoldTrade]:
    """Gold's trades as they arrived: ids in any order, ties in time, late ones, offsets with holes."""
    found: list[GoldTrade] = []
    now, offsets = BEGIN, [draw(st.integers(0, 5))] * PARTITIONS
    ids: dict[int, set[int]] = defaultdict(set)
    for _ in range(draw(st.integers(1, 60))):
        key = draw(st.integers(0, KEYS - 1))
        now += draw(st.sampled_from([0, 0, 1, 1_000, MINUTE // 2, 7 * MINUTE, 5 * 60 * MINUTE]))
        trade_id = draw(st.integers(1, 90).filter(lambda each, key=key: each not in ids[key]))
        ids[key].add(trade_id)
        offsets[key % PARTITIONS] += draw(st.integers(1, 3))
        offset = offsets[key % PARTITIONS]
        found.append(GoldTrade(key, now - draw(LATENESS), trade_id, draw(AMOUNTS), draw(AMOUNTS), offset))
    return found


@dataclass
class Writer:
    """A process that folds: where it is in the topic, and its fold."""

    at: int
    fold: CandleFold


@dataclass
class World:
    """A topic, what is stored of its candles, the group's offset, and the processes that fold, the newest last."""

    topic: list[GoldTrade]
    limit: int
    seed: int
    committed: int = 0
    stored: StoredCandles = field(init=False)
    writers: list[Writer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.stored = StoredCandles(self.seed)
        self.restart()

    def restart(self, back: int = 0) -> None:
        """A new process goes on from the group's offset, or is set back from there; the old one may still live."""
        self.writers.append(Writer(max(0, self.committed - back), CandleFold(self.stored, self.limit)))

    def batch(self, writer: Writer, size: int, overlap: int) -> list[GoldTrade]:
        """The next trades in any order, some before them again, some twice."""
        found = self.topic[max(0, writer.at - overlap) : writer.at + size]
        found += self.random.sample(found, len(found) // 4)
        self.random.shuffle(found)
        return found

    def step(self, writer: Writer, size: int, overlap: int = 0) -> None:
        """Fold a batch, insert what it changed, and commit."""
        found = writer.fold.fold(columns(self.batch(writer, size, overlap)))
        self.stored.write(found.changed)
        writer.fold.accept(found)
        writer.at = min(len(self.topic), writer.at + size)
        self.committed = max(self.committed, writer.at)

    def fall(self, size: int) -> None:
        """Fold a batch, insert a part of it in any order, and die."""
        found = self.writers[-1].fold.fold(columns(self.batch(self.writers[-1], size, 0)))
        landed = [row for row in range(len(found.changed)) if self.random.random() < 0.5]
        self.stored.write(chosen(found.changed, landed or slice(0, 0)))
        self.restart()

    def fail(self, size: int) -> None:
        """Fold a batch whose insert fails, and fold it again by another cut."""
        writer = self.writers[-1]
        writer.fold.fold(columns(self.batch(writer, size, 0)))
        self.step(writer, max(1, size // 2))


SIZES = st.integers(1, 30)
STEPS = st.one_of(
    st.tuples(st.just("step"), SIZES, st.integers(0, 10)),
    st.tuples(st.just("zombie"), SIZES, st.integers(0, 10)),
    st.tuples(st.just("fall"), SIZES, st.just(0)),
    st.tuples(st.just("fail"), SIZES, st.just(0)),
    st.tuples(st.just("restart"), st.just(0), st.integers(0, 60)),
)


def happen(world: World, what: str, size: int, back: int) -> None:
    """One thing that happens to a sink."""
    match what:
        case "step":
            world.step(world.writers[-1], size, back)
        case "zombie":
            world.step(world.random.choice(world.writers), size, back)
        case "fall":
            world.fall(size)
        case "fail":
            world.fail(size)
        case _:
            world.restart(back)


@settings(max_examples=150, deadline=None)
@given(topics(), st.lists(STEPS, max_size=12), st.sampled_from([0, 1, 2, 7, 1_000]), st.integers(0, 2**32))
def test_candles_equal_a_recomputation(
    topic: list[GoldTrade], steps: list[tuple[str, int, int]], limit: int, seed: int
) -> None:
    """In six timeframes, to the last digit, after replays, halves of inserts, other owners, evictions and restarts."""
    world = World(topic, limit, seed)
    for what, size, back in steps:
        happen(world, what, size, back)
    world.restart()
    while world.writers[-1].at < len(topic):
        world.step(world.writers[-1], 20)
    assert said(latest(world.stored.rows)) == candles(topic)
    assert_each_is_of_its_prefix(world)


def assert_each_is_of_its_prefix(world: World) -> None:
    """Every row that was ever stored is of all trades of its bucket up to its offset."""
    of: dict[Bucket, list[GoldTrade]] = defaultdict(list)
    for trade in world.topic:
        for bucket in buckets_of(trade):
            of[bucket].append(trade)
    for place in range(len(world.stored.rows)):
        ((bucket, found),) = said(world.stored.rows[place : place + 1]).items()
        assert found == candle(trade for trade in of[bucket] if trade.offset <= found.last_offset)
