"""Where prices stand on the lines of a chart. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from k2.ohlcv.candle import Candle
from k2.ohlcv.digits import fixed, places

_MOST_PLACES = 8  # of a price
LABELLED = 3
"""A price stands beside every third line."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Lines from the highest price to the lowest; each has two halves, numbered from the top."""

    high: Decimal
    low: Decimal
    lines: int

    @classmethod
    def of(cls, candles: Sequence[Candle], thirds: int) -> Self:
        """A scale of so many times three lines and one, of which the first and the last have a price beside them.

        Candles of one price have one line.
        """
        high, low = max(candle.high for candle in candles), min(candle.low for candle in candles)
        return cls(high, low, LABELLED * thirds + 1 if high > low else 1)

    def half(self, price: Decimal) -> int:
        """The half line that is nearest to a price."""
        span, last = self.high - self.low, 2 * self.lines - 1
        return int((2 * last * (self.high - price) + span) // (2 * span)) if span else 0

    def labels(self) -> list[str]:
        """The price of each line that has one beside it, and nothing for the others."""
        if self.lines == 1:
            return fixed([self.high])
        step = (self.high - self.low) / (self.lines - 1)
        digits = max(places([self.high, self.low]), min(_MOST_PLACES, 1 - (LABELLED * step).adjusted()))
        return ["" if line % LABELLED else f"{self.high - line * step:.{digits}f}" for line in range(self.lines)]
