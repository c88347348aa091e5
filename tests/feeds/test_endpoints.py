"""Connections that are refused, endpoints that fail, and the venue's budget of attempts."""

import json
import time
from urllib.parse import urlsplit

import pytest
from tests.feeds.conftest import Begin
from tests.feeds.marks import BOTH
from tests.feeds.relay import relaying
from tests.feeds.rig import Rig

from k2_shared.core.records import Outgoing
from k2_shared.core.trade import Exchange
from k2_shared.feed.coverage.feed_records import Cause, EventKind, GapState
from k2_shared.kafka.topics import COVERAGE
from k2_support.ports import free_port
from k2_support.topics import read, write

pytestmark = pytest.mark.long
ALLOWED = {"KRAKEN": (120, 600.0), "BINANCE": (240, 300.0)}  # attempts in any so many seconds


@BOTH
async def test_what_is_traded_while_connections_are_refused_is_backfilled(begin: Begin, venue: Exchange) -> None:
    """The refusals are counted as attempts, and the gap is owed to the reconnect."""
    rig = await begin(venue, FEED_CONNECT_ATTEMPTS="1000")  # the process stays
    await rig.sim.fault("refuse_connections", seconds=4)
    await rig.sim.fault("drop_connections")
    await rig.told(EventKind.CONNECTED, times=2)
    await rig.sim.struck("refuse_connections", 2)
    await rig.counted("k2_feed_connect_attempts", 4)
    accounts = await rig.whole()
    assert {gap.cause for gap in await rig.gaps(GapState.OPENED)} == {Cause.RECONNECT}
    assert sum(account.rest_records for account in accounts.values()) > 0


@BOTH
async def test_the_next_endpoint_takes_the_place_of_one_where_nobody_listens(prepare: Begin, venue: Exchange) -> None:
    """After the allowed failures, and that is told."""
    rig = await prepare(venue, FEED_FAILOVER_AFTER="2")
    nowhere = f"ws://127.0.0.1:{free_port()}{urlsplit(rig.sim.ws_url).path}"
    rig.tell(**rig.ws_urls(nowhere, rig.sim.ws_url))
    await rig.up()
    await rig.told(EventKind.FAILOVER, f"to {rig.sim.ws_url}")
    await rig.counted("k2_feed_failovers_total")
    await rig.whole()


@BOTH
async def test_an_endpoint_that_goes_away_under_load_loses_nothing(prepare: Begin, venue: Exchange) -> None:
    """The other one of the venue goes on, and REST has what was missed between the two."""
    rig = await prepare(venue, FEED_FAILOVER_AFTER="3")
    async with relaying(rig.sim.ws_url) as relay:
        rig.tell(**rig.ws_urls(relay.url, rig.sim.ws_url))
        await rig.up()
        await relay.refuse()
        await rig.told(EventKind.FAILOVER, f"from {relay.url}")
        await rig.told(EventKind.CONNECTED, rig.sim.ws_url)
        await rig.whole()


@BOTH
async def test_the_last_attempt_ends_the_process(begin: Begin, venue: Exchange) -> None:
    """With 4, for the supervisor to start it again; what was missed until then is backfilled."""
    rig = await begin(venue, FEED_CONNECT_ATTEMPTS="3")
    rig.feed.supervised = False
    await rig.sim.fault("refuse_connections", seconds=6)
    await rig.sim.fault("drop_connections")
    ended = await rig.feed.wait_end()
    assert ended.exit_code == 4
    assert "failed 3 times in a row" in ended.log.read_text()
    await rig.up()
    await rig.whole()


@pytest.mark.parametrize(
    ("venue", "url", "said"),
    [
        ("BINANCE", "wss://stream.binance.us:9443/stream", "stream.binance.us is another venue"),
        ("BINANCE", "wss://data-stream.binance.vision/stream,wss://binance.us/stream", "binance.us is another venue"),
        ("BINANCE", "https://stream.binance.com", "BINANCE_WS_URL"),
        ("KRAKEN", "https://ws.kraken.com/v2", "KRAKEN_WS_URL"),
        ("KRAKEN", "wss://ws.kraken.com", "our protocol is spoken at /v2"),
        ("BINANCE", "wss://stream.binance.com/ws/btcusdt@trade", "our protocol is spoken at /stream or /ws"),
        ("BINANCE", "wss://stream.binance.com/stream?streams=btcusdt@trade", "has the parameter 'streams'"),
    ],
)
async def test_an_endpoint_that_is_not_the_venues_is_refused(
    prepare: Begin, venue: Exchange, url: str, said: str
) -> None:
    """Before anything is connected, with 2 and the reason."""
    rig = await prepare(venue)
    rig.tell(**rig.ws_urls(url))
    rig.feed.start()
    ended = await rig.feed.wait_end()
    assert ended.exit_code == 2
    assert said in ended.log.read_text()
    assert await rig.events(EventKind.CONNECTED) == []


async def test_raw_streams_are_captured_as_combined_ones(prepare: Begin) -> None:
    """``/ws`` sends trades without an envelope: none vanishes as a notice."""
    rig = await prepare("BINANCE")
    rig.tell(**rig.ws_urls(f"{rig.sim.urls['binance_ws_url']}/ws?timeUnit=MICROSECOND"))
    await rig.up()
    accounts = await rig.whole()
    assert not any(account.rest_records for account in accounts.values())
    assert await rig.letters("unreadable_frame") == []


def _attempts(rig: Rig) -> bytes:
    """The key of the attempts that the feed's first process keeps in Kafka."""
    return f"{rig.feed.service}/attempts/{rig.feed.name}".encode()


@BOTH
async def test_the_connection_budget_survives_the_process(begin: Begin, venue: Exchange) -> None:
    """Attempts of a process that was killed count for the next one."""
    rig = await begin(venue)
    await rig.sim.fault("drop_connections")
    await rig.told(EventKind.CONNECTED, times=2)
    await rig.counted("k2_feed_connect_attempts", 2)
    await rig.restart()
    await rig.counted("k2_feed_connect_attempts", 3)
    kept = {each.key: each.value for each in await read(rig.settings, rig.names, COVERAGE)}
    assert len(json.loads(kept[_attempts(rig)])) >= 3
    await rig.whole()


@BOTH
async def test_a_budget_that_is_used_up_is_waited_out(prepare: Begin, venue: Exchange) -> None:
    """Nobody connects before the oldest attempt has left the venue's window."""
    rig = await prepare(venue)
    count, window_s = ALLOWED[venue]
    free_at = time.time() + 8
    made = [free_at - window_s, *(time.time() for _ in range(count - 1))]
    record = Outgoing(COVERAGE, _attempts(rig), json.dumps(made).encode(), int(time.time() * 1_000), ())
    await write(rig.settings, rig.names, [record])
    await rig.up()
    (connected,) = await rig.events(EventKind.CONNECTED)
    assert connected.at / 1e6 >= free_at
    await rig.whole()
