"""Trades of one midnight for examples, and how they are folded and stored."""

from shared.tests.candles.oracle import Candle, GoldTrade, columns, said
from shared.tests.candles.stored import StoredCandles

from k2_shared.candles.fold import CandleFold, Folded
from k2_shared.candles.rows import Bucket, latest
from k2_shared.candles.timeframes import TIMEFRAMES

MIDNIGHT = 1_762_732_800_000_000
MINUTE = 60_000_000
HOUR = 60 * MINUTE
NAMES = [timeframe.name for timeframe in TIMEFRAMES]


def trade(offset: int, at: int = 0, trade_id: int = 0, key: int = 0, price: int = 0) -> GoldTrade:
    """The trade at an offset of gold, so many µs after midnight."""
    return GoldTrade(key, MIDNIGHT + at, trade_id or offset + 1, price or 1_000 + offset, 10 + offset, offset)


def folded(fold: CandleFold, stored: StoredCandles, *trades: GoldTrade) -> Folded:
    """Fold a batch, store what it changed, and go on from it."""
    found = fold.fold(columns(trades))
    stored.write(found.changed)
    fold.accept(found)
    return found


def current(stored: StoredCandles) -> dict[Bucket, Candle]:
    """The stored candles, of each the row that knows most."""
    return said(latest(stored.rows))


def minutes(found: list[Bucket]) -> list[int]:
    """The windows of 1m among these, in minutes after midnight."""
    return [(start - MIDNIGHT) // MINUTE for timeframe, _, start in found if timeframe == 0]
