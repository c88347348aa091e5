"""Candles on the real ClickHouse equal a recomputation from gold's table, whatever happens to who writes them."""

import random
from collections.abc import Callable, Iterator

import pytest
from services.warm_sink.tests.candle_rig import MIDNIGHT, MINUTE, SYMBOLS, Log, Sink

from k2_shared.candles.timeframes import TIMEFRAMES
from k2_shared.core.errors import Halt
from k2_shared.core.settings import ClickHouseSettings
from k2_shared.feed.coverage.feed_records import GapState
from k2_shared.kafka.topics import GOLD, Names
from k2_support.warm_candles import assert_candles, shown
from k2_support.warm_tables import WarmTables
from warm_sink.rules import Source

DAY = 1_440 * MINUTE
NAMES = [timeframe.name for timeframe in TIMEFRAMES]
Start = Callable[[], Sink]


@pytest.fixture
def start(tables: WarmTables, names: Names) -> Iterator[Start]:
    """Starts a sink of this test's tables."""
    made: list[Sink] = []

    def start() -> Sink:
        made.append(Sink(ClickHouseSettings.load(), names))
        return made[-1]

    yield start
    for each in made:
        each.warehouse.close()


@pytest.fixture
def log() -> Log:
    """The records of this test."""
    return Log()


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 6))])
def test_whatever_happens_candles_equal_a_recomputation(start: Start, tables: WarmTables, log: Log, seed: int) -> None:
    """Ties, late trades, sinks that die between the halves of a batch, overlap, or are set back; gaps and letters."""
    chance = random.Random(seed)
    sinks, at, read = [start(), start()], 0, [dict.fromkeys(log.gold, 0), dict.fromkeys(log.gold, 0)]
    committed = dict.fromkeys(log.gold, 0)
    for _ in range(40):
        at += chance.choice([0, 1, MINUTE // 7, 7 * MINUTE])
        _trade_on(log, chance, at)
        _miss_some(log, chance, sinks[0])
        which = chance.randrange(2)
        batch = [
            each
            for part, records in log.gold.items()
            for each in records[read[which][part] :][: chance.choice([1, 9, 99])]
        ]
        match chance.randrange(6):
            case 0:  # killed between trades and candles
                sinks[which].put("gold_trades", batch) if batch else None
                sinks[which], read[which] = start(), dict(committed)
            case 1:  # killed before the commit
                sinks[which].gold(batch)
                sinks[which], read[which] = start(), dict(committed)
            case 2:  # the group is set back
                committed = {part: chance.randrange(offset + 1) for part, offset in committed.items()}
                sinks[which], read[which] = start(), dict(committed)
            case _:
                sinks[which].gold(batch)
                for each in batch:
                    read[which][each.partition] = each.offset + 1
                committed = dict(read[which])
    last = start()
    last.gold([each for part, records in log.gold.items() for each in records[committed[part] :]])
    assert_candles(tables, log.missing())


def _trade_on(log: Log, chance: random.Random, at: int) -> None:
    """A few trades, some of them late, some of them ids that a gap had."""
    for _ in range(chance.randrange(12)):
        partition = chance.randrange(3)
        late = chance.choice([0, 0, 0, 90, 1_500]) * MINUTE
        newest = max((each for symbol, each in log.ids if symbol == SYMBOLS[partition]), default=50)
        trade_id = max(1, newest + chance.choice([1, 1, 1, 1, 3, -chance.randrange(1, 30)]))
        log.trade(partition, trade_id, at - late)


def _miss_some(log: Log, chance: random.Random, sink: Sink) -> None:
    """Records of the ledger and dead letters, inserted by halves of a sink's life."""
    symbol, first = chance.choice(SYMBOLS), chance.randrange(20, 120)
    if chance.random() < 0.4:
        before = len(log.ledger)
        log.gap(symbol, first, first + chance.randrange(5), chance.choice(list(GapState)))
        sink.ledger(log.ledger[before:])
    if chance.random() < 0.2:
        before = len(log.letters)
        log.letter(symbol, first)
        sink.letters(log.letters[before:])


@pytest.mark.parametrize("has_inserted", [True, False])
def test_no_candle_is_written_where_the_table_has_lost_rows(
    start: Start, tables: WarmTables, log: Log, has_inserted: bool
) -> None:
    """What a fold reads there may lack trades for ever; before a sink's first insert it is known by the ends."""
    for number in range(3):
        log.trade(1, number + 1, number * 70 * MINUTE)
    sink = start()
    sink.gold(log.gold[1])
    if not has_inserted:
        sink = start()
    tables.command("TRUNCATE TABLE candles")
    log.trade(1, 4, 1)
    assert not sink.candles.follow(sink.put("gold_trades", log.gold[1][3:]))
    assert tables.ask("SELECT count() FROM candles") == [(0,)]
    start().gold(log.gold[1])
    assert_candles(tables)


def test_a_batch_again_changes_nothing(start: Start, tables: WarmTables, log: Log) -> None:
    """Not even a row's version is written."""
    for number in range(20):
        log.trade(1, number + 1, number * MINUTE)
    sink = start()
    sink.gold(log.gold[1])
    written = tables.ask("SELECT count(), max(written_at) FROM candles FINAL")
    sink.gold(log.gold[1][3:9])
    start().gold(log.gold[1])
    assert tables.ask("SELECT count(), max(written_at) FROM candles FINAL") == written
    assert_candles(tables)


def test_late_trades_are_counted_in_every_timeframe(start: Start, tables: WarmTables, log: Log) -> None:
    """And change the candles that they are of."""
    log.trade(1, 1, 0)
    log.trade(1, 3, 70 * MINUTE)
    sink = start()
    sink.gold(log.gold[1])
    log.trade(1, 2, MINUTE - 1)
    sink.gold(log.gold[1][2:])
    assert [_count(sink, "late", name) for name in NAMES] == [1, 1, 1, 1, 1, 0]
    assert_candles(tables)


def _count(sink: Sink, which: str, timeframe: str) -> float | None:
    return sink.registry.get_sample_value(f"k2_candle_{which}_trades_total", {"timeframe": timeframe})


def test_a_gap_that_is_filled_turns_its_candles_complete(start: Start, tables: WarmTables, log: Log) -> None:
    """Opened and given up they are not, and both neighbours count; an hour is where one of its minutes is."""
    for trade_id, minute in ((1, 0), (2, 1), (5, 2), (6, 3), (9, 61)):
        log.trade(1, trade_id, minute * MINUTE)
    sink, seen = start(), []
    sink.gold(log.gold[1])
    for first, last, state in (
        (3, 4, GapState.OPENED),
        (7, 8, GapState.OPENED),
        (7, 8, GapState.UNFILLABLE),
        (3, 4, GapState.FILLED),
    ):
        log.gap(SYMBOLS[1], first, last, state)
        sink.ledger(log.ledger[-1:])
        assert_candles(tables, log.missing())
        seen.append([[each["missing_trades"] for each in shown(tables, TIMEFRAMES[place])] for place in (0, 4)])
    assert seen == [
        [[0, 2, 2, 0, 0], [2, 0]],
        [[0, 2, 2, 2, 2], [4, 2]],
        [[0, 2, 2, 2, 2], [4, 2]],
        [[0, 0, 0, 2, 2], [2, 2]],
    ]


def test_a_trade_that_was_missing_is_not_once_gold_has_it(start: Start, tables: WarmTables, log: Log) -> None:
    """Whatever the ledger says, and though the trade came first."""
    for trade_id in (1, 2, 6):
        log.trade(1, trade_id, trade_id * MINUTE)
    sink = start()
    sink.gold(log.gold[1])
    log.gap(SYMBOLS[1], 2, 5, GapState.OPENED)
    sink.ledger(log.ledger)
    log.letter(SYMBOLS[1], 7)
    sink.letters(log.letters)
    assert_candles(tables, {("KRAKEN", SYMBOLS[1]): [(3, 5), (7, 7)]})
    for trade_id in (4, 7):
        log.trade(1, trade_id, trade_id * MINUTE)
    sink.gold(log.gold[1][3:])
    assert_candles(tables, {("KRAKEN", SYMBOLS[1]): [(3, 3), (5, 5)]})


def test_an_id_that_no_venue_gives_is_not_missing(start: Start, tables: WarmTables, log: Log) -> None:
    """As that of a trade which was refused for it."""
    log.trade(1, 1, 0)
    sink = start()
    sink.gold(log.gold[1])
    for trade_id in (0, -7):
        log.letter(SYMBOLS[1], trade_id)
    sink.letters(log.letters)
    assert tables.ask("SELECT sum(length(first_ids)) FROM missing_ids FINAL") == [(0,)]


def test_what_an_older_version_left_is_looked_at(start: Start, tables: WarmTables, log: Log) -> None:
    """Ledger and letters stand in their tables, and nobody followed them."""
    for trade_id in (1, 9):
        log.trade(1, trade_id, trade_id * MINUTE)
    log.gap(SYMBOLS[1], 2, 5, GapState.UNFILLABLE)
    log.letter(SYMBOLS[1], 7)
    sink = start()
    sink.put("gaps", log.ledger)
    sink.put("dead_letters", log.letters)
    sink.gold(log.gold[1])
    sink.missing.begin_ledger()
    sink.missing.begin_letters()
    assert_candles(tables, log.missing())


def test_a_trade_of_a_candle_that_may_have_expired_is_refused(start: Start, tables: WarmTables, log: Log) -> None:
    """It begins none, and is counted; a candle whose row is too old to be sure of is not changed either."""
    log.trade(1, 1, 0)
    log.trade(1, 3, 10 * DAY)
    start().gold(log.gold[1])
    tables.command(
        "ALTER TABLE sink_state UPDATE began_at = now() - INTERVAL 400 DAY WHERE 1 SETTINGS mutations_sync = 1"
    )
    tables.command(
        "ALTER TABLE candles UPDATE written_at = now() - toIntervalDay(if(timeframe < '1h', 29, 1)) "
        f"WHERE window_start < fromUnixTimestamp64Micro({MIDNIGHT + 9 * DAY}) SETTINGS mutations_sync = 1"
    )
    before = tables.ask("SELECT * FROM candles FINAL ORDER BY timeframe, window_start")
    sink = start()
    log.trade(1, 2, 1)
    sink.gold(log.gold[1][2:])
    assert [_count(sink, "refused", name) for name in NAMES] == [1, 1, 1, 1, 0, 0]
    after = tables.ask("SELECT * FROM candles FINAL ORDER BY timeframe, window_start")
    assert [row for row in after if row not in before] == [
        row for row in after if row[0] in ("1h", "1d") and row[10] == 2
    ]
    log.trade(1, 4, -400 * DAY)
    log.trade(1, 5, 10 * DAY + 1)
    sink.gold(log.gold[1][3:])
    assert [_count(sink, "refused", name) for name in NAMES] == [2, 2, 2, 2, 1, 1]
    assert [each["trade_count"] for each in shown(tables, TIMEFRAMES[0])] == [1, 2]


def test_how_far_candles_are_is_told_by_partition(start: Start, log: Log) -> None:
    """So that a start reads again what they lack; without any candle nothing of it has expired."""
    sink = start()
    assert (sink.filled.ends, sink.filled.kept_hours) == ({}, None)
    for number in range(5):
        log.trade(number % 2, number + 1, number)
    sink.gold(log.gold[0] + log.gold[1])
    assert start().filled.ends == {(GOLD, 0): 3, (GOLD, 1): 2}
    assert start().filled.kept_hours == 364 * 24


def test_candles_of_another_topic_halt(start: Start, log: Log) -> None:
    """Its offsets are not those that the candles know."""
    log.trade(1, 1, 0)
    sink = start()
    sink.gold(log.gold[1])
    with pytest.raises(Halt, match=r"table candles: topic .* was created anew"):
        sink.candles.begin({GOLD: Source("cluster", "another", 12)})


def test_candles_that_are_emptied_are_missed(start: Start, tables: WarmTables, log: Log) -> None:
    """Before the next insert, which would hide it."""
    log.trade(1, 1, 0)
    sink = start()
    sink.gold(log.gold[1])
    assert sink.candles.stand()
    tables.command("TRUNCATE TABLE candles")
    assert not sink.candles.stand()
