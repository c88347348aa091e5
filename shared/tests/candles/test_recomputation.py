"""Candles made again from trades, beside those that are stored."""

import random

import numpy as np
import pytest
from shared.tests.candles.examples import trade
from shared.tests.candles.oracle import GoldTrade, buckets_of, candles, columns, rows_of, said

from k2_shared.candles.recomputation import Differences, Recomputation
from k2_shared.candles.rows import CandleRows, chosen, of_no_trade

MINUTE = 60_000_000
TRADES = [
    trade(offset, at=offset * 40_000_000 % (7 * MINUTE), trade_id=offset, price=100 + offset) for offset in range(30)
]


def up_to(last: int) -> CandleRows:
    """The candles of the trades up to an offset."""
    return rows_of(candles(each for each in TRADES if each.offset <= last))


def compared(stored: CandleRows, end: int = 30, trades: list[GoldTrade] = TRADES, parts: int = 1) -> Differences:
    """The stored candles beside trades, which come shuffled and in parts."""
    shuffled = random.Random(7).sample(trades, len(trades))
    recomputation = Recomputation(stored, end)
    for part in range(parts):
        recomputation.add(columns(shuffled[part::parts]))
    return recomputation.differences()


@pytest.mark.parametrize("parts", [1, 2, 7])
@pytest.mark.parametrize("last", [-1, 0, 11, 29])
def test_candles_of_some_of_the_trades_are_right_for_what_they_know(last: int, parts: int) -> None:
    """A sink that is behind is not wrong, however the trades come."""
    assert len(compared(up_to(last), last + 1, parts=parts)) == 0


def test_candles_that_lack_are_made_of_what_is_folded() -> None:
    """And of no trade beyond that, which a sink has yet to take."""
    found = compared(of_no_trade(0), 20)
    assert said(found.made) == candles(each for each in TRADES if each.offset < 20)
    assert not len(found.excess)


@pytest.mark.parametrize("name", ["open", "high", "low", "close", "volume", "quote_volume", "trade_count", "close_id"])
def test_any_value_that_is_wrong_is_found(name: str) -> None:
    """Of one candle, whose right one is made."""
    stored = up_to(29)
    stored[name][3] += 1
    found = compared(stored)
    assert said(found.made) == said(chosen(up_to(29), [3]))
    assert not len(found.excess)


def test_a_candle_that_counts_too_few_trades_for_its_offset_is_wrong() -> None:
    """It would never take the one that it lacks."""
    lacking = rows_of(candles(each for each in TRADES if each.offset != 3))
    found = compared(lacking)
    assert said(found.made) == {at: said(up_to(29))[at] for at in buckets_of(TRADES[3])}


def test_a_candle_beyond_the_last_trade_is_excess() -> None:
    """It outweighs the right one, so it is to go; so is one of a window without a trade."""
    stored = up_to(29)
    stored["last_offset"][2] += 1_000
    stored["window_start"][0] -= MINUTE
    found = compared(stored)
    assert said(found.excess) == said(chosen(stored, [0, 2]))
    assert said(found.made) == said(chosen(up_to(29), [0, 2]))
    assert len(found) == 3


def test_without_trades_every_candle_is_excess() -> None:
    """Nothing is made."""
    found = compared(up_to(29), trades=[])
    assert (len(found.made), len(found.excess)) == (0, len(up_to(29)))


def test_the_largest_totals_are_exact() -> None:
    """Parts of a window are added without rounding."""
    most = [GoldTrade(0, each, each, 10**18 - 1, 10**18 - 1, each) for each in range(1, 9)]
    recomputation = Recomputation(of_no_trade(0), 9)
    for each in most:
        recomputation.add(columns([each]))
    assert said(recomputation.differences().made) == candles(most)
    assert np.unique(recomputation.differences().made["trade_count"]).tolist() == [8]
