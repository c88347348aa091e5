"""Sockets that end, hang, lie or come in pieces."""

import pytest
from tests.feeds.conftest import Begin
from tests.feeds.marks import BOTH, KRAKEN
from tests.feeds.relay import relaying
from tests.feeds.sim import BTC, ETH

from k2_shared.core.trade import Exchange
from k2_shared.feed.coverage.feed_records import Cause, EventKind

pytestmark = pytest.mark.long
WITHIN_S = 15.0  # a dead peer is found
TRANSPORTS = pytest.mark.parametrize("transport", ["websockets", "picows"])


@BOTH
@TRANSPORTS
async def test_connections_dropped_again_and_again_lose_nothing(begin: Begin, venue: Exchange, transport: str) -> None:
    """Each is made anew within the budget, over either transport."""
    rig = await begin(venue, FEED_TRANSPORT=transport)
    for times in range(1, 4):
        await rig.sim.fault("drop_connections")
        await rig.told(EventKind.DISCONNECTED, times=times)
        await rig.told(EventKind.CONNECTED, times=times + 1)
    await rig.sim.struck("drop_connections", 3)
    await rig.whole()
    assert {gap.cause for gap in await rig.gaps()} <= {Cause.RECONNECT}


@BOTH
@TRANSPORTS
async def test_a_half_open_peer_is_found(begin: Begin, venue: Exchange, transport: str) -> None:
    """One that says and answers nothing, though TCP stands, is given up by the default deadlines."""
    rig = await begin(venue, FEED_TRANSPORT=transport)
    await rig.sim.fault("half_open", seconds=120)
    await rig.told(EventKind.DISCONNECTED, within_s=WITHIN_S)
    await rig.sim.struck("half_open")
    await rig.whole()


@BOTH
@TRANSPORTS
async def test_a_close_without_the_end_of_tcp_is_an_end(begin: Begin, venue: Exchange, transport: str) -> None:
    """The feed does not wait for what never comes."""
    rig = await begin(venue, FEED_TRANSPORT=transport)
    await rig.sim.fault("close_without_tcp", seconds=120)
    await rig.told(EventKind.DISCONNECTED, within_s=WITHIN_S)
    await rig.sim.struck("close_without_tcp")
    await rig.whole()


@KRAKEN
async def test_a_peer_without_application_pongs_is_dead(prepare: Begin, venue: Exchange) -> None:
    """Though trades and the protocol's pongs go on."""
    rig = await prepare(venue, FEED_PING_INTERVAL_S="1", FEED_PING_TIMEOUT_S="2")
    async with relaying(rig.sim.ws_url) as relay:
        rig.tell(**rig.ws_urls(relay.url))
        await rig.up()
        relay.swallows = '"method":"pong"'
        await rig.told(EventKind.DISCONNECTED, "no application pong")
        relay.swallows = ""
        assert relay.swallowed
        await rig.counted("k2_feed_peer_lost_total", reason="ping")
        await rig.whole()


@pytest.mark.parametrize(
    ("venue", "how", "said"),
    [
        ("KRAKEN", "snapshot", "asked for trades with a snapshot"),
        ("KRAKEN", "symbol", "not confirmed"),
        ("BINANCE", "error", "service unavailable"),
    ],
)
async def test_a_wrong_ack_is_no_confirmation(begin: Begin, venue: Exchange, how: str, said: str) -> None:
    """The connection ends with what the venue said, and the next one is whole."""
    rig = await begin(venue)
    await rig.sim.fault("wrong_acks", count=1, value=how)
    await rig.sim.fault("drop_connections")
    await rig.told(EventKind.DISCONNECTED, said)
    await rig.told(EventKind.CONNECTED, times=3)
    await rig.sim.struck("wrong_acks")
    await rig.whole()


@KRAKEN
async def test_a_symbol_that_the_venue_refuses_for_now_is_asked_for_again(begin: Begin, venue: Exchange) -> None:
    """On the same connection, which has the other symbol all the while; what the venue said is known."""
    rig = await begin(venue)
    await rig.sim.fault("wrong_acks", count=1, value="error")
    await rig.sim.fault("drop_connections")
    await rig.told(EventKind.REFUSED, "EService:Unavailable")
    await rig.told(EventKind.SUBSCRIBED, BTC, times=2)
    await rig.told(EventKind.SUBSCRIBED, ETH, times=2)
    await rig.sim.struck("wrong_acks")
    await rig.whole()
    assert len(await rig.events(EventKind.DISCONNECTED)) == 1


@pytest.mark.parametrize(("venue", "what"), [("KRAKEN", "request"), ("KRAKEN", "ack"), ("BINANCE", "request")])
async def test_a_missing_ack_ends_the_connection(begin: Begin, venue: Exchange, what: str) -> None:
    """A subscription that nobody confirmed in time may not exist: heartbeats and other symbols say nothing of it."""
    rig = await begin(venue)
    await rig.sim.fault("no_acks", count=1, value=what)
    await rig.sim.fault("drop_connections")
    await rig.told(EventKind.DISCONNECTED, "not confirmed")
    await rig.told(EventKind.CONNECTED, times=3)
    await rig.sim.struck("no_acks")
    await rig.whole()


@pytest.mark.parametrize(("kind", "how"), [("wrong_acks", "id"), ("no_acks", "ack")])
async def test_the_list_of_subscriptions_confirms_without_an_ack(begin: Begin, kind: str, how: str) -> None:
    """Binance acknowledges unknown streams too, so that its ack decides nothing."""
    rig = await begin("BINANCE")
    await rig.sim.fault(kind, count=1, value=how)
    await rig.sim.fault("drop_connections")
    await rig.told(EventKind.CONNECTED, times=2)
    await rig.told(EventKind.SUBSCRIBED, BTC, times=2)
    await rig.sim.struck(kind)
    await rig.whole()
    assert len(await rig.events(EventKind.DISCONNECTED)) == 1


@BOTH
async def test_frames_that_come_slowly_are_all_taken(begin: Begin, venue: Exchange) -> None:
    """They pile up at the venue, come late, and none is missed or taken for a dead peer's."""
    rig = await begin(venue)
    await rig.sim.fault("slow_frames", value=0.02, seconds=6)
    await rig.sim.struck("slow_frames", 100)
    await rig.whole()
    assert await rig.events(EventKind.DISCONNECTED, EventKind.STALE) == []


@BOTH
@TRANSPORTS
async def test_frames_in_fragments_are_whole(begin: Begin, venue: Exchange, transport: str) -> None:
    """A message may come in any number of pieces."""
    rig = await begin(venue, FEED_TRANSPORT=transport)
    await rig.sim.fault("split_frames", count=100, value=12)
    await rig.sim.struck("split_frames", 100)
    accounts = await rig.whole()
    assert await rig.gaps() == []
    assert await rig.letters("unreadable_frame") == []
    assert not any(account.rest_records for account in accounts.values())


@KRAKEN
async def test_a_maintenance_of_the_venue_is_waited_out(begin: Begin, venue: Exchange) -> None:
    """Nothing trades, and that is no fault of the sockets."""
    rig = await begin(venue)
    before = await rig.metric("k2_frames_total", kind="status")
    await rig.sim.fault("maintenance", seconds=3)
    await rig.sim.struck("maintenance")
    await rig.counted("k2_frames_total", before + 2, kind="status")
    await rig.sim.traded(BTC, 50)
    await rig.whole()
    assert await rig.gaps() == []
