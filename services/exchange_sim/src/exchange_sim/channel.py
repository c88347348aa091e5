"""What the connections of one venue share, and the interfaces of a connection and of its protocol."""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from exchange_sim.conditions import Conditions
from exchange_sim.market_replay import MarketReplay
from exchange_sim.model import Venue
from exchange_sim.oracle import OracleLog
from exchange_sim.replies import Reply
from exchange_sim.subscriptions import Frame, Subscriptions


class Dialog(Protocol):
    """A venue's side of the protocol on one connection, without I/O."""

    @property
    def form(self) -> Hashable:
        """What the bytes of a frame depend on; connections of equal form share one encoding."""
        ...

    def receive(self, text: str, now_ns: int) -> list[Reply]:
        """Answer one request."""
        ...

    def render(self, payload: str) -> str:
        """A trade frame as this connection gets it."""
        ...

    def forget(self, symbols: Iterable[str]) -> None:
        """Undo the subscription to these symbols: its ack was lost or wrong."""
        ...


class Peer(Protocol):
    """A connection, as far as faults use it."""

    number: int
    missing: dict[str, set[int]]

    async def hang_up(self) -> None:
        """Send a Close frame and wait up to a second for the peer's; then abort."""
        ...

    async def tell(self, text: str, *, trade: bool = False) -> bool:
        """Send a text that is no trade; ``trade`` wraps it as trades are. False when the socket is gone."""
        ...

    async def deliver(self, frame: Frame) -> bool:
        """Send a trade frame; False when the socket is gone."""
        ...

    async def emptied(self) -> None:
        """Wait until the frames that are queued for it have been sent."""
        ...

    def drop(self) -> None:
        """Abort the TCP connection at once."""
        ...

    def stop_responding(self, seconds: float, final_bytes: bytes = b"") -> None:
        """Send and answer nothing more, though TCP stays for ``seconds``; ``final_bytes`` are raw bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Channel:
    """What the connections of one venue share; with ``queued`` a slow one does not hold up the others."""

    venue: Venue
    replays: dict[str, MarketReplay]
    subscriptions: Subscriptions
    log: OracleLog
    frames: Iterator[int]
    conditions: Conditions
    queued: bool = False
    connections: set["Peer"] = field(default_factory=set)
