"""Every alert of the feeds fires from the gauges of a real feed under the real fault, and ends with it.

The rules are the project's own with their durations shortened; the alerts about Kafka stand in ``test_broker``.
"""

import json
import time
from urllib.parse import urlsplit

import pytest
from tests.feeds.conftest import Begin
from tests.feeds.marks import BINANCE, BOTH, KRAKEN
from tests.feeds.rest_relay import relaying_rest
from tests.feeds.sim import BTC, ETH
from tests.feeds.watch import watching

from k2_shared.core.records import Outgoing
from k2_shared.core.trade import Exchange
from k2_shared.feed.coverage.feed_records import EventKind, GapState
from k2_shared.kafka.topics import COVERAGE
from k2_support.ports import free_port
from k2_support.topics import write

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
LASTING_S = 600  # longer than the test


@BOTH
async def test_lasting_silence_is_stale(begin: Begin, venue: Exchange) -> None:
    """Sockets are let go and made anew again and again, and none brings a trade: the alert holds until one does."""
    rig = await begin(venue, FEED_STALE_AFTER_S="1")
    async with watching(rig, "K2FeedStale") as watch:
        await watch.stays_quiet(4)
        await rig.sim.fault("silent", symbol=ETH, seconds=LASTING_S)
        await watch.fires()
        await rig.told(EventKind.STALE, ETH, times=3)
        await watch.fires()
        await rig.sim.fault("silent", symbol=ETH, seconds=0.001)
        await watch.is_quiet()
    await rig.whole()


@BOTH
async def test_a_venue_that_takes_no_socket_is_not_captured(begin: Begin, venue: Exchange) -> None:
    """A moment without a socket is no alarm; ``k2_websocket_connected`` says the same."""
    rig = await begin(venue, FEED_CONNECT_ATTEMPTS="1000")
    async with watching(rig, "K2FeedNoSocket") as watch:
        await rig.sim.fault("drop_connections")
        await rig.told(EventKind.CONNECTED, times=2)
        await watch.stays_quiet(4)
        await rig.sim.fault("refuse_connections", seconds=LASTING_S)
        await rig.sim.fault("drop_connections")
        await watch.fires()
        assert await rig.metric("k2_websocket_connected") == 0
        await rig.sim.fault("refuse_connections", seconds=0.001)
        await watch.is_quiet()
        await rig.counted("k2_websocket_connected")
    await rig.whole()


@BOTH
async def test_a_feed_that_never_comes_up_is_not_captured(prepare: Begin, venue: Exchange) -> None:
    """It ends with 4 again and again, and the alert outlives its lives."""
    rig = await prepare(venue)
    await rig.sim.fault("rest_errors", count=10_000, value="status")
    rig.feed.supervised = True
    async with watching(rig, "K2FeedNoSocket", shortened=10) as watch:
        await watch.fires()
        starts = rig.feed.starts
        await watch.fires()
        await rig.sim.fault("rest_errors", count=1, value="status")
        await watch.is_quiet()
        assert rig.feed.starts >= starts
    await rig.whole()


@KRAKEN
async def test_sockets_that_end_over_and_over_are_told(begin: Begin, venue: Exchange) -> None:
    """More than ten in the rule's ten minutes."""
    rig = await begin(venue)
    async with watching(rig, "K2FeedReconnects", shortened=20) as watch:
        await watch.stays_quiet(2)
        for times in range(2, 17):
            await rig.sim.fault("drop_connections")
            await rig.counted("k2_feed_connect_attempts", times)
        await watch.fires()
        await watch.is_quiet()
    await rig.whole()


@pytest.mark.parametrize(("venue", "allowed"), [("KRAKEN", 96), ("BINANCE", 192)])
async def test_a_budget_that_is_nearly_used_is_told(prepare: Begin, venue: Exchange, allowed: int) -> None:
    """Attempts of earlier processes count; the last one that is allowed is no alarm yet."""
    rig = await prepare(venue)
    key = f"{rig.feed.service}/attempts/{rig.feed.name}".encode()
    made = json.dumps([time.time()] * (allowed - 1)).encode()
    await write(rig.settings, rig.names, [Outgoing(COVERAGE, key, made, int(time.time() * 1_000), ())])
    await rig.up()
    async with watching(rig, "K2FeedConnectBudget") as watch:
        await rig.counted("k2_feed_connect_attempts", allowed)
        await watch.stays_quiet(3)
        await rig.sim.fault("drop_connections")
        await watch.fires()
    await rig.whole()


@KRAKEN
async def test_another_endpoint_that_took_over_is_told(prepare: Begin, venue: Exchange) -> None:
    """Once, though the counter was never seen at 0; it is no alarm for ever."""
    rig = await prepare(venue, FEED_FAILOVER_AFTER="2")
    rig.tell(**rig.ws_urls(f"ws://127.0.0.1:{free_port()}{urlsplit(rig.sim.ws_url).path}", rig.sim.ws_url))
    rig.feed.supervised = True
    async with watching(rig, "K2FeedFailover") as watch:
        await watch.fires()
        await watch.is_quiet()
    await rig.whole()


@KRAKEN
async def test_a_rotation_that_failed_is_told(begin: Begin, venue: Exchange) -> None:
    """Those that deliver are not."""
    rig = await begin(venue, FEED_ROTATE_AFTER_S="3")
    async with watching(rig, "K2FeedRotationFailed", shortened=600) as watch:
        await rig.told(EventKind.ROTATED)
        await watch.stays_quiet(2)
        await rig.sim.fault("refuse_connections", seconds=8)
        await watch.fires()
        await watch.is_quiet()
    await rig.whole()


@KRAKEN
async def test_a_process_that_grows_is_told_before_its_end(begin: Begin, venue: Exchange) -> None:
    """Between four fifths of its limit and the limit."""
    rig = await begin(venue)
    resident_mb = await rig.metric("k2_feed_memory_bytes") / 1e6
    rig.tell(FEED_MEMORY_LIMIT_MB=str(int(resident_mb * 1.15)))
    async with watching(rig, "K2FeedMemory") as watch:
        await watch.stays_quiet(6)
        await rig.restart()
        await watch.fires()
    await rig.whole()


@KRAKEN
async def test_sockets_that_die_in_silence_are_told(begin: Begin, venue: Exchange) -> None:
    """More than three; those that the venue closed do not count."""
    rig = await begin(venue, FEED_PING_INTERVAL_S="0.5", FEED_PING_TIMEOUT_S="1")
    async with watching(rig, "K2FeedPeerLost") as watch:
        await rig.sim.fault("drop_connections")
        await rig.told(EventKind.CONNECTED, times=2)
        await watch.stays_quiet(2)
        for times in range(2, 8):
            await rig.sim.fault("half_open", seconds=LASTING_S)
            await rig.told(EventKind.CONNECTED, times=times + 1)
        await watch.fires()
        await watch.is_quiet()
    await rig.whole()


@BOTH
async def test_a_gap_that_stays_open_is_told(prepare: Begin, venue: Exchange) -> None:
    """While REST fails, and until it has filled it."""
    rig = await prepare(venue)
    async with relaying_rest(rig.sim.urls["url"]) as relay, watching(rig, "K2FeedGapOpen") as watch:
        rig.tell(**{f"{venue}_REST_URL": relay.url})
        await rig.up()
        relay.fails = True
        ((first, last),) = (await rig.sim.fault("drop_ids", symbol=BTC, count=5))["ids"]
        await watch.fires()
        relay.fails = False
        await rig.wrote(GapState.FILLED, first, last)
        await watch.is_quiet()
        await rig.whole()


@BINANCE
async def test_a_gap_is_told_after_a_restart_in_which_nothing_changes(prepare: Begin, venue: Exchange) -> None:
    """REST fails, and no socket brings a trade: neither ledger nor coverage moves."""
    rig = await prepare(venue)
    async with relaying_rest(rig.sim.urls["url"]) as relay, watching(rig, "K2FeedGapOpen") as watch:
        rig.tell(**{f"{venue}_REST_URL": relay.url})
        await rig.up()
        relay.fails = True
        ((first, last),) = (await rig.sim.fault("drop_ids", symbol=ETH, count=5))["ids"]
        await rig.wrote(GapState.OPENED, first, last)
        await rig.sim.fault("silent", seconds=LASTING_S)
        await rig.feed.end()
        await watch.is_quiet()
        rig.feed.supervised = True
        await watch.fires()
        await rig.say(ETH, captured=False)
        await watch.is_quiet()
        relay.fails = False
        await rig.sim.fault("silent", seconds=0.001)
        await rig.whole(BTC)


@KRAKEN
async def test_ids_that_were_given_up_are_told(begin: Begin, venue: Exchange) -> None:
    """Once, and not for ever; gaps that are filled are not."""
    rig = await begin(venue, FEED_GAP_PATIENCE_S="1")
    async with watching(rig, "K2FeedGapUnfillable", shortened=360) as watch:
        ((first, last),) = (await rig.sim.fault("drop_ids", symbol=BTC, count=20))["ids"]
        await rig.wrote(GapState.FILLED, first, last)
        await watch.stays_quiet(2)
        await rig.sim.fault("unfillable", symbol=BTC, count=5)
        await watch.fires()
        await watch.is_quiet()
    await rig.whole()


@BOTH
async def test_a_symbol_that_waits_for_a_decision_is_told(begin: Begin, venue: Exchange) -> None:
    """Over a restart, and until an operator decides: to leave it is a decision too."""
    rig = await begin(venue)
    async with watching(rig, "K2FeedIdReset") as watch:
        await watch.stays_quiet(2)
        await rig.sim.fault("id_reset", symbol=ETH)
        await watch.fires()
        await rig.feed.end()
        await watch.is_quiet()
        rig.feed.supervised = True
        await watch.fires()
        await rig.say(ETH, captured=False)
        await watch.is_quiet()
    await rig.whole(BTC)


@BINANCE
@pytest.mark.parametrize("lead_s", [3.0, -3.0])
async def test_a_clock_that_is_wrong_is_told(begin: Begin, venue: Exchange, lead_s: float) -> None:
    """Of whose clock it is, the rule says nothing."""
    rig = await begin(venue)
    async with watching(rig, "K2FeedClockSkew") as watch:
        await watch.stays_quiet(2)
        await rig.sim.fault("clock_offset", value=lead_s, seconds=LASTING_S)
        await watch.fires(within_s=180)  # a lead of the last two minutes outlives its end
    await rig.whole()
