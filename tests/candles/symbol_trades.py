"""A symbol as its venue tells it: ids rise by one and times never fall; some trades come late, or not at all."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from tests.warm.content import random_trade

from k2_shared.core.trade import Exchange, Trade
from k2_shared.feed.coverage.feed_records import GapState

Fate = Literal["in order", "late", "given up", "refused"]
MINUTE_US = 60_000_000
_FATES: dict[Fate, int] = {"in order": 85, "late": 7, "given up": 4, "refused": 4}
_STEPS_US = (0, 0, 0, 1, 1_000, 20_000_000, MINUTE_US, 7 * MINUTE_US, 61 * MINUTE_US)
_LATENESS_US = (1, MINUTE_US, 60 * MINUTE_US, 25 * 60 * MINUTE_US)
_LONGEST_RUN = 4


class LedgerEntry(NamedTuple):
    """A record of the ledger about a symbol."""

    state: GapState
    first_id: int
    last_id: int


@dataclass
class Told:
    """What becomes known at once: the trades that reach gold, those that are refused, and what the ledger says."""

    gold: list[Trade] = field(default_factory=list)
    refused: list[Trade] = field(default_factory=list)
    gaps: list[LedgerEntry] = field(default_factory=list)


@dataclass
class SymbolTrades:
    """Endless trades of one symbol from a time on, in microseconds since the epoch."""

    exchange: Exchange
    symbol: str
    at: int
    rng: random.Random
    last_id: int = 0
    _held: list[tuple[int, Fate, list[Trade]]] = field(default_factory=list)

    def tell(self) -> Told:
        """The next trades, and what is due of those before."""
        told = Told()
        (fate,) = self.rng.choices(list(_FATES), _FATES.values())
        trades = [self._trade() for _ in range(1 if fate == "in order" else self.rng.randint(1, _LONGEST_RUN))]
        self._settle(told)
        if fate == "in order":
            told.gold += trades
        else:
            self._miss(told, fate, trades)
        return told

    def _trade(self) -> Trade:
        self.at += self.rng.choice(_STEPS_US)
        self.last_id += 1
        return random_trade(self.rng, self.exchange, self.symbol, self.last_id, self.at)

    def _miss(self, told: Told, fate: Fate, trades: list[Trade]) -> None:
        """The trades do not come now; of a gap the ledger may know."""
        if fate == "refused":
            told.refused += trades
        elif self.rng.random() < 0.8:
            told.gaps.append(_gap(GapState.OPENED, trades))
        if fate != "refused" or self.rng.random() < 0.5:
            self._hold(fate, trades)

    def _hold(self, fate: Fate, trades: list[Trade]) -> None:
        self._held.append((self.at + self.rng.choice(_LATENESS_US), fate, trades))

    def _settle(self, told: Told) -> None:
        """Those that are due come late, in any order, or are given up, of which some come after all."""
        due, self._held = [each for each in self._held if each[0] <= self.at], [e for e in self._held if e[0] > self.at]
        for _, fate, trades in due:
            if fate == "given up":
                told.gaps.append(_gap(GapState.UNFILLABLE, trades[: self.rng.randint(1, len(trades))]))
                self._hold("late", trades) if self.rng.random() < 0.3 else None
                continue
            told.gold += self.rng.sample(trades, len(trades))
            if self.rng.random() < 0.8:
                told.gaps.append(_gap(GapState.FILLED, trades[: self.rng.randint(1, len(trades))]))


def _gap(state: GapState, trades: Iterable[Trade]) -> LedgerEntry:
    ids = [trade.trade_id for trade in trades]
    return LedgerEntry(state, ids[0], ids[-1])
