"""Trades like real ones, without end."""

from dataclasses import dataclass
from decimal import Decimal

from k2_shared.core.trade import Exchange, Trade
from k2_shared.kafka.topics import EXCHANGES

RUN = 10  # trades of one symbol in a row: a large order meets several small ones
REPEAT_EVERY = 100


@dataclass(frozen=True)
class Market:
    """Symbols spread over exchanges, each with contiguous ids from ``first_id`` on.

    The exchange's time of the first trade is ``begin_us``, and each comes ``step_us`` after the one before.
    """

    exchanges: tuple[Exchange, ...] = EXCHANGES
    symbols: int = 96
    first_id: int = 10_000_000
    begin_us: int = 1_762_795_433_971_744
    step_us: int = 1

    def symbol(self, number: int) -> tuple[Exchange, str]:
        """The exchange and the symbol of a trade's number."""
        place = number // RUN % self.symbols
        return self.exchanges[place % len(self.exchanges)], f"S{place}/USDT"

    def pairs(self) -> list[tuple[Exchange, str]]:
        """Every symbol with its exchange."""
        return [self.symbol(place * RUN) for place in range(self.symbols)]

    def trade(self, number: int) -> Trade:
        """The trade of a number; one in a hundred is the one before it, again."""
        number = original(number)
        exchange, symbol = self.symbol(number)
        return Trade(
            exchange=exchange,
            symbol=symbol,
            trade_id=self.first_id + number // (RUN * self.symbols) * RUN + number % RUN,
            timestamp=self.begin_us + number * self.step_us,
            price=Decimal(1_000_000_000 + number % 100_000).scaleb(-5),
            quantity=Decimal(1 + number % 1_000_000).scaleb(-8),
            side="BUY" if number % 3 else "SELL",
            vendor_data={"ord_type": "limit"},
        )

    def number(self, symbol: str, trade_id: int) -> int:
        """The number of the trade that has an id of a symbol."""
        place, after = int(symbol[1:].partition("/")[0]), trade_id - self.first_id
        return (after // RUN * self.symbols + place) * RUN + after % RUN


def original(number: int) -> int:
    """The number of the trade that a repeat repeats; any other is itself."""
    return number - (number % REPEAT_EVERY == REPEAT_EVERY - 1)


def distinct(count: int) -> int:
    """How many of the first trades are no repeats."""
    return count - count // REPEAT_EVERY
