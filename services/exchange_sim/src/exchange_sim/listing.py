"""Pairs that a venue lists and nobody trades: for what a feed must refuse before it subscribes."""

import re
from dataclasses import dataclass
from typing import Protocol

from exchange_sim.model import Instrument, Trade, Venue
from exchange_sim.symbols import KRAKEN_REST

PATTERN = r"(KRAKEN|BINANCE):([A-Z0-9]+)/([A-Z0-9]+):(\d{1,2})"


class History(Protocol):
    """What REST reads of a market."""

    @property
    def instrument(self) -> Instrument:
        """The market."""
        ...

    @property
    def price_decimals(self) -> int:
        """Decimals that its prices use."""
        ...

    def recent(self, count: int) -> list[Trade]:
        """The latest ``count`` trades, oldest first."""
        ...

    def from_id(self, trade_id: int, count: int) -> list[Trade]:
        """At most ``count`` trades from ``trade_id`` on, oldest first."""
        ...

    def since(self, time_ns: int, count: int) -> tuple[list[Trade], int]:
        """At most ``count`` trades of ``time_ns`` or later, oldest first, and the time to go on from."""
        ...


@dataclass(frozen=True, slots=True)
class Listing:
    """A market without trades."""

    instrument: Instrument
    price_decimals: int

    def recent(self, _count: int) -> list[Trade]:
        """None."""
        return []

    def from_id(self, _trade_id: int, _count: int) -> list[Trade]:
        """None."""
        return []

    def since(self, time_ns: int, _count: int) -> tuple[list[Trade], int]:
        """None, and the time asked for."""
        return [], time_ns


def listings(said: str) -> list[Listing]:
    """Read ``VENUE:BASE/QUOTE:DECIMALS[,…]``, which matches ``PATTERN`` each."""
    return [_listing(found) for found in re.finditer(PATTERN, said)]


def _listing(found: re.Match[str]) -> Listing:
    venue: Venue = "KRAKEN" if found[1] == "KRAKEN" else "BINANCE"
    names = KRAKEN_REST if venue == "KRAKEN" else {}
    native = "".join(names.get(currency, currency) for currency in (found[2], found[3]))
    return Listing(Instrument(venue, f"{found[2]}/{found[3]}", native), int(found[4]))
