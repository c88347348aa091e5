"""What a feed says of itself at /metrics and /readyz, held against what is so."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.producer.message_accumulator import BatchBuilder

from k2_shared.core.errors import Unavailable
from k2_shared.core.metrics import Metrics
from k2_shared.core.origin import Origin
from k2_shared.core.trade import wire_prefix
from k2_shared.feed.coverage.coverage import Coverage
from k2_shared.feed.coverage.event_log import EventLog
from k2_shared.feed.coverage.gap_log import GapLog
from k2_shared.feed.coverage.intervals import IntervalSet
from k2_shared.feed.coverage.silent import SilentSymbols
from k2_shared.feed.coverage.skew import ClockSkew
from k2_shared.feed.coverage.store import CoverageStore
from k2_shared.feed.publish.backlog import Backlog, PublisherLimits
from k2_shared.feed.publish.frames import FrameWriter
from k2_shared.feed.publish.publisher import Publisher
from k2_shared.feed.publish.tracker import FrameIntake, SymbolTracker
from k2_shared.feed.run import feed as feed_module
from k2_shared.feed.run.feed import Feed, missing
from k2_shared.feed.run.gauges import Gauges
from k2_shared.feed.run.reports import ClockReports, GapReports
from k2_shared.feed.run.symbols import CapturedSymbols
from k2_shared.feed.transport.connector import Connector
from k2_shared.feed.venue.budget import Allowance, ConnectionAttempts
from k2_shared.feed.venue.listings import Listing, Pairs
from k2_shared.feed.venue.protocol import Notice, TradesReceived
from k2_shared.feed.venue.settings import FeedSettings
from k2_shared.feed.venue.venue import Venue
from k2_shared.kafka.schemas import SubjectSchemas
from k2_shared.kafka.topics import Names
from k2_support.records import SCHEMA_ID, trade
from k2_support.waiting import eventually

A, B = "A/USD", "B/USD"
EXCHANGE = {"exchange": "KRAKEN"}


class Sender:
    """Takes batches; nothing is sent."""

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(100_000, 0)


@dataclass
class Running:
    """What is captured of two symbols without sockets, and what reports and measures it."""

    metrics: Metrics
    venue: Venue
    symbols: CapturedSymbols
    gaps: GapReports
    gauges: Gauges

    @property
    def tracker(self) -> SymbolTracker:
        return self.symbols.tracker

    @property
    def gap_log(self) -> GapLog:
        return self.symbols.gap_log

    def value(self, name: str, **labels: str) -> float | None:
        """A sample, once it was measured."""
        self.gauges.measure()
        return self.metrics.registry.get_sample_value(name, {**EXCHANGE, **labels})


@pytest.fixture
def running() -> Running:
    settings, names, metrics = FeedSettings.load(), Names("run."), Metrics("feed_kraken", "0")
    venue = Venue("feed_kraken", "KRAKEN", (), "", (A, B), None, None, Allowance(9, 1), 1, 1, None, 0)  # type: ignore[arg-type]
    sender: Any = Sender()
    nobody: Any = None
    writer = FrameWriter("KRAKEN", "feed", wire_prefix(SCHEMA_ID))
    publisher = Publisher(sender, names, metrics, Backlog(PublisherLimits()), writer)
    store = CoverageStore("KRAKEN", "feed_kraken", "0", settings, names, nobody)
    tracker = SymbolTracker(8)
    gap_log = GapLog("KRAKEN", publisher.put, metrics.feed)
    events = EventLog("KRAKEN", "feed_kraken", publisher.put)
    captured = {A: "a", B: "b"}
    symbols = CapturedSymbols(tracker, gap_log, events, store, publisher, metrics.last_record, captured)
    intake = FrameIntake("KRAKEN", tracker, publisher, metrics.rejected, symbols.refused)
    connector = Connector(settings, venue, nobody, intake, captured, tracker, nobody)
    attempts = ConnectionAttempts(venue.attempts, lambda: 0.0)
    for symbol in (A, B):
        tracker.add(symbol, Coverage(first=1, high=10))
    return Running(
        metrics,
        venue,
        symbols,
        GapReports(tracker, gap_log, events, lambda: None, grace_s=0),
        Gauges("KRAKEN", metrics, connector, attempts, intake, publisher, SilentSymbols()),
    )


def test_every_frame_is_counted_by_its_kind(running: Running) -> None:
    """Those with trades, too, whatever comes of them: what came before, and a symbol that nobody captures."""
    trades = TradesReceived((trade(symbol=A, trade_id=11),)), TradesReceived((trade(symbol="C/USD"),))
    for number, event in enumerate((*trades, trades[0], Notice("heartbeat"))):
        running.gauges.intake.take(1, b"{}", event, Origin(1, 1, number))
    assert running.value("k2_frames_total", kind="trades") == 3
    assert running.value("k2_frames_total", kind="heartbeat") == 1


def test_a_stopped_symbol_counts_until_it_is_left(running: Running) -> None:
    """An operator who removes it has decided: nobody waits any more."""
    running.tracker.symbols[A].coverage.stopped_at = 1
    running.gaps.report()
    assert running.value("k2_feed_stopped_symbols") == 1
    running.symbols.forget(A)
    running.gaps.report()
    assert running.value("k2_feed_stopped_symbols") == 0


def test_a_symbol_that_was_left_has_no_gauge(running: Running) -> None:
    """The other's stay."""
    for symbol in (A, B):
        running.gap_log.resume(symbol, IntervalSet([(3, 4)]))
        assert running.value("k2_last_record_timestamp_seconds", symbol=symbol) == 0
    running.symbols.forget(A)
    for name, other in (("k2_feed_open_gap_ids", 2), ("k2_last_record_timestamp_seconds", 0)):
        assert running.value(name, symbol=A) is None
        assert running.value(name, symbol=B) == other


def test_gaps_that_stand_open_at_the_start_are_measured(running: Running) -> None:
    """Also where there is none: a restart neither hides a gap nor invents one."""
    running.gap_log.resume(A, IntervalSet([(3, 7), (9, 9)]))
    running.gap_log.resume(B, IntervalSet())
    assert running.value("k2_feed_open_gap_ids", symbol=A) == 6
    assert running.value("k2_feed_open_gap_ids", symbol=B) == 0


def test_every_copy_is_counted(running: Running) -> None:
    """Trade by trade, also of frames of which a part was new, and once."""
    tracker = running.tracker
    trades = [trade(symbol=A, trade_id=number) for number in range(11, 15)]
    assert tracker.take(trades[:3], 1) == trades[:3]
    assert tracker.take(trades, 2) == trades[3:]
    assert tracker.take(trades[3:], 1) == []
    assert running.value("k2_feed_suppressed_total") == 4
    assert running.value("k2_feed_suppressed_total") == 4


def test_nothing_is_on_its_way_where_nothing_is_captured(running: Running) -> None:
    """What the last capture said of its sockets and of Kafka ends with it; open gaps stay open."""
    metrics = running.metrics
    for gauge in (metrics.feed.sockets, metrics.feed.stale_symbols, metrics.feed.unacknowledged_s, metrics.connected):
        gauge.labels("KRAKEN").set(1)
    metrics.feed.unacknowledged.set(7)
    running.gap_log.resume(A, IntervalSet([(3, 4)]))
    metrics.uncaptured("KRAKEN")
    said = ("k2_feed_sockets", "k2_feed_stale_symbols", "k2_feed_unacknowledged_seconds", "k2_websocket_connected")
    assert [metrics.registry.get_sample_value(name, EXCHANGE) for name in said] == [0, 0, 0, 0]
    assert metrics.registry.get_sample_value("k2_feed_unacknowledged") == 0
    assert metrics.registry.get_sample_value("k2_feed_open_gap_ids", {**EXCHANGE, "symbol": A}) == 2


def test_a_recording_has_no_clock(running: Running) -> None:
    """The gauge is of live trades alone, and is gone where none came for two windows."""
    intake, events = running.gauges.intake, EventLog("KRAKEN", "feed_kraken", running.symbols.publisher.put)
    at = SimpleNamespace(now_s=0.0)
    skew = ClockSkew(60.0, lambda: at.now_s)
    clock = ClockReports(intake, skew, events, running.metrics.feed.clock_skew, limit_s=2.0)
    found, received_us = [], 1_800_000_000_000_000
    for exchange_us in (received_us - 500_000, 1_762_795_434_000_000, 1_762_795_435_000_000):
        at.now_s += 60
        intake.sample = (exchange_us, received_us * 1_000)
        clock.sample()
        clock.report()
        found.append(running.value("k2_feed_clock_skew_seconds"))
    assert found == [-0.5, -0.5, None]


@pytest.mark.parametrize(("owed_s", "said"), [(9.9, []), (24.2, ["kafka: nothing acknowledged for 24 s"])])
def test_a_kafka_that_takes_nothing_is_missing(owed_s: float, said: list[str]) -> None:
    """From FEED_STALL_S on, and with the time: the sockets alone are no readiness."""
    run: Any = SimpleNamespace(
        symbols=SimpleNamespace(names={}),
        connector=SimpleNamespace(confirmed=set()),
        publisher=SimpleNamespace(unacknowledged_s=owed_s),
    )
    assert missing(run, stall_s=10.0) == said


@pytest.fixture
def feed(running: Running, monkeypatch: pytest.MonkeyPatch) -> Feed:
    """A feed that starts without servers, and of which every run fails for want of a broker."""

    @asynccontextmanager
    async def nothing(*_: object) -> AsyncIterator[None]:
        yield

    @asynccontextmanager
    async def fails(*_: object) -> AsyncIterator[None]:
        running.metrics.feed.sockets.labels("KRAKEN").set(2)
        raise Unavailable("no broker answered")
        yield

    async def check(*_: object) -> None: ...

    async def pairs(*_: object) -> Pairs:
        return Pairs({A: Listing("a"), B: Listing("b")})

    async def load(_: object) -> int:
        return SCHEMA_ID

    for name, instead in {"administration": nothing, "opened": fails, "check": check, "ask_pairs": pairs}.items():
        monkeypatch.setattr(feed_module, name, instead)
    monkeypatch.setattr(SubjectSchemas, "load", load)
    return Feed(FeedSettings.load(), Names(""), running.venue, running.metrics)


async def test_what_failed_is_missing_until_it_is_there(
    feed: Feed, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a feed waits to start over, it says what it waits for, and that it has no socket."""
    seen: list[tuple[list[str], float | None]] = []
    rest = feed.sleep

    async def waits(delay_s: float) -> None:
        sockets = running.metrics.registry.get_sample_value("k2_feed_sockets", EXCHANGE)
        seen.append((feed.not_ready(), sockets))
        await rest(delay_s)

    monkeypatch.setattr(feed, "sleep", waits)
    assert feed.not_ready() == ["recovery"]
    await feed.start()
    await eventually(lambda: seen, "a failure")
    await feed.stop()
    assert seen[0] == (["kafka: no broker answered"], 0)


def test_a_gap_that_is_told_is_measured(running: Running) -> None:
    """As the ledger has it."""
    coverage = running.tracker.symbols[A].coverage
    coverage.offer(13, 1)
    running.gaps.report()
    assert running.value("k2_feed_open_gap_ids", symbol=A) == 2
