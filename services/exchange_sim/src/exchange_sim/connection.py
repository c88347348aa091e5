"""One WebSocket: what is sent on it, in order, and noted in the oracle log."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from aiohttp import WSCloseCode, WSMsgType, web

from exchange_sim import kraken
from exchange_sim.faults import Kind
from exchange_sim.hub import Frame, Hub
from exchange_sim.model import Trade, Venue
from exchange_sim.oracle import OracleLog
from exchange_sim.replies import Reply
from exchange_sim.tape import Tape

CLOSE_S = 1.0
STALL_S = 60.0  # a peer that takes no byte, or answers no ping, for so long is dropped


class Dialog(Protocol):
    """A venue's side of one conversation, sans I/O."""

    def receive(self, text: str, now_ns: int) -> list[Reply]:
        """Answer one request."""
        ...

    def render(self, payload: str) -> str:
        """A trade frame as this connection gets it."""
        ...


@dataclass(frozen=True, slots=True)
class Channel:
    """What the connections of one venue share."""

    venue: Venue
    tapes: dict[str, Tape]
    hub: Hub
    log: OracleLog
    frames: Iterator[int]


class Connection:
    """A listener of the hub; everything sent passes one lock, so an ack precedes the trades it announces."""

    def __init__(
        self,
        channel: Channel,
        dialog: Dialog,
        socket: web.WebSocketResponse,
        request: web.Request,
        number: int,
    ) -> None:
        self.number = number
        self._transport = request.transport
        self.last_sent = self.last_pong = time.monotonic()
        self._channel = channel
        self._dialog = dialog
        self._socket = socket
        self._lock = asyncio.Lock()

    async def serve(self, opening: Sequence[Reply], keep_alive: Callable[["Connection"], asyncio.Task[None]]) -> None:
        """Converse until the peer goes."""
        keeper = keep_alive(self)
        try:
            await self._say(opening)
            await self._listen()
        finally:
            keeper.cancel()
            self._channel.hub.leave(self._channel.venue, self)

    async def deliver(self, frame: Frame) -> bool:
        """Send a trade frame and note it; False when the socket is gone."""
        async with self._lock:
            sent = await self._send(self._dialog.render(frame.payload))
        if sent:
            self._note(frame.symbol, frame.kind, frame.trades, frame.broken)
        return sent

    async def tell(self, text: str) -> bool:
        """Send something that is no trade."""
        async with self._lock:
            return await self._send(text)

    async def ping(self) -> None:
        """Send a protocol ping; its payload is the time, as Binance's is."""
        async with self._lock:
            await self._within_deadline(self._socket.ping(str(time.time_ns() // 1_000_000).encode()))

    def drop(self) -> None:
        """Give the peer up at once: a close frame would wait behind what it does not read."""
        self._channel.hub.leave(self._channel.venue, self)
        if self._transport is not None:
            self._transport.abort()

    async def hang_up(self) -> None:
        """Close in good order, within a deadline."""
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._socket.close(code=WSCloseCode.GOING_AWAY)
        except TimeoutError:
            self.drop()

    async def _listen(self) -> None:
        async for message in self._socket:
            if message.type is WSMsgType.TEXT:
                await self._say(self._dialog.receive(message.data, time.time_ns()))
            elif message.type is WSMsgType.PING:
                await self._within_deadline(self._socket.pong(message.data))
            elif message.type is WSMsgType.PONG:
                self.last_pong = time.monotonic()

    async def _say(self, replies: Sequence[Reply]) -> None:
        for reply in replies:
            async with self._lock:
                await self._answer(reply)

    async def _answer(self, reply: Reply) -> None:
        hub, venue = self._channel.hub, self._channel.venue
        # joining and reading the snapshot happen at one moment: no trade falls between the two
        snapshots = self._snapshots(reply)
        hub.leave(venue, self, reply.leaves)
        hub.join(venue, reply.joins, self)
        if reply.text:
            await self._send(reply.text)
        for symbol, trades, text in snapshots:
            if await self._send(text):
                self._note(symbol, "snapshot", trades, None)

    def _snapshots(self, reply: Reply) -> list[tuple[str, list[Trade], str]]:
        if not reply.snapshot:
            return []
        found = [(symbol, self._channel.tapes[symbol]) for symbol in reply.joins]
        recent = [(symbol, tape, tape.recent(kraken.SNAPSHOT_TRADES)) for symbol, tape in found]
        return [(symbol, trades, kraken.snapshot(tape.instrument, trades)) for symbol, tape, trades in recent]

    async def _send(self, text: str) -> bool:
        self.last_sent = time.monotonic()
        return await self._within_deadline(self._socket.send_str(text))

    async def _within_deadline(self, sending: Awaitable[None]) -> bool:
        """Wait for the peer's buffer; a peer that is gone, or takes nothing, is dropped and False."""
        try:
            async with asyncio.timeout(STALL_S):
                await sending
        except (ConnectionError, TimeoutError):
            self.drop()
            return False
        return True

    def _note(self, symbol: str, kind: Kind, trades: Sequence[Trade], broken: str | None) -> None:
        frame, now_ns = next(self._channel.frames), time.time_ns()
        for trade in trades:
            self._channel.log.record(
                {
                    "venue": self._channel.venue,
                    "symbol": symbol,
                    "trade_id": trade.trade_id,
                    "kind": kind,
                    "broken": broken,
                    "frame": frame,
                    "connection": self.number,
                    "time_ns": now_ns,
                }
            )
