"""What is told to gold: trades with repeats, late ones, ties, extremes, and conflicts, of which the first counts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Context, Decimal
from pathlib import Path

from tests.bench.market import RUN, Market

from exchange_sim.recordings import load
from k2_shared.core.trade import Side, Trade, fits

REPEAT_EVERY, CONFLICT_EVERY, LATE_EVERY, EXTREME_EVERY = 100, 1_000, 97, 9_973
_CONFLICT_AT = CONFLICT_EVERY - REPEAT_EVERY // 2  # one that follows no repeat
LATEST_US = 25 * 3_600_000_000
MOST, LEAST = Decimal("9999999999.99999999"), Decimal("0.00000001")
_EXACT = Context(prec=80)
_MIXED = 2_654_435_761  # Knuth's multiplier: numbers become anything but a row


@dataclass(frozen=True)
class ToldMarket(Market):
    """A market whose prices go up and down; its trades by number are what is told, one after the other.

    One in a hundred is the one before it again, and one in a thousand says another price of it.
    """

    def trade(self, number: int) -> Trade:
        if number % CONFLICT_EVERY == _CONFLICT_AT:
            before = self._first(number - 1)
            return before._replace(price=LEAST if before.price == MOST else before.price + LEAST)
        return self._first(number - (number % REPEAT_EVERY == REPEAT_EVERY - 1))

    def _first(self, number: int) -> Trade:
        exchange, symbol = self.symbol(number)
        mixed = number * _MIXED % 2**32
        trade_id = self.first_id + number // (RUN * self.symbols) * RUN + number % RUN
        at = self.begin_us + number // 2 * 2 * self.step_us  # two have the same time
        late_us = mixed * LATEST_US // 2**32 if number % LATE_EVERY == 0 else 0
        price, quantity = Decimal(10**11 + mixed % 10**10).scaleb(-8), Decimal(1 + mixed % 10**9).scaleb(-8)
        if number % EXTREME_EVERY == 0:
            price, quantity = (MOST, MOST) if mixed % 2 else (LEAST, LEAST)
        return Trade(exchange, symbol, trade_id, at - late_us, price, quantity, "BUY" if mixed % 3 else "SELL")


def recorded(folder: Path) -> Iterator[Trade]:
    """The trades of a folder of recordings that a record can hold, every hundredth told again."""
    for recording in load(folder):
        of = recording.instrument
        for number, each in enumerate(recording.trades):
            price, quantity = Decimal(each.price), Decimal(each.qty)
            if fits(price) and fits(quantity):
                side: Side = "BUY" if each.side == "buy" else "SELL"
                trade = Trade(of.venue, of.symbol, each.trade_id, each.time_ns // 1_000, price, quantity, side)
                yield from [trade] * (1 + (number % REPEAT_EVERY == 0))


@dataclass
class Account:
    """What gold must have of what it was told: so many trades, so much of them, and for so much."""

    told: int = 0
    trades: int = 0
    volume: Decimal = Decimal()
    quote_volume: Decimal = Decimal()
    _ids: dict[tuple[str, str], set[int]] = field(default_factory=dict)

    def of(self, trades: Iterable[Trade]) -> Iterator[Trade]:
        """Trades as they are told; each is counted when it is first told."""
        for trade in trades:
            self.told += 1
            known = self._ids.setdefault((trade.exchange, trade.symbol), set())
            if trade.trade_id not in known:
                known.add(trade.trade_id)
                self._count(trade)
            yield trade

    def _count(self, trade: Trade) -> None:
        self.trades += 1
        self.volume = _EXACT.add(self.volume, trade.quantity)
        self.quote_volume = _EXACT.fma(trade.price, trade.quantity, self.quote_volume)
