"""Which candles are to be made again from gold's trades. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Self

from k2.sql.symbol_times import SymbolTimes
from k2_shared.core.errors import ConfigError
from k2_shared.kafka.topics import EXCHANGES

FIRST, LAST = date(1970, 1, 1), date(2299, 12, 31)
"""The days that tables can have."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The candles of some venues, of one symbol or where it is empty of all, from day to day, both included."""

    exchanges: Sequence[str]
    symbol: str
    first: date
    last: date

    @classmethod
    def parse(cls, symbol: str | None, start: str | None, end: str | None, now: datetime) -> Self:
        """Read what the command line says: of a day that a time is in, all is meant.

        Raises:
            ConfigError: it is no symbol, a time is none, or the end is not after the start.
        """
        of = SymbolTimes.parse(symbol, start, end, now)
        last = (of.end - timedelta(microseconds=1)).date() if of.end else LAST
        return cls(
            of.exchanges if symbol else tuple(EXCHANGES), of.symbol, of.start.date() if of.start else FIRST, last
        )

    def __str__(self) -> str:
        venues = ":" if len(self.exchanges) > 1 else f"{self.exchanges[0]}:"
        names = f"{venues}{self.symbol}".lstrip(":") or "any symbol"
        return f"{names} from {self.first} to {self.last}"

    def within(self, since: date) -> Self:
        """What of them can be compared with trades, which are all there since a day.

        Raises:
            ConfigError: they begin before that.
        """
        if FIRST < self.first < since:
            raise ConfigError(
                f"gold_trades has every trade since {since} only, so candles from {self.first} on cannot be made again "
                f"from it; pass --from {since}, or no option, to make all candles again from gold's topic"
            )
        return replace(self, first=max(self.first, since))
