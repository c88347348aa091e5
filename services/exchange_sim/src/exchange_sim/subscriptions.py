"""Which connection listens to which symbols, and whether every symbol of a venue has a listener."""

import asyncio
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from exchange_sim.faults import Kind
from exchange_sim.model import Trade, Venue


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A frame on its way out, with the trades in it as sent."""

    symbol: str
    kind: Kind
    trades: Sequence[Trade]
    payload: str
    broken: str | None = None
    _made: dict[Hashable, bytes] = field(default_factory=dict, repr=False)

    def encoded(self, form: Hashable, render: Callable[[str], str]) -> bytes:
        """The bytes of the frame in one form of its dialect, made once for all the sockets that want it so."""
        made = self._made.get(form)
        if made is None:
            made = self._made[form] = render(self.payload).encode()
        return made


class Listener(Protocol):
    """A socket that takes frames; ``missing`` are the trades, by symbol and number, that it never gets."""

    missing: dict[str, set[int]]

    async def deliver(self, frame: Frame) -> bool:
        """Send; blocks while the peer's buffer is full, unless it queues. False when the socket is gone."""
        ...


class Subscriptions:
    """Subscriptions of all connections, by venue and canonical symbol."""

    def __init__(self, recorded: Mapping[Venue, Collection[str]], expected: Iterable[Venue]) -> None:
        self._listeners: dict[tuple[Venue, str], dict[Listener, None]] = {
            (venue, symbol): {} for venue, symbols in recorded.items() for symbol in symbols
        }
        self._present = {venue: asyncio.Event() for venue in recorded}
        self._expected = tuple(expected)
        self.started = asyncio.Event()
        for venue in recorded:
            self._update_presence(venue)

    def join(self, venue: Venue, symbols: Iterable[str], listener: Listener) -> None:
        """``listener`` gets the frames of ``symbols`` from now on."""
        for symbol in symbols:
            self._listeners[venue, symbol][listener] = None
        self._update_presence(venue)

    def leave(self, venue: Venue, listener: Listener, symbols: Iterable[str] | None = None) -> None:
        """``listener`` gets them no more; without ``symbols``, none at all."""
        for symbol in self.symbols(venue) if symbols is None else symbols:
            self._listeners[venue, symbol].pop(listener, None)
        self._update_presence(venue)

    def symbols(self, venue: Venue) -> list[str]:
        """The venue's recorded symbols."""
        return [symbol for known, symbol in self._listeners if known == venue]

    def waiting_for(self, venue: Venue) -> list[str]:
        """The symbols that nobody is subscribed to."""
        return [symbol for symbol in self.symbols(venue) if not self._listeners[venue, symbol]]

    def listeners(self, venue: Venue, symbol: str) -> list[Listener]:
        """Who gets the frames of a symbol at this moment."""
        return list(self._listeners[venue, symbol])

    def present(self, venue: Venue) -> asyncio.Event:
        """Set while every symbol of the venue has a listener."""
        return self._present[venue]

    def _update_presence(self, venue: Venue) -> None:
        if self.waiting_for(venue):
            self._present[venue].clear()
        else:
            self._present[venue].set()
        if all(self._present[expected].is_set() for expected in self._expected):
            self.started.set()
