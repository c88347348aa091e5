"""What ``make bench-candles`` measures, and that each part of it does."""

import pytest
from tests.bench.candles import Measured, numbers, tables
from tests.bench.candles_history import Begun, History, measure_history
from tests.bench.market import Market
from tests.bench.warm_inserts import InsertCost, measure_inserts
from tests.bench.warm_reads import Reads

OURS, PLAIN = InsertCost(100, 0.8, 0.2, 200.4), InsertCost(100, 0.1, 0.4, 90.0)
BEGUN = Begun(1.26, 0.9, 0.33, 2.0, 50, 150.0)
HISTORY = History(1_000, 400, Reads(2, 3.0, 4.0), Reads(2, 5.0, 6.0), 7, BEGUN, 600.0)


def test_the_last_line_has_what_each_number_of_symbols_costs() -> None:
    """Rows per CPU second of client and server together, and what a reader and a start wait."""
    found = Measured({4: (OURS, PLAIN), 50: (PLAIN, PLAIN)}, HISTORY)
    said = numbers(found)
    assert said["ours"] == {"4": 100, "50": 200}
    assert said["plain"] == {"4": 200, "50": 200}
    assert said["ratio"] == {"4": 0.5, "50": 1.0}
    assert said["candles_1440_ms"] == {"p50": 3, "p99": 4}
    assert said["candles_1440_missing_ms"] == {"p50": 5, "p99": 6}
    assert said["start_s"] == 1.3
    assert said["start_cpu_s"] == {"sink": 0.9, "server": 0.3}
    assert said["memory_mb"] == {"sink": 200, "sink_history": 150, "server": 600}
    assert len(tables(found)) == 3


def test_trades_follow_each_other_at_the_pace_of_their_market() -> None:
    """In the exchange's time: so many windows have candles."""
    first, last = (Market(begin_us=60_000_000, step_us=1_000).trade(number) for number in (0, 500))
    assert (first.timestamp, last.timestamp) == (60_000_000, 60_500_000)


@pytest.mark.long
async def test_a_sink_of_few_symbols_is_measured_beside_a_plain_insert() -> None:
    """Of the same trades, each of which the sink has put into a candle, else the benchmark ends."""
    ours, plain = await measure_inserts(2_000, Market(symbols=4, step_us=1_000))
    assert ours.rows == plain.rows == 2_000
    assert min(ours.client_s, plain.client_s) > 0


@pytest.mark.long
async def test_candles_of_a_history_are_read_and_a_sink_goes_on_with_them() -> None:
    """Every trade is in a candle of each timeframe afterwards, and some candles say that they lack some."""
    found = await measure_history(40_000, reads=4, trades=2_000, candles=20)
    assert (found.complete.count, found.incomplete.count) == (4, 4)
    assert found.candles > 96 * 30
    assert found.lacking > 0
    assert 0 < found.begun.first_s <= found.begun.all_s


@pytest.mark.long
async def test_a_symbol_that_has_too_few_candles_is_not_measured() -> None:
    """The benchmark ends, and says which."""
    with pytest.raises(SystemExit, match="rows of S"):
        await measure_history(20_000, reads=1, trades=960, candles=1_000)
