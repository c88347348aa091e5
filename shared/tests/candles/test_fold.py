"""The fold by fixed examples: what a batch makes of candles, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from shared.tests.candles.examples import HOUR, MIDNIGHT, MINUTE, NAMES, current, folded, minutes, trade
from shared.tests.candles.oracle import Candle, GoldTrade, candles, columns, rows_of, said
from shared.tests.candles.stored import StoredCandles

from k2_shared.candles.fold import CandleFold
from k2_shared.candles.rows import buckets
from k2_shared.candles.wide import UNSCALED_LIMIT
from k2_shared.core.errors import Halt


def test_a_trade_is_in_six_candles(stored: StoredCandles) -> None:
    """Named as the tables name them, in windows of UTC."""
    changed = folded(CandleFold(stored, 0), stored, trade(0, 13 * HOUR + 48 * MINUTE - 1)).changed
    starts = [(start - MIDNIGHT) // MINUTE for _, _, start in buckets(changed)]
    assert dict(zip(NAMES, starts, strict=True)) == {
        "1m": 827, "5m": 825, "15m": 825, "30m": 810, "1h": 780, "1d": 0,
    }  # fmt: skip


def test_open_and_close_are_by_time_and_id(stored: StoredCandles) -> None:
    """Not by arrival; of two trades in one microsecond that with the lower id, as a number, is the first."""
    batch = [
        GoldTrade(0, MIDNIGHT + 5, 10, 700, 3, offset=20),
        GoldTrade(0, MIDNIGHT + 5, 9, 400, 2, offset=23),
        GoldTrade(0, MIDNIGHT + 7, 99, 200, 5, offset=21),
        GoldTrade(0, MIDNIGHT + 7, 100, 300, 1, offset=24),
    ]
    changed = said(folded(CandleFold(stored, 0), stored, *batch).changed)
    assert list(changed.values()) == 6 * [
        Candle(
            open=400, high=700, low=200, close=300, volume=11, quote_volume=4_200, trade_count=4,
            open_ts=MIDNIGHT + 5, open_id=9, close_ts=MIDNIGHT + 7, close_id=100,
            lowest_id=9, highest_id=100, last_offset=24,
        )
    ]  # fmt: skip


@pytest.mark.parametrize("cut", range(1, 6))
def test_where_batches_are_cut_changes_nothing(stored: StoredCandles, cut: int) -> None:
    """Later trades may be before the open, after the close, or between them."""
    trades = [trade(0, 50, price=10), trade(1, 90), trade(2, 20, price=99), trade(3, 20, trade_id=1), trade(4, 90, 1)]
    trades.append(trade(5, 2 * MINUTE, key=1))
    fold = CandleFold(stored, 0)
    for batch in (trades[:cut], trades[cut:]):
        folded(fold, stored, *batch)
    assert current(stored) == candles(trades)


def test_what_was_folded_changes_nothing(stored: StoredCandles) -> None:
    """By the same fold, or by a new one that reads what is stored: no row is written."""
    trades = [trade(0), trade(1, MINUTE), trade(2, key=1)]
    fold = CandleFold(stored, 0)
    folded(fold, stored, *trades)
    for again in (fold, CandleFold(stored, 0)):
        assert len(folded(again, stored, *trades[1:]).changed) == 0


def test_of_a_batch_that_overlaps_only_the_rest_is_taken(stored: StoredCandles) -> None:
    """Each trade once, though batches share some, and though one batch repeats some."""
    trades = [trade(offset, offset * MINUTE // 2) for offset in range(9)]
    fold = CandleFold(stored, 0)
    folded(fold, stored, *trades[:5])
    found = folded(fold, stored, *trades[2:], *trades[6:8])
    assert current(stored) == candles(trades)
    assert minutes(buckets(found.changed)) == [2, 3, 4]


def test_a_batch_overlaps_in_a_later_window_too(stored: StoredCandles) -> None:
    """A trade that is late and new stands there before one that was folded."""
    fold = CandleFold(stored, 0)
    folded(fold, stored, trade(0, 2 * MINUTE))
    folded(fold, stored, trade(1, MINUTE), trade(0, 2 * MINUTE))
    assert current(stored) == candles([trade(0, 2 * MINUTE), trade(1, MINUTE)])


@pytest.mark.parametrize("landed", range(1, 6))
def test_an_insert_of_which_a_part_landed_is_completed(stored: StoredCandles, landed: int) -> None:
    """A new fold, by other batches, takes into each candle what that one lacks."""
    trades = [trade(offset, offset * MINUTE // 3) for offset in range(12)]
    folded(CandleFold(stored, 0), stored, *trades[:4])
    lost = CandleFold(stored, 0).fold(columns(trades[4:9])).changed
    stored.write(lost[lost["timeframe"] < landed])
    fold = CandleFold(stored, 0)
    for batch in (trades[4:7], trades[7:]):
        folded(fold, stored, *batch)
    assert current(stored) == candles(trades)


def test_late_trades_are_counted_by_timeframe(stored: StoredCandles) -> None:
    """Those that a candle takes, of a window that was not its symbol's newest before the batch."""
    fold = CandleFold(stored, 0)
    folded(fold, stored, trade(0, HOUR), trade(1, key=1))
    found = folded(fold, stored, trade(2, HOUR - 1), trade(3, 2 * HOUR), trade(4, HOUR + 1), trade(1, key=1))
    assert dict(zip(NAMES, found.late.tolist(), strict=True)) == {
        "1m": 1, "5m": 1, "15m": 1, "30m": 1, "1h": 1, "1d": 0,
    }  # fmt: skip
    assert folded(fold, stored, trade(2, HOUR - 1)).late.tolist() == [0] * 6


def test_until_it_is_accepted_a_batch_may_be_folded_again(stored: StoredCandles) -> None:
    """An insert that failed is repeated whole, with the same rows."""
    fold = CandleFold(stored, 0)
    batch = columns([trade(0), trade(1, MINUTE)])
    first, again = fold.fold(batch), fold.fold(batch)
    assert said(first.changed) == said(again.changed) == candles([trade(0), trade(1, MINUTE)])


def test_what_lacks_an_accepted_batch_is_refused(stored: StoredCandles) -> None:
    """Its candles would forget that batch."""
    fold = CandleFold(stored, 0)
    first, second = fold.fold(columns([trade(0)])), fold.fold(columns([trade(1)]))
    fold.accept(first)
    with pytest.raises(Halt, match="folded before the batch that was accepted last"):
        fold.accept(second)


def test_an_empty_batch_changes_nothing(stored: StoredCandles) -> None:
    """It asks for nothing, and is accepted like any other."""
    fold = CandleFold(stored, 0)
    found = folded(fold, stored)
    assert (len(found.changed), found.late.tolist(), stored.asked_keys) == (0, [0] * 6, [])


@pytest.mark.parametrize(("name", "most"), [("volume", 10**38 - 1), ("quote_volume", 10**76 - 1)])
def test_a_total_beyond_its_decimal_is_refused_by_name(stored: StoredCandles, name: str, most: int) -> None:
    """Trades alone never reach it; a stored row that was damaged may."""
    whole = candles([trade(0)])
    bucket = next(iter(whole))
    for near, refused in ((most - 10**9, False), (most, True)):
        damaged = StoredCandles()
        damaged.write(rows_of(whole | {bucket: whole[bucket]._replace(**{name: near})}))
        fold = CandleFold(damaged, 0)
        if refused:
            says = f"the candle 1m from 2025-11-10T00:00:00.* of key 0 would have a {name} of more than"
            with pytest.raises(Halt, match=says):
                fold.fold(columns([trade(1)]))
        else:
            assert len(fold.fold(columns([trade(1)])).changed) == 6


def test_a_batch_of_200_000_of_the_largest_trades_is_exact(stored: StoredCandles) -> None:
    """In one candle, beside which Python's integers are computed."""
    count, most = 200_000, UNSCALED_LIMIT - 1
    one = columns([trade(0)])
    every = {name: np.full(count, most, np.int64) for name in ("price", "quantity")}
    batch = replace(
        one.take(np.zeros(count, np.int64)), **every, offset=np.arange(count), trade_id=np.arange(count)[::-1] + 1
    )
    whole = next(iter(said(CandleFold(stored, 0).fold(batch).changed).values()))
    assert (whole.volume, whole.quote_volume) == (count * most, count * most**2)
    assert (whole.trade_count, whole.open_id, whole.close_id, whole.last_offset) == (count, 1, count, count - 1)
