"""One client's process: a venue's frames from a socket to Kafka, and what that took of CPU, in all and by stage."""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

from tests.bench.feeds_frames import symbols
from tests.bench.feeds_plain import MOST, Plain
from websockets.asyncio.client import connect

from feed_binance.protocol import BinanceProtocol
from feed_kraken.protocol import KrakenProtocol
from k2_shared.core.gc_tuning import tune_gc
from k2_shared.core.metrics import Metrics
from k2_shared.core.origin import Origin
from k2_shared.core.settings import RunSettings
from k2_shared.core.trade import Exchange, wire_prefix
from k2_shared.feed.publish.backlog import Backlog, PublisherLimits
from k2_shared.feed.publish.encoder import encoder
from k2_shared.feed.publish.frames import FrameWriter
from k2_shared.feed.publish.publisher import Publisher
from k2_shared.feed.publish.tracker import SymbolTracker
from k2_shared.feed.transport.transport import TRANSPORTS, Socket, SocketLimits
from k2_shared.feed.venue.protocol import TradesReceived
from k2_shared.kafka import clients
from k2_shared.kafka.topics import Names

Kind = Literal["websockets", "picows", "plain"]
COPIES = 1_024
CHUNK = 500


@dataclass(frozen=True)
class Task:
    """What a client is to do."""

    kind: Kind
    exchange: Exchange
    url: str
    frames: int
    trades: int
    prefix: str
    schema_id: int


@dataclass(frozen=True)
class Cost:
    """CPU µs a trade: all of it from the first frame to the last acknowledgement, and the stages alone."""

    total: float
    receive: float
    parse: float
    coverage: float
    encode: float

    @property
    def rest(self) -> float:
        """Appending, sending, and what lies between the stages."""
        return self.total - self.receive - self.parse - self.coverage - self.encode


class Clock:
    """CPU of this process, native threads included, by trade."""

    def __init__(self, trades: int) -> None:
        self._trades, self._began = trades, time.process_time()

    def us(self) -> float:
        """Since the start, in µs a trade."""
        return (time.process_time() - self._began) * 1e6 / self._trades


async def ours(task: Task) -> Cost:
    """The feed's own path, in a process that is set up as an agent's."""
    tune_gc()
    settings, names = RunSettings.load(k2_prefix=task.prefix), Names(task.prefix)
    writer = FrameWriter(task.exchange, "bench", wire_prefix(task.schema_id))
    async with clients.started(clients.producer(settings), settings) as sender:
        publisher = Publisher(sender, names, Metrics("bench", "0"), Backlog(PublisherLimits()), writer)
        running = asyncio.create_task(publisher.run())
        protocol, tracker = _protocol(task), _tracker(task)
        socket = await _connected(task)
        clock = Clock(task.trades)
        await _capture(task, socket, publisher, protocol.receive, tracker)
        total = clock.us()
        running.cancel()
    socket.abort()
    received, receive = await _received(task)
    return _stages(task, received, total, receive)


async def _connected(task: Task) -> Socket:
    kind = task.kind
    assert kind != "plain"
    socket = await TRANSPORTS[kind].connect(task.url, SocketLimits())
    await socket.send("go")
    return socket


async def _capture(
    task: Task, socket: Socket, publisher: Publisher, receive: Callable[[bytes], Any], tracker: SymbolTracker
) -> None:
    """As the feed's connection and capture do it, for as many frames as there are."""
    left, number = task.frames, 0
    while left:
        frames = await socket.frames()
        for frame in frames:
            number += 1
            event = receive(frame)
            assert type(event) is TradesReceived
            taken = tracker.take(event.trades, 1)
            publisher.frame(frame, taken, Origin(time.time_ns(), 1, number))
        left -= len(frames)
        await publisher.backlog.wait_for_capacity()
    await publisher.flush()
    assert publisher.written == task.frames + task.trades


async def _received(task: Task) -> tuple[list[bytes], float]:
    """All frames, and what receiving alone took."""
    socket, received = await _connected(task), list[bytes]()
    clock = Clock(task.trades)
    while len(received) < task.frames:
        received += await socket.frames()
    took = clock.us()
    socket.abort()
    return received, took


def _stages(task: Task, received: Sequence[bytes], total: float, receive: float) -> Cost:
    """The stages in chunks, for the feed keeps no trades either."""
    read, tracker, prefix = _protocol(task).receive, _tracker(task), wire_prefix(task.schema_id)
    encoders = {symbol: encoder(task.exchange, symbol, prefix) for symbol in symbols(task.exchange)}
    now_us, spent = time.time_ns() // 1_000, Counter[str]()
    for start in range(0, len(received), CHUNK):
        events = spend(spent, "parse", read, received[start : start + CHUNK])
        frames = [event.trades for event in events]
        spend(spent, "coverage", partial(tracker.take, connection=1), frames)
        spend(spent, "encode", lambda trades: [encoders[trade.symbol](trade, now_us) for trade in trades], frames)
    parse, coverage, encode = (spent[stage] / 1e3 / task.trades for stage in ("parse", "coverage", "encode"))
    return Cost(total, receive, parse, coverage, encode)


def spend(spent: Counter[str], stage: str, work: Callable[[Any], Any], inputs: Sequence[Any]) -> list[Any]:
    """Do a stage's work; adds the CPU time that it took, in ns."""
    began = time.process_time_ns()
    made = [work(each) for each in inputs]
    spent[stage] += time.process_time_ns() - began
    return made


def _protocol(task: Task) -> BinanceProtocol | KrakenProtocol:
    return BinanceProtocol(symbols(task.exchange)) if task.exchange == "BINANCE" else KrakenProtocol()


def _tracker(task: Task) -> SymbolTracker:
    tracker = SymbolTracker(COPIES)
    for symbol in symbols(task.exchange):
        tracker.add(symbol)
    return tracker


async def plain(task: Task) -> Cost:
    """The plain client."""
    settings, names = RunSettings.load(k2_prefix=task.prefix), Names(task.prefix)
    async with (
        clients.started(clients.producer(settings), settings) as sender,
        connect(task.url, compression=None, ping_interval=None) as socket,
    ):
        client = Plain(task.exchange, names, symbols(task.exchange), wire_prefix(task.schema_id), sender)
        sending = asyncio.create_task(client.send())
        await socket.send("go")
        clock = Clock(task.trades)
        for number in range(task.frames):
            client.take(str(await socket.recv()), number)
            await client.settled(MOST)
        await client.settled(0)
        total = clock.us()
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending
    received, receive = await _plain_received(task)
    spent = Counter[str]()
    for start in range(0, len(received), CHUNK):
        frames = spend(spent, "parse", client.parse, received[start : start + CHUNK])
        spend(spent, "encode", client.encode, [record for frame in frames for record in frame])
    return Cost(total, receive, spent["parse"] / 1e3 / task.trades, 0.0, spent["encode"] / 1e3 / task.trades)


async def _plain_received(task: Task) -> tuple[list[str], float]:
    async with connect(task.url, compression=None, ping_interval=None) as socket:
        await socket.send("go")
        clock = Clock(task.trades)
        received = [str(await socket.recv()) for _ in range(task.frames)]
        return received, clock.us()


if __name__ == "__main__":
    given = Task(**json.loads(sys.argv[1]))
    sys.stdout.write(json.dumps(asdict(asyncio.run(plain(given) if given.kind == "plain" else ours(given)))) + "\n")
