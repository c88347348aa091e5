"""A feed as a service: captures until told to stop, and starts over from Kafka after every failure of Kafka."""

import asyncio
import time
from contextlib import suppress
from dataclasses import replace

import aiohttp
from aiokafka.errors import KafkaError
from mode import Service

from k2_shared.core.backoff import Backoff
from k2_shared.core.errors import Unavailable
from k2_shared.core.logs import logger
from k2_shared.core.metrics import Metrics
from k2_shared.feed.backfill.history import ask_pairs
from k2_shared.feed.run.composition import FeedContext, opened
from k2_shared.feed.run.feed_run import FeedRun
from k2_shared.feed.run.housekeeping import ProducerExhausted
from k2_shared.feed.run.statistics import add_statistics
from k2_shared.feed.venue.budget import RestBudget
from k2_shared.feed.venue.listings import Pairs
from k2_shared.feed.venue.rest import RestClient
from k2_shared.feed.venue.settings import FeedSettings
from k2_shared.feed.venue.venue import Venue
from k2_shared.kafka.schemas import SubjectSchemas
from k2_shared.kafka.topics import BRONZE, COVERAGE, DLQ, EVENTS, GAPS, RAW, SYMBOLS, Names, administration, check
from k2_shared.stages.agent import Shell

RESTARTED = "feed_restarted"
RENEWED = "feed_producer_renewed"
CUT = "feed_stop_cut"
_PAIRS_ATTEMPTS = 5
_RECOVERY = "recovery"


class Feed(Service):  # type: ignore[misc]
    """Captures one venue over redundant sockets."""

    def __init__(self, settings: FeedSettings, names: Names, venue: Venue, metrics: Metrics) -> None:
        super().__init__()
        self._settings, self._names, self._venue, self._metrics = settings, names, venue, metrics
        self._backoff = Backoff(settings.feed_backoff_base_s, settings.feed_backoff_cap_s)
        self._stopping = asyncio.Event()
        self._current: FeedRun | None = None
        self._awaited = _RECOVERY
        self._running: asyncio.Future[None] | None = None

    def not_ready(self) -> list[str]:
        """The symbols that no socket carries, and a Kafka that takes nothing."""
        return [self._awaited] if self._current is None else missing(self._current, self._settings.feed_stall_s)

    async def on_start(self) -> None:
        self._metrics.uncaptured(self._venue.exchange)
        async with administration(self._settings) as admin:
            await check(admin, self._names, topics(self._venue))
        timeout = aiohttp.ClientTimeout(total=self._settings.feed_rest_timeout_s)
        session = await self.add_async_context(aiohttp.ClientSession(timeout=timeout))
        budget = RestBudget(self._venue.rest_capacity, self._venue.rest_per_s, time.monotonic)
        rest = RestClient(session, self._venue.rest_url, self._venue.exchange, budget, self._metrics.feed)
        self._context = await self._prepared(rest)

    async def on_started(self) -> None:
        self._running = self.add_future(self._run())

    async def on_stop(self) -> None:
        """Close the connections, wait until Kafka has acknowledged what was read, and write the last checkpoints."""
        self._stopping.set()
        if self._running:
            await asyncio.wait([self._running])

    async def _run(self) -> None:
        """Capture; when Kafka fails, start over from what stands there: REST has what was missed meanwhile.

        Raises:
            Unavailable: the venue is out of reach, memory is used up, or Kafka failed too often in a row.
        """
        while not self._stopping.is_set():
            try:
                await self._once()
            except ProducerExhausted:
                logger().info(RENEWED)
                await self._renew()
            except (Unavailable, KafkaError) as error:
                if self._stopping.is_set():
                    logger().error(CUT, error=str(error))
                    return
                if isinstance(error, Unavailable) and self._current and not self._current.publisher.backlog.failed:
                    raise
                self._awaited = f"kafka: {error}"
                self._leave()
                await self._back_off(error)
                await self._renew()
            finally:
                self._leave()

    async def _once(self) -> None:
        async with opened(self._context, self._backoff.succeeded) as run:
            self._current, self._awaited = run, _RECOVERY
            await run.begin(self._context.pairs)
            await run.work(self._stopping)

    def _leave(self) -> None:
        """Drop the run that has ended; its gauges say that nothing is captured."""
        self._current = None
        self._metrics.uncaptured(self._venue.exchange)

    async def _renew(self) -> None:
        """Ask for the pairs anew, where REST answers: what was listed since the start may be captured by now."""
        with suppress(Unavailable):
            self._context = replace(self._context, pairs=await ask_pairs(self._context.rest, self._venue))

    async def _back_off(self, error: Exception) -> None:
        delay_s = self._backoff.next_delay()
        logger().warning(RESTARTED, error=repr(error), failures=self._backoff.failures, retry_in_s=round(delay_s, 3))
        if self._backoff.failures >= self._settings.feed_connect_attempts:
            raise Unavailable(f"Kafka failed {self._backoff.failures} times in a row, the last with {error!r}")
        await self.sleep(delay_s)

    async def _prepared(self, rest: RestClient) -> FeedContext:
        """The schema's id and the venue's list of pairs.

        Raises:
            Unavailable: the registry or the venue does not answer.
        """
        venue, topic = self._venue, self._names.topic(BRONZE.format(exchange=self._venue.exchange.lower()))
        schemas = SubjectSchemas(self._settings, self._names.contract(topic), self._names.subject(topic))
        written = await schemas.load()
        pairs = await self._pairs(rest)
        return FeedContext(self._settings, self._names, venue, self._metrics, rest, written, schemas, pairs)

    async def _pairs(self, rest: RestClient) -> Pairs:
        venue, backoff = self._venue, Backoff(0.5, 5.0)
        while True:
            try:
                found = await ask_pairs(rest, venue)
                found.check(venue.symbols)
            except Unavailable as error:
                delay_s = backoff.next_delay()
                if backoff.failures >= _PAIRS_ATTEMPTS:
                    raise Unavailable(f"{error}: check {venue.exchange}_REST_URL") from None
                await self.sleep(delay_s)
            else:
                return found


def missing(run: FeedRun, stall_s: float) -> list[str]:
    """What a run lacks to be ready: subscriptions, and a Kafka that has acknowledged within ``stall_s``."""
    absent = sorted(run.symbols.names.keys() - run.connector.confirmed)
    found = [f"subscription {symbol}{_said(run.symbols.refusals.get(symbol))}" for symbol in absent]
    owed_s = run.publisher.unacknowledged_s
    return found if owed_s < stall_s else [*found, f"kafka: nothing acknowledged for {owed_s:.0f} s"]


def topics(venue: Venue) -> list[str]:
    """The topics that the feed of a venue reads and writes, by the contract's name."""
    exchange = venue.exchange.lower()
    return [RAW.format(exchange=exchange), BRONZE.format(exchange=exchange), DLQ, GAPS, EVENTS, SYMBOLS, COVERAGE]


def _said(refusal: str | None) -> str:
    return f": the venue refused it: {refusal}" if refusal else ""


def in_shell(shell: Shell, settings: FeedSettings, venue: Venue) -> Feed:
    """A venue's feed and its statistics, in the shell of its process."""
    names = Names(settings.k2_prefix)
    feed = Feed(settings, names, venue, shell.metrics)
    shell.health.not_ready = feed.not_ready
    shell.topics.watch(names.partition_counts(topics(venue)))
    add_statistics(shell, settings, names)
    return feed
