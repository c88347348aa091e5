"""A minute without Kafka, with a slow Kafka, without the registry: on a stack of its own, under load."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
from tests.faults.apis import PRODUCE
from tests.faults.proxy import Proxy
from tests.feeds.marks import BOTH, KRAKEN
from tests.feeds.rig import Rig, running
from tests.feeds.sim import BTC
from tests.feeds.watch import watching

from k2_local import Stack
from k2_local.stack_state import StackState
from k2_shared.core.settings import RunSettings
from k2_shared.core.trade import Exchange
from k2_shared.feed.coverage.feed_records import EventKind
from k2_support.waiting import eventually

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
LASTS_S = 60.0
UNTIL_S = 240.0  # what waited meanwhile is written, and the rest asked of REST


@asynccontextmanager
async def _behind(
    settings: RunSettings, venue: Exchange, folder: Path, **environment: str
) -> AsyncIterator[tuple[Rig, Proxy]]:
    """A feed that knows the broker only by a proxy; whoever asks what stands in Kafka goes past it."""
    async with Proxy(int(settings.kafka_bootstrap_servers.rpartition(":")[2])).listening() as proxy:
        told = {"FEED_SOCKETS": "2", "KAFKA_BOOTSTRAP_SERVERS": proxy.address, **environment}
        async with running(settings, venue, folder, **told) as rig:
            await rig.up()
            yield rig, proxy


@contextmanager
def _frozen(stack: Stack) -> Iterator[None]:
    """The broker keeps its connections and says nothing, for the length of a block."""
    known = StackState(stack.settings.state).process("kafka")
    assert known
    broker = psutil.Process(known.pid)
    broker.suspend()
    try:
        yield
    finally:
        broker.resume()


async def _missing(rig: Rig) -> list[str]:
    child = rig.feed.child
    return await asyncio.to_thread(child.missing) if child else ["a process"]


async def _says(rig: Rig, words: str) -> None:
    """Wait until it is not ready, and these words say why."""

    async def said() -> bool:
        return any(words in each for each in await _missing(rig))

    await eventually(said, f"{words!r} at /readyz", LASTS_S)


@BOTH
@pytest.mark.parametrize("how", ["frozen", "cut"])
async def test_a_minute_without_kafka_loses_nothing(
    stack: Stack, settings: RunSettings, tmp_path: Path, venue: Exchange, how: str
) -> None:
    """It is not ready meanwhile, says why, is told by an alert, and comes back by itself, in the same process."""
    async with _behind(settings, venue, tmp_path) as (rig, proxy), watching(rig, "K2FeedKafkaStalled") as watch:
        await watch.stays_quiet(3)
        with _frozen(stack) if how == "frozen" else proxy.cut():
            ends = asyncio.create_task(asyncio.sleep(LASTS_S))
            await _says(rig, "kafka: ")
            await watch.fires()
            await ends
        await watch.is_quiet(UNTIL_S)
        await rig.up()
        await rig.sim.traded(BTC, 100)
        await rig.whole()
        assert rig.feed.starts == 1


@BOTH
async def test_a_minute_of_slow_acknowledgements_costs_nothing(
    settings: RunSettings, tmp_path: Path, venue: Exchange
) -> None:
    """What waits gathers in larger batches: the sockets stay, nothing is asked of REST, and the feed stays ready."""
    async with _behind(settings, venue, tmp_path) as (rig, proxy):
        slow = proxy.inject(PRODUCE, "delay", times=1_000_000, delay_s=1.0)
        ends = asyncio.create_task(asyncio.sleep(LASTS_S))
        while not ends.done():
            assert await _missing(rig) == []
            await asyncio.sleep(1)
        assert slow.felt >= LASTS_S / 4
        proxy.clear()
        accounts = await rig.whole()
        assert not any(account.rest_records for account in accounts.values())
        assert await rig.events(EventKind.DISCONNECTED, EventKind.CONGESTED) == []


@KRAKEN
async def test_a_kafka_that_is_too_slow_is_told(settings: RunSettings, tmp_path: Path, venue: Exchange) -> None:
    """Sockets are let go where there is no room for too long; that is no alarm for ever."""
    tight = {"FEED_MAX_IN_FLIGHT": "100", "FEED_STALL_S": "3"}
    async with _behind(settings, venue, tmp_path, **tight) as (rig, proxy), watching(rig, "K2FeedCongested") as watch:
        await watch.is_quiet()
        slow = proxy.inject(PRODUCE, "delay", times=1_000_000, delay_s=8.0)
        await watch.fires()
        assert slow.done
        proxy.clear()
        await watch.is_quiet()
        await rig.up()
        await rig.whole()
        assert await rig.events(EventKind.CONGESTED)


@BOTH
async def test_a_running_feed_needs_no_registry(
    stack: Stack, settings: RunSettings, tmp_path: Path, venue: Exchange
) -> None:
    """It goes on without it under load; a start meanwhile ends with 4 and names the setting."""
    async with _behind(settings, venue, tmp_path) as (rig, _):
        await asyncio.to_thread(stack.down, only=["registry"])
        try:
            sent = await rig.metric("k2_records_sent_total")
            await rig.counted("k2_records_sent_total", sent + 1_000)
            assert await _missing(rig) == []
            await rig.feed.end()
            rig.feed.start()
            ended = await rig.feed.wait_end()
            assert ended.exit_code == 4
            assert "SCHEMA_REGISTRY_URL" in ended.log.read_text().splitlines()[-1]
        finally:
            await asyncio.to_thread(stack.up)
        await rig.up()
        await rig.whole()
