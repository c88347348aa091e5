"""A watch over a broker that goes away and comes back, behind a port of the test's own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from k2_shared.core.metrics import Metrics
from k2_shared.core.settings import KafkaSettings, RunSettings
from k2_shared.kafka import broker_watch, clients
from k2_shared.kafka.broker_watch import BACK, LOST, BrokerWatch
from k2_shared.kafka.topic_watch import TopicWatch
from k2_support.waiting import eventually


def watching(settings: KafkaSettings) -> BrokerWatch:
    return BrokerWatch(settings, TopicWatch(Metrics("test", "0").unread_partitions))


@asynccontextmanager
async def silent() -> AsyncIterator[tuple[str, list[object]]]:
    """Something that takes connections and never answers, as a broker that is frozen.

    Yields host and port, and what has connected so far.
    """
    connected: list[object] = []

    async def listen(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.append(writer)
        await asyncio.Event().wait()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    try:
        host, port = server.sockets[0].getsockname()
        yield f"{host}:{port}", connected
    finally:
        server.close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_watch, "EVERY_S", 0.02)
    monkeypatch.setattr(broker_watch, "ANSWER_S", 1.0)


class Asking:
    """What the watches of a test ask of a broker: over which connections, how often, and where they find one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.connections: list[Any] = []
        self.answers = 0
        self.fails_once = False
        self.address = ""
        self._connect, self._describe = broker_watch.administration, broker_watch.describe
        monkeypatch.setattr(broker_watch, "administration", self.administration)
        monkeypatch.setattr(broker_watch, "describe", self.describe)

    def administration(self, settings: KafkaSettings) -> Any:
        """A connection to the address that is set, if one is."""
        found = {"kafka_bootstrap_servers": self.address} if self.address else {}
        return self._connect(settings.model_copy(update=found))

    async def describe(self, admin: Any, topics: Any) -> Any:
        """Ask over a connection, or fail as one that was cut."""
        self.connections.append(admin)
        if self.fails_once or self.address:
            self.fails_once = False
            raise clients.KafkaConnectionError("the test's")
        found = await self._describe(admin, topics)
        self.answers += 1
        return found


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> Asking:
    """Watches ask by this."""
    return Asking(monkeypatch)


@pytest.fixture
async def watch(run_settings: RunSettings, asking: Asking) -> AsyncIterator[BrokerWatch]:
    """A watch that has had an answer."""
    service = watching(run_settings)
    await service.start()
    await eventually(lambda: asking.answers, "the first answer")
    yield service
    await service.stop()


async def test_a_loss_and_a_return_are_told_once_each(
    watch: BrokerWatch, asking: Asking, run_settings: RunSettings
) -> None:
    """However often it is asked meanwhile."""
    with capture_logs() as said:
        async with silent() as (asking.address, tries):
            await eventually(lambda: watch.is_lost, "the loss")
            assert watch.not_ready() == [f"kafka: no broker answers at {run_settings.kafka_bootstrap_servers}"]
            await eventually(lambda: len(tries) > 3, "more questions")
        asking.address = ""
        await eventually(lambda: not watch.is_lost, "the return")
        assert watch.not_ready() == []
    assert [each["event"] for each in said if each["event"] in (LOST, BACK)] == [LOST, BACK]


async def test_a_connection_that_was_cut_is_replaced_before_it_counts(watch: BrokerWatch, asking: Asking) -> None:
    """A broker that closes what is idle, or a node among others that ends, is no loss."""
    with capture_logs() as said:
        asked, asking.fails_once = asking.answers, True
        await eventually(lambda: asking.answers > asked and not asking.fails_once, "the next answer")
    first, last = asking.connections[0], asking.connections[-1]
    assert first is not last
    assert [each["event"] for each in said if each["event"] == LOST] == []


async def test_a_client_that_says_at_its_stop_that_it_was_cancelled_cancels_nobody(run_settings: RunSettings) -> None:
    """aiokafka does, where its fetch was waiting to be tried again; a stop that is cancelled from outside still is."""

    class Client:
        async def start(self) -> None: ...

        async def stop(self) -> None:
            raise asyncio.CancelledError

    async with clients.started(Client(), run_settings):
        pass
    stopping = asyncio.Event()
    hanging = asyncio.create_task(_hang(run_settings, stopping))
    await stopping.wait()
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging


async def _hang(settings: KafkaSettings, stopping: asyncio.Event) -> None:
    class Client:
        async def start(self) -> None: ...

        async def stop(self) -> None:
            stopping.set()
            await asyncio.Event().wait()

    async with clients.started(Client(), settings):
        pass
