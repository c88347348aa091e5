"""One run of a feed: from what stands in Kafka, through the work, to what stands there then."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from k2_shared.core.errors import ConfigError, Unavailable
from k2_shared.core.tasks import cancel_and_wait, run_until_first_ends
from k2_shared.core.telemetry import Metrics, logger
from k2_shared.core.trade import wire_prefix
from k2_shared.feed.backfill.backfill import Filler
from k2_shared.feed.backfill.filling import Filling
from k2_shared.feed.backfill.history import RestHistory
from k2_shared.feed.backfill.probes import Probes
from k2_shared.feed.coverage.coverage import Coverage
from k2_shared.feed.coverage.gap_log import GapFold, GapLog
from k2_shared.feed.coverage.ledger import Cause, EventKind, now_us
from k2_shared.feed.coverage.store import Restored, Store
from k2_shared.feed.publish.backlog import Backlog, PublisherLimits
from k2_shared.feed.publish.frames import FrameWriter
from k2_shared.feed.publish.publisher import Publisher
from k2_shared.feed.run.book import Book
from k2_shared.feed.run.capture import Capture
from k2_shared.feed.run.checkpoints import Checkpoints
from k2_shared.feed.run.control import Control, Director
from k2_shared.feed.run.keeper import Keeper
from k2_shared.feed.run.memory import MemoryWatch
from k2_shared.feed.transport.endpoints import Endpoints
from k2_shared.feed.transport.slot import Slot
from k2_shared.feed.transport.transport import TRANSPORTS
from k2_shared.feed.venue.budget import Attempts
from k2_shared.feed.venue.listings import Pairs
from k2_shared.feed.venue.rest import RestClient
from k2_shared.feed.venue.settings import FeedSettings
from k2_shared.feed.venue.venue import Venue
from k2_shared.kafka import clients
from k2_shared.kafka.schemas import SubjectSchemas
from k2_shared.kafka.topics import Names

RESTORED = "feed_restored"
_FAREWELL_SHARE = 1 / 4  # of the grace period: readers, the producer and the statistics need the rest


@dataclass(frozen=True)
class Parts:
    """What outlives a run."""

    settings: FeedSettings
    names: Names
    venue: Venue
    metrics: Metrics
    rest: RestClient
    schema_id: int
    schemas: SubjectSchemas
    pairs: Pairs


@dataclass
class Epoch:
    """A capture and what looks after it."""

    capture: Capture
    control: Control
    restored: Restored
    resting: set[str] = field(default_factory=set)  # captured before, and not to be had now
    left: dict[str, Coverage] = field(default_factory=dict)  # kept, and not captured

    async def begin(self, pairs: Pairs) -> None:
        """Choose the symbols and go on where each stands; what begins now stands in Kafka before any trade does.

        Raises:
            ConfigError: a symbol of the settings was never captured, and cannot be.
        """
        capture = self.capture
        wanted = self.control.wanted(capture.venue.symbols)
        refused = {symbol: why for symbol in wanted if (why := pairs.refusal(symbol))}
        for symbol, why in refused.items():
            if symbol in capture.venue.symbols and symbol not in self.restored.coverages:
                raise _unusable(capture.venue, symbol, why)
        for symbol, why in refused.items():
            self._refuse(symbol, why)
        for symbol in wanted:
            if symbol not in refused:
                capture.names[symbol] = pairs.name(symbol)
                self._take_over(symbol)
        for symbol in self.control.left() & self.restored.coverages.keys():
            self._take_over(symbol)
            capture.forget(symbol)
        await self._resume()
        await capture.publisher.flush()
        logger().info(
            RESTORED,
            symbols=len(capture.names),
            gaps=sum(len(each.coverage.gaps) for each in capture.book.series.values()),
            replayed=self.restored.replayed,
        )

    async def work(self, stop: asyncio.Event, works: Callable[[], None]) -> None:
        """Capture until told to stop, then write down what stands in Kafka; ``works`` is told of each checkpoint.

        Raises:
            Unavailable: the venue is out of reach, memory is used up, or Kafka failed.
        """
        capture, settings = self.capture, self.capture.settings
        keeper = Keeper(capture, MemoryWatch(settings.feed_memory_limit_mb * 1_000_000))
        self.left = self._left()
        checkpoints = Checkpoints(capture, self.restored.ends, self.restored.chunks, self.left, works)
        history, director = capture.history, self._director()
        filler = Filler(
            history,
            settings.feed_gap_patience_s,
            settings.feed_backoff_base_s,
            settings.feed_backoff_cap_s,
            time.monotonic,
        )
        try:
            await run_until_first_ends(
                *(slot.run() for slot in self._slots()),
                keeper.run(),
                checkpoints.run(),
                Probes(capture, keeper.staleness).run(),
                Filling(capture, filler).run(),
                self.control.follow(director.hear),
                director.retry(settings.feed_stale_after_s),
                _until(stop),
            )
        finally:
            keeper.count()
            if not capture.publisher.backlog.failed:
                keeper.leave()
                await self._written(checkpoints)

    async def _written(self, checkpoints: Checkpoints) -> None:
        """Write down what stands in Kafka, within a share of the grace period.

        Raises:
            Unavailable: Kafka does not take it.
        """
        limit_s = self.capture.settings.shutdown_grace_s * _FAREWELL_SHARE
        try:
            async with asyncio.timeout(limit_s):
                await checkpoints.write()
        except TimeoutError:
            raise Unavailable(
                f"Kafka did not take the last {self.capture.publisher.backlog.records} records within {limit_s:.1f} s: "
                "the next start asks REST for what is missing"
            ) from None

    def _left(self) -> dict[str, Coverage]:
        """The coverages of symbols that are only not captured now: they go on from here when they come back."""
        ended = self.capture.book.series.keys() | self.control.left()
        return {symbol: coverage for symbol, coverage in self.restored.coverages.items() if symbol not in ended}

    def _slots(self) -> list[Slot]:
        """The redundant sockets; their rotations are apart from each other."""
        settings, venue = self.capture.settings, self.capture.venue
        age_s = settings.feed_rotate_after_s
        count = settings.feed_sockets
        return [
            Slot(
                self.capture,
                settings,
                Endpoints(venue.ws_urls, settings.feed_failover_after),
                age_s * (1 - number / (2 * count)),
            )
            for number in range(count)
        ]

    def _refuse(self, symbol: str, why: str) -> None:
        """Say why a symbol is not captured; what Kafka has of it stays for when it can be."""
        if symbol in self.restored.coverages:
            self.resting.add(symbol)
            self.capture.tell(EventKind.LOST, "it rests until its venue trades it again", symbol)
        self.capture.tell(EventKind.REJECTED, why, symbol)

    def _director(self) -> Director:
        return Director(self.capture, self.resting, self._take_over)

    def _take_over(self, symbol: str) -> None:
        capture = self.capture
        self.left.pop(symbol, None)
        coverage = self.restored.coverages.get(symbol)
        if coverage is None:
            coverage = Coverage(capture.store.limits, began_at=now_us())
            if symbol not in capture.venue.symbols:
                capture.trial.add(symbol)
            stamp = self.restored.ends[capture.store.partition(symbol)]
            capture.publisher.put(capture.store.checkpoint(symbol, coverage, stamp))
        coverage.expect(Cause.RESTART)
        series = capture.book.add(symbol, coverage)
        said = self.control.said.get(symbol)
        series.backfill_from = said.backfill_from_id or 0 if said else 0
        capture.gap_log.reconcile(symbol, coverage, self.restored.gaps.get(symbol, GapFold()))

    async def _resume(self) -> None:
        """What an operator decided while nobody listened."""
        director = self._director()
        for symbol, record in self.control.said.items():
            series = self.capture.book.series.get(symbol)
            if series and record.resumption and 0 < series.coverage.stopped_at < record.at:
                await director.resume(symbol, record)


def _unusable(venue: Venue, symbol: str, why: str) -> ConfigError:
    """The error for a symbol of the settings that cannot be captured."""
    return ConfigError(f"{venue.exchange} cannot be asked for {symbol}: {why}; check {venue.exchange}_SYMBOLS")


@asynccontextmanager
async def opened(parts: Parts) -> AsyncIterator[Epoch]:
    """A run that knows what stands in Kafka.

    Raises:
        Unavailable, KafkaError: the broker does not answer.
    """
    settings, names, venue = parts.settings, parts.names, parts.venue
    store = Store(venue.exchange, venue.service, settings.k2_instance, settings, names, parts.schemas)
    control = Control(settings, names, venue.exchange, parts.metrics.errors)
    await control.read()
    restored = await store.restore()
    for reason, count in restored.ignored.items():
        parts.metrics.errors.labels("restore", reason).inc(count)
    writer = FrameWriter(venue.exchange, venue.service, wire_prefix(parts.schema_id))
    limits = PublisherLimits(records=settings.feed_max_in_flight, stall_s=settings.feed_stall_s)
    async with clients.started(clients.producer(settings), settings) as sender:
        publisher = Publisher(sender, names, parts.metrics, Backlog(limits), writer)
        sending = asyncio.create_task(publisher.run())
        symbols: dict[str, str] = {}
        capture = Capture(
            settings=settings,
            venue=venue,
            metrics=parts.metrics,
            transport=TRANSPORTS[settings.feed_transport],
            publisher=publisher,
            store=store,
            history=RestHistory(parts.rest, venue, symbols),
            book=Book(settings.feed_copies_window),
            gap_log=GapLog(venue.exchange, publisher.put, parts.metrics.feed),
            attempts=Attempts(venue.attempts, time.time, restored.attempts),
            names=symbols,
        )
        try:
            yield Epoch(capture, control, restored)
        finally:
            await cancel_and_wait(sending)


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()
