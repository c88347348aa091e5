"""Statistics of the feeds, kept by plain Faust agents over their events and gaps, shown at ``GET /feeds``.

The agents are a Faust app of their own beside the service's: an app with agents starts its other services only when its
group was joined, which after a kill takes a session's timeout. Capturing neither waits for statistics nor ends with
them.
"""

from asyncio import CancelledError, create_task, timeout, wait
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import faust
from aiokafka.errors import CommitFailedError, KafkaError
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from mode import Service
from mode.threads import WorkerThread

from k2_shared.core.errors import InvalidRecord, Unavailable
from k2_shared.core.logs import logger
from k2_shared.feed.coverage import feed_records
from k2_shared.feed.coverage.counts import FeedCounts
from k2_shared.feed.venue.settings import FeedSettings
from k2_shared.kafka import clients, groups
from k2_shared.kafka.topics import EVENTS, GAPS, Names, administration
from k2_shared.stages.agent import Shell

ENDED = "feed_statistics_ended"
_STAGE = "statistics"
_SESSION_S, _HEARTBEAT_S = 10.0, 3.0
_STOP_S, _THREAD_END_S = 3.0, 1.0
_TIDY_S, _TIDY_AFTER_S, _TIDY_EVERY_S = 30.0, 20.0, 300.0


class _DaemonThread(WorkerThread):  # type: ignore[misc]
    """The operating system's thread of a Faust consumer, which does not keep a stopped process alive."""

    def __init__(self, service: Any, **kwargs: Any) -> None:
        super().__init__(service, **kwargs)
        self.daemon = True

    def run(self) -> None:
        """Run until stopped; a consumer that is stopped while its fetch waits for a retry raises CancelledError."""
        with suppress(CancelledError):
            super().run()

    def stop(self) -> None:
        """Wait for the thread's end, for a second at most: this blocks the service's event loop."""
        self.is_stopped.wait(_THREAD_END_S)


class _ConsumerThread(AIOKafkaConsumerThread):  # type: ignore[misc]
    Worker = _DaemonThread


class _Consumer(Consumer):  # type: ignore[misc]
    def _new_consumer_thread(self) -> _ConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)


class _Transport(Transport):  # type: ignore[misc]
    Consumer = _Consumer


class _App(faust.App):  # type: ignore[misc]
    """A Faust app whose consumer runs in a daemon thread."""

    def _new_transport(self) -> _Transport:
        return _Transport(self.conf.broker_consumer, self)


Take = Callable[[bytes | None], None]


def add_statistics(shell: Shell, settings: FeedSettings, names: Names) -> None:
    """Count the events and gaps of every feed of the run in this process, and answer ``GET /feeds`` with the counts.

    To be called by a composition root, before the service that writes events is added: what that one says of its own
    start is then counted. The counts begin with the process; the answer says when, and whether they still go on. The
    group is the same after a restart of the same K2_INSTANCE; it is deleted at an orderly end, and that of a process
    that was killed by another of its service.
    """
    shell.metrics.feed.memory_limit.set(settings.feed_memory_limit_mb * 1e6)
    counts = FeedCounts(feed_records.now_us())
    prefix = f"{shell.app.conf.id}-{_STAGE}-"
    statistics = Statistics(_app(shell, f"{prefix}{settings.k2_instance}"), settings, names, prefix)
    statistics.count(
        EVENTS, _reader(EVENTS, lambda value: counts.event(feed_records.events.read(value)), counts, shell)
    )
    statistics.count(GAPS, _reader(GAPS, lambda value: counts.gap(feed_records.gaps.read(value)), counts, shell))
    shell.app.service(statistics)

    async def feeds(web: Any, request: Any) -> Any:
        return web.json({"reading": statistics.is_reading, **counts.shown()})

    shell.app.page("/feeds")(feeds)


def _reader(topic: str, take: Take, counts: FeedCounts, shell: Shell) -> Take:
    """A reader that takes a value, or counts that it cannot be read."""

    def read(value: bytes | None) -> None:
        try:
            take(value)
        except InvalidRecord as error:
            counts.unreadable(topic)
            shell.metrics.errors.labels(_STAGE, error.reason).inc()
        else:
            shell.metrics.received.labels(topic).inc()

    return read


def _app(shell: Shell, group: str) -> faust.App:
    """An app with no pages of its own, on the broker of the service's."""
    conf = shell.app.conf
    return _App(
        group,
        broker=conf.broker,
        broker_credentials=conf.broker_credentials,
        broker_session_timeout=_SESSION_S,
        broker_heartbeat_interval=_HEARTBEAT_S,
        broker_rebalance_timeout=_SESSION_S,  # a member that died in one holds it up no longer than any other
        consumer_auto_offset_reset="latest",
        autodiscover=False,
        datadir=conf.datadir,
        store="memory://",
        table_standby_replicas=0,  # there are no tables, and so no need of Faust's own assignor
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
    )


class Statistics(Service):  # type: ignore[misc]
    """Runs the agents beside the service."""

    def __init__(self, app: faust.App, settings: FeedSettings, names: Names, prefix: str) -> None:
        super().__init__()
        self._app = app
        self._settings = settings
        self._names = names
        self._group = str(app.conf.id)
        self._prefix = prefix  # of the groups of every process of the service
        self._partitions = [at for topic in (EVENTS, GAPS) for at in names.partitions(topic)]

    @property
    def is_reading(self) -> bool:
        """Whether the agents are running."""
        return bool(self._app.started and not self._app.crashed and not self._app.should_stop)

    def count(self, topic: str, take: Take) -> None:
        """Add an agent that takes every value of a topic, by the contract's name, from the start of the service on."""
        source = self._app.topic(
            self._names.topic(topic), key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
        )

        @self._app.agent(source, name=f"{_STAGE}.{topic}")  # type: ignore[untyped-decorator]
        async def agent(values: Any) -> None:
            async for value in values:
                take(value)

    async def on_start(self) -> None:
        """Set the group to the ends of the topics, so that what the service says from now on is counted.

        Raises:
            Unavailable: no broker answered.
        """
        async with clients.started(clients.consumer(self._settings, group=self._group), self._settings) as reader:
            reader.assign(self._partitions)
            ends = await reader.end_offsets(self._partitions)
            with suppress(CommitFailedError):  # a killed predecessor is a member yet; what it left is told by its time
                await reader.commit(ends)

    async def on_started(self) -> None:
        self.add_future(self._read())
        self.add_future(self._tidy())

    async def _read(self) -> None:
        reason: BaseException | None = None
        try:
            await self._app.start()
            await self._app.wait_until_stopped()
            reason = self._app.crash_reason
        except KafkaError as error:
            reason = error
        if not self.should_stop:
            logger().error(ENDED, reason=repr(reason))

    async def _tidy(self) -> None:
        """Delete the groups of processes that were killed and did not come back under their name.

        Twice in a row they must have been behind: a process sets its group to the ends before it joins it.
        """
        suspects: set[str] | None = None
        while not self.should_stop:
            try:
                async with timeout(_TIDY_S):
                    suspects = await self._deleted_abandoned(suspects or set())
            except (KafkaError, Unavailable, TimeoutError):
                suspects = None  # the next time is soon enough
            await self.sleep(_TIDY_EVERY_S if suspects == set() else _TIDY_AFTER_S)

    async def _deleted_abandoned(self, suspects: set[str]) -> set[str]:
        """Delete those that are behind now as before and have no members; returns all that are behind."""
        async with (
            administration(self._settings) as admin,
            clients.started(clients.consumer(self._settings), self._settings) as reader,
        ):
            ends = await reader.end_offsets(self._partitions)
            found = await groups.behind(admin, self._prefix, ends) - {self._group}
            for group in found & suspects:
                await groups.delete(admin, group)
        return found

    async def on_stop(self) -> None:
        """Leave the group and delete it; what takes too long is left to the session's end and to the next process.

        A stop of Faust's swallows its cancellation, part by part, and is left to itself.
        """
        left, _ = await wait([create_task(self._app.stop())], timeout=_STOP_S)
        with suppress(KafkaError, Unavailable, TimeoutError):
            async with timeout(_STOP_S):
                if left:
                    await self._delete_group()

    async def _delete_group(self) -> None:
        async with administration(self._settings) as admin:
            await groups.delete(admin, self._group)
