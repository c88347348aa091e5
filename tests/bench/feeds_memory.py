"""A process that holds what a feed holds of its symbols, and says how many MB are resident."""

import asyncio
import json
import sys
import time
from collections.abc import Iterator

from feed_kraken.main import SERVICE
from feed_kraken.protocol import KrakenProtocol
from k2_shared.core.gc_tuning import tune_gc
from k2_shared.core.metrics import Metrics
from k2_shared.core.origin import Origin
from k2_shared.core.trade import wire_prefix
from k2_shared.feed.coverage.staleness import Laggards, Staleness
from k2_shared.feed.publish.backlog import Backlog, PublisherLimits
from k2_shared.feed.publish.frames import FrameWriter
from k2_shared.feed.publish.publisher import Publisher
from k2_shared.feed.publish.tracker import SymbolTracker
from k2_shared.feed.run.memory import resident_bytes
from k2_shared.feed.venue.protocol import TradesReceived
from k2_shared.feed.venue.settings import FeedSettings
from k2_shared.kafka import clients
from k2_shared.kafka.topics import Names

EACH = 1_100  # trades of a symbol: more than a window
SOCKETS = (1, 2)


def frames(symbols: list[str], each: int) -> Iterator[tuple[int, bytes]]:
    """Every socket's frames, the symbols by turns."""
    for trade_id in range(1, each + 1):
        for symbol in symbols:
            trade = {"symbol": symbol, "side": "buy", "price": 61837.63 + trade_id, "qty": 0.00276 * trade_id}
            more = {"ord_type": "market", "trade_id": trade_id, "timestamp": "2025-07-23T04:41:46.919844Z"}
            frame = json.dumps({"channel": "trade", "type": "update", "data": [trade | more]}).encode()
            yield from ((socket, frame) for socket in SOCKETS)


class FakeConnection:
    """A feed's connection: which symbols are confirmed on it, and the last trade id of each."""

    def __init__(self, number: int, symbols: list[str]) -> None:
        self.id, self.confirmed = number, set(symbols)
        self.last: dict[str, int] = {}


async def hold(count: int) -> float:
    """Take trades as a feed does; returns the resident MB, without any record that waits for Kafka."""
    tune_gc()
    settings, names, metrics = FeedSettings.load(), Names(""), Metrics("bench", "0")
    symbols = [f"S{number}/USD" for number in range(count)]
    sender = clients.producer(settings)  # never started
    publisher = Publisher(
        sender, names, metrics, Backlog(PublisherLimits()), FrameWriter("KRAKEN", SERVICE, wire_prefix(1))
    )
    tracker, protocol = SymbolTracker(settings.feed_copies_window), KrakenProtocol()
    connections = {number: FakeConnection(number, symbols) for number in SOCKETS}
    stale, lagging = Staleness(60.0, time.monotonic), Laggards(60.0, time.monotonic)
    for symbol in symbols:
        tracker.add(symbol)
        metrics.feed.open_gap_ids.labels("KRAKEN", symbol).set(0)
        metrics.last_record.labels("KRAKEN", symbol).set(0)
    for socket, frame in frames(symbols, EACH):
        event = protocol.receive(frame)
        assert type(event) is TradesReceived
        taken, last = tracker.take(event.trades, socket), event.trades[-1]
        connections[socket].last[last.symbol] = last.trade_id
        if taken and last.trade_id == 1:  # what a symbol's records need, but not more of them
            publisher.frame(frame, taken, Origin(time.time_ns(), socket, 1))
    highs = {symbol: tracked.coverage.high for symbol, tracked in tracker.symbols.items()}
    stale.look(highs)
    lagging.look(connections.values())
    resident = resident_bytes()
    await sender.stop()
    return resident / 1e6


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(hold(int(sys.argv[1])))) + "\n")
