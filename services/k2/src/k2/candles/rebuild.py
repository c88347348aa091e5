"""Candles made again: their table is emptied; warm_sink notices, and folds gold's topic from its first record."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

from k2_shared.core.errors import Unavailable

_LOOK_S = 1.0
_TRADES = "SELECT kafka_partition, toDate(timestamp) AS day, count() FROM gold_trades FINAL GROUP BY ALL"
_FOLDED = """
SELECT kafka_partition, toDate(window_start) AS day, sum(trade_count) FROM candles FINAL WHERE timeframe = '1d'
GROUP BY ALL
"""
_COUNT = "SELECT count() FROM candles FINAL"

Trades = Mapping[tuple[int, str], int]
"""By partition of gold and day, how many."""


@dataclass(frozen=True, slots=True)
class Progress:
    """The trades that are in candles, and those that the table of trades had when these were deleted."""

    folded: Trades
    trades: Trades

    @property
    def is_done(self) -> bool:
        """Whether every trade of then is in its candles."""
        return all(self.folded.get(at, 0) >= count for at, count in self.trades.items())

    def __str__(self) -> str:
        done = sum(min(self.folded.get(at, 0), count) for at, count in self.trades.items())
        return f"made of {done:,} of {sum(self.trades.values()):,} trades"


def count(client: Client) -> int:
    """How many candles there are. Blocks."""
    return int(client.query(_COUNT).result_rows[0][0])


def empty(client: Client) -> Progress:
    """Delete every candle; returns of which trades they are to be made again. Blocks."""
    trades = _trades(client, _TRADES)
    client.command("TRUNCATE TABLE candles")
    return Progress({}, trades)


def follow(client: Client, begun: Progress, wait_s: float, show: Callable[[Progress], None]) -> None:
    """Return when every trade is folded; shows how far that is, again and again. Blocks, so many seconds at most.

    Raises:
        Unavailable: there is something left to fold after that.
    """
    until = time.monotonic() + wait_s
    while not (now := Progress(_trades(client, _FOLDED), begun.trades)).is_done:
        show(now)
        if time.monotonic() >= until:
            raise Unavailable(
                f"candles are {now} after {wait_s:g} s: warm_sink makes the rest when it runs, and with the next trade "
                "where it does; 'k2 status' says whether it is there. Where they stay behind, run this again"
            )
        time.sleep(_LOOK_S)


def _trades(client: Client, sql: str) -> Trades:
    return {(int(partition), str(day)): int(count) for partition, day, count in client.query(sql).result_rows}
