"""Pairs that a venue lists and nobody trades: for what a feed must refuse before it subscribes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from exchange_sim.model import VENUES, Instrument, Trade, Venue
from exchange_sim.symbols import KRAKEN_REST
from k2_shared.core.symbol import checked

FORM = "VENUE:BASE/QUOTE:PRICE_DECIMALS[:STATUS]"
TRADING: Mapping[Venue, str] = {"KRAKEN": "online", "BINANCE": "TRADING"}
HALTED: Mapping[Venue, str] = {"KRAKEN": "cancel_only", "BINANCE": "BREAK"}
_DECIMALS = re.compile(r"[0-9]{1,2}")
_STATUS = re.compile(r"[A-Za-z_]+")


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

    @property
    def status(self) -> str:
        """What the venue's list says of it."""
        ...

    @property
    def listed(self) -> bool:
        """Whether the venue's list has it."""
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
    status: str

    @property
    def listed(self) -> bool:
        """Always: it exists to be listed."""
        return True

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
    """Read a list of ``FORM``, separated by commas.

    Raises:
        ValueError: one is not of the form.
    """
    return [_listing(each) for each in said.split(",") if said]


def _listing(said: str) -> Listing:
    name, symbol, decimals, status, *more = [*said.split(":"), "", "", ""]
    venue = next((venue for venue in VENUES if venue == name), None)
    if venue is None or any(more) or not _DECIMALS.fullmatch(decimals) or not _STATUS.fullmatch(status or "_"):
        raise ValueError(f"{said!r} is not {FORM}")
    names = KRAKEN_REST if venue == "KRAKEN" else {}
    native = "".join(names.get(currency, currency) for currency in checked(symbol).split("/"))
    return Listing(Instrument(venue, symbol, native), int(decimals), status or TRADING[venue])
