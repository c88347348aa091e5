"""One WebSocket: what is sent on it, in order, and noted in the oracle log."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import WSCloseCode, WSMsgType, web

from exchange_sim import acks, kraken, wire
from exchange_sim.channel import Channel, Dialog
from exchange_sim.faults import Kind
from exchange_sim.model import Trade
from exchange_sim.outbox import Outbox
from exchange_sim.replies import Reply
from exchange_sim.subscriptions import Frame

CLOSE_S = 1.0
STALL_S = 60.0  # a peer that takes no byte, or answers no ping, for so long is dropped
POLL_S = 0.1  # how often an unresponsive socket looks whether its peer has gone
LOW_WATER_BYTES = 16_384  # asyncio's low-water mark: with no more than that unsent, no write has to wait


class Connection:
    """One client's connection: all that is sent passes one lock, so that an ack precedes the trades it announces."""

    def __init__(
        self,
        channel: Channel,
        dialog: Dialog,
        socket: web.WebSocketResponse,
        request: web.Request,
        number: int,
    ) -> None:
        self.number = number
        self.missing: dict[str, set[int]] = {}
        self.unresponsive_s: float | None = None  # set: this side sends and answers nothing more, for so many seconds
        self._transport = request.transport
        self.last_sent = self.last_pong = time.monotonic()
        self._channel = channel
        self._conditions = channel.conditions
        self._dialog = dialog
        self._socket = socket
        self._lock = asyncio.Lock()
        self._outbox = Outbox(self._transmit, self._overflow) if channel.queued else None
        self._tasks: list[asyncio.Task[None]] = []

    async def serve(self, opening: Sequence[Reply], keep_alive: Callable[["Connection"], asyncio.Task[None]]) -> None:
        """Send ``opening`` and answer the peer until it disconnects; ``keep_alive`` starts its heartbeats."""
        self._channel.connections.add(self)
        self._tasks.append(keep_alive(self))
        if self._outbox is not None:
            self._tasks.append(asyncio.create_task(self._outbox.run()))
        try:
            await self._say(opening)
            if self.unresponsive_s is None:
                await self._converse()
            if self.unresponsive_s is not None:
                await self._stay_unresponsive(self.unresponsive_s)
        finally:
            self._end()

    async def _converse(self) -> None:
        """Answer the peer until it goes, or until this side stops responding."""
        listening = asyncio.create_task(self._listen())
        self._tasks.append(listening)
        await asyncio.wait({listening})
        if self.unresponsive_s is None:
            listening.result()

    async def _stay_unresponsive(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._transport is not None and not self._transport.is_closing():  # noqa: ASYNC110  # it tells nobody
                    await asyncio.sleep(POLL_S)
        self.drop()

    def _end(self) -> None:
        self._channel.connections.discard(self)
        self._channel.subscriptions.leave(self._channel.venue, self)
        for task in self._tasks:
            task.cancel()

    async def deliver(self, frame: Frame) -> bool:
        """Send a trade frame and note it, or queue it; False when the socket is gone."""
        if self._outbox is not None:
            return self._outbox.offer(frame)
        return await self._transmit(frame)

    async def _transmit(self, frame: Frame) -> bool:
        async with self._lock:
            if self.unresponsive_s is not None:
                return False
            encoded = frame.encoded(self._dialog.form, self._dialog.render)
            slow = self._conditions.take("slow_frames", frame.symbol)
            if slow is not None:
                await asyncio.sleep(slow.number)
            split = self._conditions.take("split_frames", frame.symbol)
            sent = await (self._send(encoded) if split is None else self._send_split(encoded, int(split.number)))
        if sent and self._channel.log.kept:
            self._note(frame.symbol, frame.kind, frame.trades, frame.broken)
        return sent

    async def tell(self, text: str, *, trade: bool = False) -> bool:
        """Send a text that is no trade; ``trade`` wraps it as trades are. False when the socket is gone."""
        async with self._lock:
            return await self._send((self._dialog.render(text) if trade else text).encode())

    async def emptied(self) -> None:
        """Wait until the frames that are queued for it have been sent."""
        if self._outbox is not None:
            await self._outbox.emptied()

    async def ping(self) -> None:
        """Send a protocol ping; its payload is the time, as Binance's is."""
        async with self._lock:
            await self._within_deadline(self._socket.ping(str(time.time_ns() // 1_000_000).encode()))

    def drop(self) -> None:
        """Give the peer up at once: a close frame would wait behind what it does not read."""
        self._channel.subscriptions.leave(self._channel.venue, self)
        if self._transport is not None:
            self._transport.abort()

    def _overflow(self) -> None:
        """The queue is full: counted with the faults, since this client misses trades from now on."""
        self._conditions.struck("queue_overflow")
        self.drop()

    def stop_responding(self, seconds: float, final_bytes: bytes = b"") -> None:
        """Send and answer nothing more, though TCP stays for ``seconds``; ``final_bytes`` are raw bytes."""
        if final_bytes and self._transport is not None and not self._transport.is_closing():
            self._transport.write(final_bytes)
        self.unresponsive_s = seconds
        self._channel.subscriptions.leave(self._channel.venue, self)
        for task in self._tasks:
            task.cancel()

    async def hang_up(self) -> None:
        """Send a Close frame and wait up to a second for the peer's; then abort."""
        if self.unresponsive_s is not None:
            return self.drop()
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._socket.close(code=WSCloseCode.GOING_AWAY)
        except TimeoutError:
            self.drop()

    async def _listen(self) -> None:
        async for message in self._socket:
            if message.type is WSMsgType.TEXT:
                replies = self._dialog.receive(message.data, time.time_ns())
                await self._say([self._disturbed(reply) for reply in replies])
            elif message.type is WSMsgType.PING:
                await self._within_deadline(self._socket.pong(message.data))
            elif message.type is WSMsgType.PONG:
                self.last_pong = time.monotonic()

    def _disturbed(self, reply: Reply) -> Reply:
        """The reply after the active faults, which change acks of subscriptions alone."""
        if self._conditions.calm or not reply.joins:
            return reply
        if lost := self._conditions.take("no_acks"):
            left = acks.lose(reply, str(lost.value))
        elif wrong := self._conditions.take("wrong_acks"):
            left = acks.falsify(reply, self._channel.venue, str(wrong.value))
        else:
            return reply
        self._dialog.forget(set(reply.joins) - set(left.joins))
        return left

    async def _say(self, replies: Sequence[Reply]) -> None:
        for reply in replies:
            async with self._lock:
                await self._answer(reply)

    async def _answer(self, reply: Reply) -> None:
        subscriptions, venue = self._channel.subscriptions, self._channel.venue
        # joining and reading the snapshot happen at one moment: no trade falls between the two
        snapshots = self._snapshots(reply)
        subscriptions.leave(venue, self, reply.leaves)
        subscriptions.join(venue, reply.joins, self)
        if reply.text:
            await self._send(reply.text.encode())
        for symbol, trades, text in snapshots:
            if await self._send(text.encode()):
                self._note(symbol, "snapshot", trades, None)

    def _snapshots(self, reply: Reply) -> list[tuple[str, list[Trade], str]]:
        if not reply.snapshot:
            return []
        found = [(symbol, self._channel.replays[symbol]) for symbol in reply.joins]
        recent = [(symbol, replay, replay.recent(kraken.SNAPSHOT_TRADES)) for symbol, replay in found]
        return [(symbol, trades, kraken.snapshot(replay.instrument, trades)) for symbol, replay, trades in recent]

    async def _send(self, encoded: bytes) -> bool:
        if self.unresponsive_s is not None:
            return False
        self.last_sent = time.monotonic()
        sending = self._socket.send_frame(encoded, WSMsgType.TEXT)
        if self._transport is not None and self._transport.get_write_buffer_size() <= LOW_WATER_BYTES:
            return await self._attempt(sending)
        return await self._within_deadline(sending)

    async def _send_split(self, encoded: bytes, pieces: int) -> bool:
        """Send one message in fragments, each in TCP segments of its own."""
        for segment in wire.segments(wire.fragments(encoded, pieces)):
            if self._transport is None or self._transport.is_closing():
                return False
            self._transport.write(segment)
            await asyncio.sleep(0)
        self.last_sent = time.monotonic()
        return True

    async def _within_deadline(self, sending: Awaitable[None]) -> bool:
        """Wait for the peer's buffer; a peer that is gone, or takes nothing, is dropped and False."""
        try:
            async with asyncio.timeout(STALL_S):
                return await self._attempt(sending)
        except TimeoutError:
            self.drop()
            return False

    async def _attempt(self, sending: Awaitable[None]) -> bool:
        try:
            await sending
        except ConnectionError:
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
