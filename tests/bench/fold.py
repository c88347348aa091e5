"""What the fold of candles costs a trade, beside a plain pass over the same columns, in one run.

Run it by ``make bench-fold``. The trades are of several symbols, one of a hundred up to an hour late, at two paces of
exchange time: as a live sink gets them, and as history is caught up, where nearly every trade has candles of its own.
The plain pass sorts each batch by key, time and id, and sums one column by minute. Costs are CPU time of this process,
the least of several rounds. All candles are remembered, so none are read: what ClickHouse takes is not in it.
"""

import argparse
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from tests.bench.harness import report, table

from k2_shared.candles.fold import CandleFold
from k2_shared.candles.rows import Bucket, CandleRows, of_no_trade, run_starts
from k2_shared.candles.trades import GoldTrades
from k2_shared.core.layout import Longs

SYMBOLS = (4, 50, 200)
BATCHES = (5_000, 20_000, 50_000)
PACES = {"live": 1_000, "history": 10}
"""Trades in a second of exchange time, of all symbols together."""
ROUNDS = 3
TRADES = 200_000
REMEMBERED = 1_000_000
_BEGIN_US = 1_762_732_800_000_000
_HOUR_US = 3_600_000_000
_LATE = 0.01


class NothingStored:
    """Answers of a table that is empty."""

    def newest(self, keys: Longs) -> CandleRows:
        """No candle."""
        return of_no_trade(0)

    def stored(self, wanted: Collection[Bucket]) -> CandleRows:
        """No candle."""
        return of_no_trade(0)


@dataclass(frozen=True)
class FoldCost:
    """Rows per CPU second of the fold and of the plain pass, and how many candles change per row."""

    pace: str
    symbols: int
    batch: int
    fold: float
    plain: float
    changed: float


def market(symbols: int, pace: int) -> GoldTrades:
    """Trades as they arrive, in milliseconds of the exchange, of bounded random amounts."""
    random = np.random.default_rng(7)
    arrived = _BEGIN_US + np.arange(TRADES) * (1_000_000 // pace)
    late = np.where(random.random(TRADES) < _LATE, random.integers(0, _HOUR_US, TRADES), 0)
    return GoldTrades(
        key=random.integers(0, symbols, TRADES),
        timestamp=(arrived - late) // 1_000 * 1_000,
        trade_id=np.arange(1, TRADES + 1),
        price=random.integers(1, 2**43, TRADES),
        quantity=random.integers(1, 2**33, TRADES),
        offset=np.arange(TRADES),
    )


def batches(trades: GoldTrades, size: int) -> list[GoldTrades]:
    """The trades as a sink gets them."""
    return [trades.take(np.arange(at, min(at + size, TRADES))) for at in range(0, TRADES, size)]


def fold_all(given: list[GoldTrades]) -> int:
    """Fold all batches; returns how many candles changed."""
    fold, changed = CandleFold(NothingStored(), REMEMBERED), 0
    for batch in given:
        found = fold.fold(batch)
        fold.accept(found)
        changed += len(found.changed)
    return changed


def plain(given: list[GoldTrades]) -> int:
    """Sort each batch, and sum its quantities by minute."""
    groups = 0
    for batch in given:
        order = np.lexsort((batch.trade_id, batch.timestamp, batch.key))
        starts = run_starts(batch.key[order], batch.timestamp[order] // 60_000_000)
        groups += len(np.add.reduceat(batch.quantity[order], starts))
    return groups


def rows_a_second(work: Callable[[], int]) -> float:
    """Trades per CPU second of this process, of the best round."""
    least = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        least = min(least, time.process_time() - began)
    return TRADES / least


def costs() -> Iterator[FoldCost]:
    """Measure every pace, number of symbols and size of a batch."""
    for (name, pace), symbols in product(PACES.items(), SYMBOLS):
        trades = market(symbols, pace)
        for size in BATCHES:
            given = batches(trades, size)
            speeds = [rows_a_second(lambda given=given, work=work: work(given)) for work in (fold_all, plain)]
            yield FoldCost(name, symbols, size, *speeds, changed=fold_all(given) / TRADES)


def main() -> None:
    """Print a table for people and, last, one line of JSON."""
    argparse.ArgumentParser(description="What the fold of candles costs a trade.").parse_args()
    columns = ("symbols", "rows a batch", "fold", "plain pass", "fold/plain", "candles a row")
    made, numbers = table("rows per CPU second", "pace", *columns), dict[str, float | int | None]()
    for each in costs():
        ratio = each.fold / each.plain
        cells = (f"{each.symbols}", f"{each.batch:,}", f"{each.fold:,.0f}", f"{each.plain:,.0f}")
        made.add_row(each.pace, *cells, f"{ratio:.2f}", f"{each.changed:.3f}")
        name = f"{each.pace}_{each.symbols}_symbols_{each.batch}_rows"
        numbers |= {name: round(each.fold), f"{name}_to_plain": round(ratio, 3)}
    report([made], numbers)


if __name__ == "__main__":
    main()
