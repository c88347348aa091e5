"""A watch over a broker that goes away and comes back, behind a port of the test's own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from k2_shared.core.settings import KafkaSettings, RunSettings
from k2_shared.core.telemetry import Metrics
from k2_shared.kafka import broker_watch, clients
from k2_shared.kafka.broker_watch import BACK, LOST, BrokerWatch
from k2_shared.kafka.topic_watch import TopicWatch
from k2_support.waiting import eventually


def watching(settings: KafkaSettings) -> BrokerWatch:
    return BrokerWatch(settings, TopicWatch(Metrics("test", "0").unread_partitions))


@asynccontextmanager
async def silent() -> AsyncIterator[str]:
    """Something that takes connections and never answers, as a broker that is frozen; yields host and port."""

    async def listen(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    try:
        host, port = server.sockets[0].getsockname()
        yield f"{host}:{port}"
    finally:
        server.close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_watch, "EVERY_S", 0.02)
    monkeypatch.setattr(broker_watch, "ANSWER_S", 1.0)


async def test_a_loss_and_a_return_are_told_once_each(run_settings: RunSettings) -> None:
    """However often it is asked meanwhile."""
    watch = watching(run_settings)
    with capture_logs() as said:
        assert await watch._failure() == ""
        async with silent() as address:
            there = watch._settings
            watch._settings = there.model_copy(update={"kafka_bootstrap_servers": address})
            await watch._connection.aclose()
            watch._admin = None
            await watch.start()
            await eventually(lambda: watch.is_lost, "the loss")
            assert watch.not_ready() == [f"kafka: no broker answers at {address}"]
            await asyncio.sleep(1.5)
            watch._settings = there
            await eventually(lambda: not watch.is_lost, "the return")
        assert watch.not_ready() == []
        await watch.stop()
    assert [each["event"] for each in said if each["event"] in (LOST, BACK)] == [LOST, BACK]


async def test_a_connection_that_was_cut_is_replaced_before_it_counts(run_settings: RunSettings) -> None:
    """A broker that closes what is idle, or a node among others that ends, is no loss."""
    watch = watching(run_settings)
    assert await watch._failure() == ""
    first = watch._admin

    async def fails(*_: object) -> None:
        raise clients.KafkaConnectionError("the test's")

    first._send_request = fails
    assert await watch._failure() == ""
    assert watch._admin is not first
    await watch.on_stop()


async def test_a_client_that_says_at_its_stop_that_it_was_cancelled_cancels_nobody(run_settings: RunSettings) -> None:
    """aiokafka does, where its fetch was waiting to be tried again; a stop that is cancelled from outside still is."""

    class Client:
        async def start(self) -> None: ...

        async def stop(self) -> None:
            raise asyncio.CancelledError

    async with clients.started(Client(), run_settings):
        pass
    hanging = asyncio.create_task(_hang(run_settings))
    await asyncio.sleep(0.05)
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging


async def _hang(settings: KafkaSettings) -> None:
    class Client:
        async def start(self) -> None: ...

        async def stop(self) -> None:
            await asyncio.Event().wait()

    async with clients.started(Client(), settings):
        pass
