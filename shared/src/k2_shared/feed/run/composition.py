"""The one place where the parts of a run are put together."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from k2_shared.core.metrics import Metrics
from k2_shared.core.tasks import cancel_and_wait
from k2_shared.core.trade import wire_prefix
from k2_shared.feed.backfill.gap_filler import GapFiller
from k2_shared.feed.backfill.history import RestHistory
from k2_shared.feed.backfill.probes import Probes, quiet
from k2_shared.feed.backfill.worker import BackfillWorker
from k2_shared.feed.coverage.event_log import EventLog
from k2_shared.feed.coverage.gap_log import GapLog
from k2_shared.feed.coverage.silent import SilentSymbols
from k2_shared.feed.coverage.skew import ClockSkew
from k2_shared.feed.coverage.staleness import Laggards, Staleness
from k2_shared.feed.coverage.store import CoverageStore, Restored
from k2_shared.feed.publish.backlog import Backlog, PublisherLimits
from k2_shared.feed.publish.frames import FrameWriter
from k2_shared.feed.publish.publisher import Publisher
from k2_shared.feed.publish.tracker import FrameIntake, SymbolTracker
from k2_shared.feed.run.attempts import DurableAttempts
from k2_shared.feed.run.checkpoints import Checkpoints
from k2_shared.feed.run.control_topic import ControlTopic
from k2_shared.feed.run.controller import SymbolController
from k2_shared.feed.run.feed_run import FeedRun, Job
from k2_shared.feed.run.gauges import Gauges
from k2_shared.feed.run.housekeeping import Housekeeping, ProcessLimits
from k2_shared.feed.run.memory import MemoryWatch
from k2_shared.feed.run.recovery import Recovery
from k2_shared.feed.run.reports import ClockReports, GapReports, LaggardReports, SubscriptionReports
from k2_shared.feed.run.symbols import CapturedSymbols
from k2_shared.feed.transport.connector import Connector
from k2_shared.feed.transport.endpoints import Endpoints
from k2_shared.feed.transport.reports import ConnectionReports
from k2_shared.feed.transport.supervisor import ConnectionSupervisor
from k2_shared.feed.transport.transport import TRANSPORTS
from k2_shared.feed.venue.budget import ConnectionAttempts
from k2_shared.feed.venue.listings import Pairs
from k2_shared.feed.venue.rest import RestClient
from k2_shared.feed.venue.settings import FeedSettings
from k2_shared.feed.venue.venue import Venue
from k2_shared.kafka import clients
from k2_shared.kafka.schemas import SubjectSchemas
from k2_shared.kafka.topics import Names

_FAREWELL_SHARE = 1 / 4  # of the grace period: readers, the producer and the statistics need the rest
_SKEW_WINDOW_S = 60.0


@dataclass(frozen=True)
class FeedContext:
    """What a feed hands to each of its runs."""

    settings: FeedSettings
    names: Names
    venue: Venue
    metrics: Metrics
    rest: RestClient
    schema_id: int
    schemas: SubjectSchemas
    pairs: Pairs


@asynccontextmanager
async def opened(context: FeedContext, works: Callable[[], None]) -> AsyncIterator[FeedRun]:
    """Read what stands in Kafka and compose a run; ``works`` is called after each checkpoint.

    Raises:
        Unavailable, KafkaError: the broker does not answer.
    """
    settings, names, venue = context.settings, context.names, context.venue
    store = CoverageStore(venue.exchange, venue.service, settings.k2_instance, settings, names, context.schemas)
    control = ControlTopic(settings, names, venue.exchange, context.metrics.errors)
    await control.read()
    restored = await store.restore()
    for reason, count in restored.ignored.items():
        context.metrics.errors.labels("restore", reason).inc(count)
    writer = FrameWriter(venue.exchange, venue.service, wire_prefix(context.schema_id))
    backlog = Backlog(PublisherLimits(records=settings.feed_max_in_flight, stall_s=settings.feed_stall_s))
    async with clients.started(clients.producer(settings), settings) as sender:
        publisher = Publisher(sender, names, context.metrics, backlog, writer)
        sending = asyncio.create_task(publisher.run())
        try:
            yield composed(context, store, control, restored, publisher, works)
        finally:
            await cancel_and_wait(sending)


@dataclass(frozen=True)
class _Core:
    """The parts of a run that several others are handed."""

    context: FeedContext
    publisher: Publisher
    events: EventLog
    symbols: CapturedSymbols
    intake: FrameIntake
    attempts: ConnectionAttempts
    connector: Connector
    history: RestHistory
    silent: SilentSymbols


def composed(
    context: FeedContext,
    store: CoverageStore,
    control: ControlTopic,
    restored: Restored,
    publisher: Publisher,
    works: Callable[[], None],
) -> FeedRun:
    """Put a run together."""
    settings, core = context.settings, _core(context, store, restored, publisher)
    symbols = core.symbols
    recovery = Recovery(context.venue, control, restored, symbols, store, publisher.put)
    controller = SymbolController(symbols, core.connector, core.history.pairs, recovery.take_over)
    every_s, ends, chunks = settings.feed_checkpoint_s, restored.ends, restored.chunks
    checkpoints = Checkpoints(publisher, store, symbols.tracker, every_s, ends, chunks, recovery.left, works)
    grace_s = settings.feed_gap_grace_s
    gaps = GapReports(symbols.tracker, symbols.gap_log, core.events, checkpoints.checkpoint_now, grace_s)
    subscriptions = SubscriptionReports(symbols, core.connector, core.events)
    gauges = Gauges(
        context.venue.exchange, context.metrics, core.connector, core.attempts, core.intake, publisher, core.silent
    )
    jobs: list[Job] = [
        *(supervisor.run for supervisor in _supervisors(core)),
        _housekeeping(core, gauges, gaps, subscriptions).run,
        checkpoints.run,
        *_backfill(core),
        partial(control.follow, controller.hear),
        partial(controller.retry_suspended, settings.feed_stale_after_s),
    ]
    return FeedRun(
        publisher=publisher,
        symbols=symbols,
        connector=core.connector,
        recovery=recovery,
        controller=controller,
        checkpoints=checkpoints,
        jobs=jobs,
        count=gauges.count,
        last_reports=(subscriptions.leave, gaps.report, subscriptions.report),
        farewell_s=settings.shutdown_grace_s * _FAREWELL_SHARE,
    )


def _core(context: FeedContext, store: CoverageStore, restored: Restored, publisher: Publisher) -> _Core:
    settings, venue, metrics = context.settings, context.venue, context.metrics
    tracker = SymbolTracker(settings.feed_copies_window)
    events = EventLog(venue.exchange, venue.service, publisher.put)
    gap_log = GapLog(venue.exchange, publisher.put, metrics.feed)
    symbols = CapturedSymbols(tracker, gap_log, events, store, publisher, metrics.last_record, {})
    intake = FrameIntake(venue.exchange, tracker, publisher, metrics.rejected, symbols.refused)
    attempts = ConnectionAttempts(venue.attempts, time.time, restored.attempts)
    reserve = DurableAttempts(attempts, store, publisher).reserve
    transport = TRANSPORTS[settings.feed_transport]
    return _Core(
        context=context,
        publisher=publisher,
        events=events,
        symbols=symbols,
        intake=intake,
        attempts=attempts,
        connector=Connector(settings, venue, transport, intake, symbols.names, tracker, reserve),
        history=RestHistory(context.rest, venue, symbols.names),
        silent=SilentSymbols(),
    )


def _supervisors(core: _Core) -> list[ConnectionSupervisor]:
    """The redundant connections; their rotations are apart from each other."""
    settings, venue = core.context.settings, core.context.venue
    age_s, count = settings.feed_rotate_after_s, settings.feed_sockets
    return [
        ConnectionSupervisor(
            core.connector,
            ConnectionReports(core.events, core.context.metrics),
            settings,
            Endpoints(venue.ws_urls, settings.feed_failover_after),
            age_s * (1 - number / (2 * count)),
            partial(quiet, core.symbols.tracker, core.history),
            core.publisher.backlog.outlast_congestion,
        )
        for number in range(count)
    ]


def _backfill(core: _Core) -> list[Job]:
    """The jobs that ask the venue by REST."""
    settings, tracker = core.context.settings, core.symbols.tracker
    probes = Probes(
        tracker,
        core.connector,
        core.history,
        core.events,
        core.silent,
        Staleness(settings.feed_stale_after_s, time.monotonic),
        settings.feed_gap_grace_s,
        settings.feed_clock_skew_s,
    )
    patience_s, base_s, cap_s = settings.feed_gap_patience_s, settings.feed_backoff_base_s, settings.feed_backoff_cap_s
    worker = BackfillWorker(
        tracker,
        core.symbols.gap_log,
        GapFiller(core.history, patience_s, base_s, cap_s, time.monotonic),
        core.intake.publish,
        core.publisher.backlog.outlast_congestion,
        settings.feed_gap_grace_s,
    )
    return [probes.run, worker.run]


def _housekeeping(core: _Core, gauges: Gauges, gaps: GapReports, subscriptions: SubscriptionReports) -> Housekeeping:
    """The regular duties, in the order in which they are done."""
    settings, metrics = core.context.settings, core.context.metrics.feed
    memory = MemoryWatch(settings.feed_memory_limit_mb * 1_000_000)
    limits = ProcessLimits(memory, metrics.memory, core.publisher)
    skew = ClockSkew(_SKEW_WINDOW_S, time.monotonic)
    clock = ClockReports(core.intake, skew, core.events, metrics.clock_skew, settings.feed_clock_skew_s)
    laggards = LaggardReports(core.connector, Laggards(settings.feed_stale_after_s, time.monotonic), core.events)
    return Housekeeping(
        ticks=(gaps.report, subscriptions.report, clock.sample),
        looks=(limits.check, gauges.measure, clock.report, laggards.report),
    )
