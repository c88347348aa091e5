"""The fold of gold's trades into candles, which equal a recomputation from all trades to the last digit.

A trade stands in gold once, and all trades of a symbol in one partition: its offset orders them for ever. A candle has
in its ``last_offset`` how far it is folded, and takes only trades beyond that. So a candle is what the topic says up to
its ``last_offset``, whoever wrote it and by whatever batches: replays, overlapping batches, half-landed inserts, a
group that was set back and a second writer change nothing. No transaction is needed, and no order between timeframes.
Of two rows of a bucket the one with the higher ``last_offset`` knows more, and rows with the same one are equal.

It rests on this, which its caller holds:
- a fold is given each partition from one offset on, batch after batch without a hole; an offset before it is no harm;
- what the trades before that offset make is stored: trades are inserted, then candles, then the offset is committed;
- after a change of owner, or a failure whose outcome is unknown, it begins again as a new fold;
- partitions are not renumbered, the topic is not made anew, and no row expires of a window that trades still come for.
"""

from dataclasses import dataclass

import numpy as np

from k2_shared.candles.groups import Groups, grouped, in_all_timeframes
from k2_shared.candles.memory import CandleMemory, CandleReader
from k2_shared.candles.rows import BUCKET, CandleRows, chosen, merged, of_no_trade, put, run_starts
from k2_shared.candles.timeframes import TIMEFRAMES
from k2_shared.candles.trades import GoldTrades, ordered
from k2_shared.core.errors import Halt
from k2_shared.core.layout import Longs


@dataclass(frozen=True, slots=True)
class Folded:
    """What a batch makes of the candles: those that it ``changed``, as they are now, by timeframe, key and window.

    ``late`` counts by timeframe the trades that came for a window older than the newest that their symbol had a candle
    of before the batch. ``touched`` are all candles that the batch has trades of, changed or not.
    """

    changed: CandleRows
    late: Longs
    touched: CandleRows
    turn: int


class CandleFold:
    """Folds batches of gold's trades into candles; reads what it does not remember, and writes nothing.

    ``most_older`` limits how many candles it remembers besides the newest of each symbol and timeframe.

    Raises:
        ConfigError: the limit is negative.
    """

    def __init__(self, reader: CandleReader, most_older: int) -> None:
        self._memory = CandleMemory(reader, most_older)
        self._turn = 0

    @property
    def remembered_older(self) -> int:
        """How many candles are remembered besides the newest ones."""
        return self._memory.older

    def fold(self, batch: GoldTrades) -> Folded:
        """What the candles are with a batch; may read stored ones. Until ``accept``, folding it again says the same.

        Raises:
            Halt: a trade is out of the bounds of gold, or a total exceeds its decimal.
        """
        if not len(batch):
            return Folded(of_no_trade(0), np.zeros(len(TIMEFRAMES), np.int64), of_no_trade(0), self._turn)
        trades = ordered(batch)
        groups = in_all_timeframes(trades)
        touched, older = self._memory.find(groups.rows)
        takes = np.flatnonzero(groups.rows["last_offset"] > touched["last_offset"])
        known = chosen(touched, takes)
        new = _beyond(trades, groups.take(takes), known["last_offset"])
        changed = merged(known, new)
        put(touched, takes, changed)
        late = np.zeros(len(TIMEFRAMES), np.int64)
        np.add.at(late, new["timeframe"], new["trade_count"] * older[takes])
        return Folded(changed, late, touched, self._turn)

    def accept(self, folded: Folded) -> None:
        """Go on from what was folded last: its changed candles are stored, or will be before anything is read again.

        Raises:
            Halt: another batch was accepted since it was folded, which its candles lack.
        """
        if folded.turn != self._turn:
            raise Halt(
                "candles were folded before the batch that was accepted last, and lack it: fold their batch again"
            )
        if len(folded.touched):
            self._turn += 1
            self._memory.remember(folded.touched)


def _beyond(trades: GoldTrades, groups: Groups, last_offset: Longs) -> CandleRows:
    """Candles of those trades of the groups, in each at least one, that are beyond each group's last offset."""
    found = groups.candles()
    partly = groups.first_offset <= last_offset
    if partly.any():
        put(found, partly, _regrouped(trades, groups.take(np.flatnonzero(partly)), last_offset[partly]))
    return found


def _regrouped(trades: GoldTrades, groups: Groups, last_offset: Longs) -> CandleRows:
    """Candles of the trades that are beyond the last offset of their group, one by one."""
    lengths = groups.end - groups.start
    of = np.repeat(np.arange(len(groups)), lengths)
    row = np.arange(len(of)) + np.repeat(groups.start - np.cumsum(lengths) + lengths, lengths)
    beyond = trades.offset[row] > last_offset[of]
    rest = grouped(trades.take(row[beyond]), run_starts(of[beyond]))
    for name in BUCKET:
        rest.rows[name] = groups.rows[name]
    return rest.candles()
