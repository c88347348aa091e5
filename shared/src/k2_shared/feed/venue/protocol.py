"""The interface of a venue's protocol: frames in, events out, no I/O."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from k2_shared.core.trade import Exchange, Trade

# Everything that reading a broken frame may raise: no JSON, no UTF-8, another shape, no number, an unknown symbol.
BROKEN = (msgspec.MsgspecError, ValueError, KeyError, ArithmeticError, RecursionError)
OTHER = "other"
PONG = "pong"
SHUTDOWN = "serverShutdown"


@dataclass(frozen=True, slots=True)
class TradesReceived:
    """A frame's trades, in its order; never empty."""

    trades: tuple[Trade, ...]


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The venue confirmed these canonical symbols as asked for."""

    symbols: frozenset[str]


@dataclass(frozen=True, slots=True)
class Refused:
    """The venue refused what was asked for, in its own words; maybe it says of which canonical symbol.

    ``transient``: the same may be granted in a while, as after too many requests.
    """

    message: str
    symbol: str = ""
    transient: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """A frame without trades; ``kind`` is one of a bounded set of names, fit for a metric's label.

    ``detail`` is what a frame of the kind ``other`` calls itself.
    """

    kind: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A frame that should carry trades but breaks the venue's protocol."""

    detail: str


Event = TradesReceived | Subscribed | Refused | Notice | Unreadable


class VenueProtocol(Protocol):
    """One venue's protocol for one connection."""

    @property
    def exchange(self) -> Exchange:
        """The venue's name in every record."""

    def subscribe(self, symbols: Sequence[str]) -> Sequence[str]:
        """The messages that ask for the trades of these canonical symbols."""

    def unsubscribe(self, symbols: Sequence[str]) -> Sequence[str]:
        """The messages that end them."""

    def ping(self) -> str | None:
        """The application's ping, where the venue has one; it is answered by the notice ``pong``."""

    def receive(self, frame: bytes) -> Event:
        """Read one frame. Never raises: what breaks the protocol is an ``Unreadable``."""
