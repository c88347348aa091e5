"""Recent trades: bounded over all symbols, and exact."""

import tracemalloc

import pytest

from k2_shared.core.trade import Trade
from k2_shared.feed.coverage.recent import MOST
from k2_shared.feed.publish.tracker import SymbolTracker
from k2_support.records import trade

WINDOW = 1_024


def made(symbol: str, trade_id: int) -> Trade:
    """A trade that shares nothing with another, as one that was read from a frame."""
    return trade(symbol=symbol, trade_id=trade_id, vendor_data={"ord_type": "market"})


def resident(symbols: int, each: int) -> int:
    """Bytes that a tracker holds after so many trades of each of so many symbols, all in turn."""
    tracemalloc.start()
    try:
        tracker = SymbolTracker(WINDOW)
        names = [f"S{number}/USD" for number in range(symbols)]
        for name in names:
            tracker.add(name)
        for trade_id in range(1, each + 1):
            for name in names:
                tracker.take((made(name, trade_id),), connection=1)
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def test_1000_symbols_with_full_windows_take_little_more_than_the_windows_of_the_first() -> None:
    """Not a window each: the trades in all windows are bounded."""
    full = resident(MOST // WINDOW, WINDOW)
    assert resident(1_000, 3 * MOST // 1_000) < 2 * full


@pytest.mark.parametrize("symbols", [1, MOST // WINDOW, 200])
def test_a_copy_from_another_socket_is_suppressed_whatever_the_number_of_symbols(symbols: int) -> None:
    """A moment later, with the trades of all others between."""
    tracker = SymbolTracker(WINDOW)
    names = [f"S{number}/USD" for number in range(symbols)]
    for name in names:
        tracker.add(name)
    for trade_id in range(1, 21):
        for name in names:
            assert tracker.take((made(name, trade_id),), connection=1)
    copies = sum(not tracker.take((made(name, 20),), connection=2) for name in names)
    assert copies >= 0.9 * symbols


def test_trades_of_two_symbols_with_one_id_are_no_copies() -> None:
    """In a shared window they may stand in one place, with equal price, quantity and side."""
    tracker = SymbolTracker(2 * MOST)
    names = [f"S{number}/USD" for number in range(3_000)]
    for name in names:
        tracker.add(name)
    for connection, name in enumerate(names):
        assert tracker.take((made(name, 7),), connection)
        assert tracker.take((made(name, 7),), -1) == []
