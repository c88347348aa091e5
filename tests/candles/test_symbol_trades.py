"""Trades are what a venue's symbol is, as far as candles rest on it."""

import random
from collections.abc import Iterator

import pytest
from tests.candles.symbol_trades import SymbolTrades, Told

from k2_shared.core.trade import Trade
from k2_shared.feed.coverage.feed_records import GapState

BEGIN = 1_762_732_800_000_000
HOUR_US = 3_600_000_000


@pytest.fixture(scope="module")
def told() -> list[Told]:
    trades = SymbolTrades("KRAKEN", "T/USD", BEGIN, random.Random(7))
    return [trades.tell() for _ in range(3_000)]


def trades(told: list[Told]) -> Iterator[Trade]:
    return (trade for each in told for trade in each.gold)


def test_gold_has_a_trade_once(told: list[Told]) -> None:
    """Also one that comes late, or after all."""
    ids = [trade.trade_id for trade in trades(told)]
    assert len(set(ids)) == len(ids)


def test_times_rise_with_ids(told: list[Told]) -> None:
    """With ties."""
    by_id = sorted(trades(told), key=lambda trade: trade.trade_id)
    times = [trade.timestamp for trade in by_id]
    assert times == sorted(times)
    assert len(set(times)) < len(times)


def test_some_trades_come_late(told: list[Told]) -> None:
    """By more than a day, too."""
    newest, lateness = 0, [0]
    for trade in trades(told):
        newest = max(newest, trade.timestamp)
        lateness.append(newest - trade.timestamp)
    assert max(lateness) >= 25 * HOUR_US
    assert 20 < sum(map(bool, lateness)) < 1_000


def test_the_ledger_has_every_state(told: list[Told]) -> None:
    """And some ids are in neither gold nor the ledger, others are letters."""
    assert {gap.state for each in told for gap in each.gaps} == set(GapState)
    named = {number for each in told for gap in each.gaps for number in range(gap.first_id, gap.last_id + 1)}
    named |= {trade.trade_id for each in told for trade in each.refused} | {each.trade_id for each in trades(told)}
    assert set(range(1, max(named))) - named
    assert any(each.refused for each in told)


def test_amounts_have_eighteen_digits(told: list[Told]) -> None:
    """From the least to the largest."""
    prices = [trade.price.scaleb(8) for trade in trades(told)]
    assert (min(prices), max(prices)) == (1, 10**18 - 1)
