"""Candles made again: their table is emptied; warm_sink notices, and folds gold's topic from its first record."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

from k2_shared.core.errors import Unavailable

_LOOK_S = 1.0
_TRADES = "SELECT kafka_partition, max(kafka_offset) + 1 FROM gold_trades GROUP BY kafka_partition"
_FOLDED = "SELECT kafka_partition, max(last_offset) + 1 FROM candles WHERE timeframe = '1d' GROUP BY kafka_partition"
_COUNT = "SELECT count() FROM candles FINAL"

Ends = Mapping[int, int]
"""By partition of gold, the offset behind the last one."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far candles are, by partition, and how far the table of trades was when they were emptied."""

    folded: Ends
    trades: Ends

    @property
    def is_done(self) -> bool:
        """Whether every trade of then is in its candles."""
        return all(self.folded.get(partition, 0) >= end for partition, end in self.trades.items())

    def __str__(self) -> str:
        done = sum(min(self.folded.get(partition, 0), end) for partition, end in self.trades.items())
        return f"folded up to {done:,} of {sum(self.trades.values()):,} offsets of gold"


def count(client: Client) -> int:
    """How many candles there are. Blocks."""
    return int(client.query(_COUNT).result_rows[0][0])


def empty(client: Client) -> Progress:
    """Delete every candle; returns from where to where they are to be made again. Blocks."""
    trades = _ends(client, _TRADES)
    client.command("TRUNCATE TABLE candles")
    return Progress({}, trades)


def follow(client: Client, begun: Progress, wait_s: float, show: Callable[[Progress], None]) -> None:
    """Return when every trade is folded; shows how far that is, again and again. Blocks, so many seconds at most.

    Raises:
        Unavailable: there is something left to fold after that.
    """
    until = time.monotonic() + wait_s
    while not (now := Progress(_ends(client, _FOLDED), begun.trades)).is_done:
        show(now)
        if time.monotonic() >= until:
            raise Unavailable(
                f"candles are {now} after {wait_s:g} s: warm_sink makes the rest when it runs, and with the next trade "
                "where it does; 'k2 status' says whether it is there"
            )
        time.sleep(_LOOK_S)


def _ends(client: Client, sql: str) -> Ends:
    return {int(partition): int(end) for partition, end in client.query(sql).result_rows}
