"""Processes that are killed, stopped, too large, or started where something is missing."""

import asyncio
import random
import signal

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from tests.feeds.claims import ahead, claimed
from tests.feeds.conftest import Begin
from tests.feeds.marks import BOTH
from tests.feeds.rig import Rig
from tests.feeds.sim import BTC, ETH

from k2_shared.core.trade import Exchange
from k2_shared.feed.coverage.feed_records import Cause, EventKind, GapState
from k2_shared.kafka.topics import COVERAGE, administration
from k2_support.ports import free_port

pytestmark = pytest.mark.long


async def assert_nothing_is_claimed_that_is_not_there(rig: Rig) -> None:
    """Checkpoints first, so that what bronze gets meanwhile does not hide what it lacked."""
    claims = await claimed(rig)
    assert claims.keys() == set(rig.plays.lively)
    assert ahead(claims, await rig.accounts()) == {}


@BOTH
@pytest.mark.parametrize("seed", [1, 2])
async def test_a_crash_at_any_moment_never_leaves_a_mark_ahead_of_bronze(
    begin: Begin, venue: Exchange, seed: int
) -> None:
    """Killed again and again under load, now and then before it has begun: every id is there at last."""
    rng = random.Random(seed)
    rig = await begin(venue, FEED_CHECKPOINT_S="0.05")
    for _ in range(4):
        await rig.sim.fault("drop_ids", symbol=BTC, count=rng.randint(1, 30))
        await asyncio.sleep(rng.uniform(0.0, 2.0))
        await rig.feed.end(signal.SIGKILL)
        await assert_nothing_is_claimed_that_is_not_there(rig)
        rig.feed.start()
        await asyncio.sleep(rng.uniform(0.0, 2.5))
        await rig.feed.end(signal.SIGKILL)
        await rig.up()
    assert [ended.exit_code for ended in rig.feed.ended] == [-signal.SIGKILL] * 8
    await rig.whole()


@BOTH
async def test_a_stop_in_order_goes_on_without_reading_back(begin: Begin, venue: Exchange) -> None:
    """What was traded meanwhile is a gap of the restart, and is filled."""
    rig = await begin(venue)
    (ended,) = await rig.stop()
    assert ended.exit_code == 0
    await assert_nothing_is_claimed_that_is_not_there(rig)
    await rig.sim.traded(BTC, 150)
    await rig.up()
    accounts = await rig.whole()
    assert {gap.cause for gap in await rig.gaps(GapState.OPENED)} == {Cause.RESTART}
    assert sum(account.rest_records for account in accounts.values()) > 0


@BOTH
async def test_a_crash_amid_a_backfill_fills_the_rest(begin: Begin, venue: Exchange) -> None:
    """The gap that stands open in the ledger is closed by the next process."""
    rig = await begin(venue)
    await rig.crash_amid_a_backfill(BTC)
    accounts = await rig.whole()
    assert not accounts[BTC].open


@BOTH
async def test_a_process_that_grows_too_large_ends_in_order(prepare: Begin, venue: Exchange) -> None:
    """With 4 and the reason; what it took is in Kafka, and the next one goes on from there."""
    rig = await prepare(venue)
    rig.feed.start(FEED_MEMORY_LIMIT_MB="32")
    ended = await rig.feed.wait_end()
    assert ended.exit_code == 4
    assert "FEED_MEMORY_LIMIT_MB=32" in ended.log.read_text()
    await assert_nothing_is_claimed_that_is_not_there(rig)
    assert (await claimed(rig))[BTC]
    await rig.up()
    await rig.whole()


async def _take_records_up_to(rig: Rig, topic: str, size: int) -> None:
    """Let the broker refuse what is larger."""
    said = {"max.message.bytes": str(size)}
    async with administration(rig.settings) as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, rig.names.topic(topic), said)])


async def test_a_feed_whose_starts_all_fail_gives_up(begin: Begin) -> None:
    """Kafka refuses its first checkpoint again and again: it does not start over for ever, though each start begins."""
    rig = await begin("KRAKEN", FEED_CONNECT_ATTEMPTS="3")
    await _take_records_up_to(rig, COVERAGE, 220)
    ended = await rig.feed.wait_end()
    assert ended.exit_code == 4
    assert "Kafka failed 3 times in a row" in ended.log.read_text()
    await _take_records_up_to(rig, COVERAGE, 1_048_576)
    await rig.up()
    await rig.whole()


@BOTH
async def test_without_a_registry_nothing_starts(prepare: Begin, venue: Exchange) -> None:
    """It ends with 4 and names the setting; the supervisor's next start finds the registry."""
    rig = await prepare(venue)
    rig.feed.start(SCHEMA_REGISTRY_URL=f"http://127.0.0.1:{free_port()}")
    ended = await rig.feed.wait_end()
    assert ended.exit_code == 4
    assert "SCHEMA_REGISTRY_URL" in ended.log.read_text()
    await rig.up()
    await rig.whole()


@BOTH
async def test_without_the_list_of_pairs_nothing_starts(prepare: Begin, venue: Exchange) -> None:
    """A venue whose REST fails is tried a few times; then the process ends with 4 and names the setting."""
    rig = await prepare(venue)
    await rig.sim.fault("rest_errors", count=5, value="status")
    rig.feed.start()
    ended = await rig.feed.wait_end()
    assert ended.exit_code == 4
    assert f"{venue}_REST_URL" in ended.log.read_text()
    await rig.sim.struck("rest_errors", 5)
    await rig.up()
    await rig.whole()


@BOTH
async def test_a_symbol_of_the_settings_that_cannot_be_captured_is_refused(prepare: Begin, venue: Exchange) -> None:
    """Before anything is connected, with 2, the reason and the setting."""
    rig = await prepare(venue, flags=["--listed", f"{venue}:PEPE/USDT:10"])
    for symbol, said in (("PEPE/USDT", "10 decimals"), ("NONE/USDT", "does not trade it")):
        rig.feed.start(**{f"{venue}_SYMBOLS": f"{BTC},{symbol}"})
        ended = await rig.feed.wait_end()
        assert ended.exit_code == 2
        assert said in ended.log.read_text()
    assert await rig.events(EventKind.CONNECTED) == []


@BOTH
async def test_both_sockets_and_the_process_may_go_at_once(begin: Begin, venue: Exchange) -> None:
    """Refused while it starts again, it goes on trying, and backfills either symbol."""
    rig = await begin(venue, FEED_SOCKETS="2")
    await rig.sim.fault("refuse_connections", seconds=5)
    await rig.restart()
    await rig.sim.struck("refuse_connections")
    accounts = await rig.whole()
    assert all(accounts[symbol].rest_records for symbol in (BTC, ETH))
