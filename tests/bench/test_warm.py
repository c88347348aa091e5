"""What ``make bench-warm`` measures, and that each part of it does."""

import numpy as np
import pytest
from tests.bench.generator import Load
from tests.bench.market import Market, original
from tests.bench.warm import Measured, numbers, tables
from tests.bench.warm_arrivals import WARM_UP_S, Queryable, Sightings, delays_ms
from tests.bench.warm_inserts import InsertCost, measure_inserts
from tests.bench.warm_reads import Found, Reads, measure_reads

LOAD = Load("b.", "gold", 7, rate=10_000, seconds=30.0)
READS = Found(1_000, 1.0, Reads(2, 3.0, 4.0), Reads(2, 5.0, 6.0), 1, 600.0)
ARRIVALS = Queryable(9_999.6, 100, 300.2, 900.4, 1.0, {"server": 0.5})


def seen(*looks: tuple[int, dict[int, int]]) -> Sightings:
    return Sightings([time for time, _ in looks], [ends for _, ends in looks])


def test_a_number_is_found_again_by_symbol_and_id() -> None:
    """So that a row tells when its trade was due."""
    market = Market()
    for number in (*range(2_000), 123_456_789):
        trade = market.trade(number)
        assert market.number(trade.symbol, trade.trade_id) == original(number)


def test_a_trade_is_due_when_its_tick_is() -> None:
    """To the microsecond."""
    for tick in (0, 1, 999):
        assert {LOAD.due_us(number) for number in LOAD.due(tick)} == {tick * 5_000}


def test_an_offset_is_first_seen_by_the_first_query_whose_end_is_not_before_it() -> None:
    """By partition; a query that found none of a partition has no end there."""
    found = seen((10, {}), (20, {1: 4}), (30, {1: 4, 2: 0}), (40, {1: 9}))
    assert found.first_seen(1, np.array([0, 4, 5, 9])).tolist() == [20, 20, 40, 40]
    assert found.first_seen(2, np.array([0])).tolist() == [30]


def test_an_offset_that_no_query_found_is_an_error() -> None:
    """It has no time, and is not left out."""
    with pytest.raises(IndexError):
        seen((10, {1: 4})).first_seen(1, np.array([5]))


def test_a_delay_is_from_when_the_trade_was_due() -> None:
    """In ms; what was due in the warm-up is not measured."""
    warm_up = int(WARM_UP_S * LOAD.rate)
    trades = [LOAD.market.trade(number) for number in (0, warm_up, warm_up + 50)]
    rows = [(3, offset, trade.symbol, trade.trade_id) for offset, trade in enumerate(trades)]
    begin_us = 1_000_000_000
    looks = seen((begin_us + 8_000_000, {3: 0}), (begin_us + 8_105_000, {3: 2}))
    assert delays_ms(looks, rows, LOAD, begin_us).tolist() == [105.0, 100.0]


def test_the_last_line_has_both_ways_alone_and_together() -> None:
    """Rows per CPU second of client and server together, and of clients alone."""
    found = Measured(InsertCost(100, 0.8, 0.2, 200.4), InsertCost(100, 0.1, 0.4, 90.0), ARRIVALS, ARRIVALS, READS)
    said = numbers(found)
    assert (said["ours"], said["plain"], said["ratio"]) == (100, 200, 0.5)
    assert (said["ours_client"], said["plain_client"], said["ratio_client"]) == (125, 1_000, 0.12)
    assert said["queryable_ms"] == {"p50": 300, "p99": 900, "rate": 10_000}
    assert said["last_100_ms"] == {"p50": 3, "p99": 4}
    assert said["memory_mb"] == {"sink": 200, "server": 600}
    assert len(tables(found)) == 4


@pytest.mark.long
async def test_the_same_rows_are_inserted_in_both_ways() -> None:
    """Each costs both processes something; the sink is a process of its own."""
    ours, plain = await measure_inserts(3_000)
    assert ours.rows == plain.rows == 3_000
    assert min(ours.client_s, plain.client_s) > 0


async def test_the_last_trades_of_every_symbol_are_read() -> None:
    """A hundred each time, else the benchmark ends."""
    found = await measure_reads(20_000, 4)
    assert (found.quiet.count, found.beside.count) == (4, 4)
    with pytest.raises(SystemExit, match="rows of"):
        await measure_reads(1_000, 1)
