"""Ids that are missing, and a REST that is slow, strict, wrong or empty."""

from typing import Any

import pytest
from tests.feeds.conftest import Begin
from tests.feeds.marks import BOTH, KRAKEN
from tests.feeds.rest_relay import relaying_rest
from tests.feeds.sim import BTC, ETH, Plays

from k2_shared.core.trade import Exchange
from k2_shared.feed.coverage.feed_records import Cause, EventKind, GapState
from k2_support.waiting import eventually

pytestmark = pytest.mark.long
FAST = Plays({BTC: 600, ETH: 300}, lap_s=2.0)


@BOTH
async def test_a_gap_of_more_than_a_page_is_filled(begin: Begin, venue: Exchange) -> None:
    """REST gives at most a thousand trades at once; the rest is asked for behind them."""
    rig = await begin(venue, plays=FAST)
    ((first, last),) = (await rig.sim.fault("drop_ids", symbol=BTC, count=2_500))["ids"]
    await rig.wrote(GapState.FILLED, first, last)
    await rig.sim.struck("drop_ids", 2_500)
    accounts = await rig.whole()
    assert accounts[BTC].rest_records == 2_500


@BOTH
async def test_a_long_backfill_holds_no_live_trade_back(prepare: Begin, venue: Exchange) -> None:
    """Thousands of ids over a REST that is slow to answer: what is traded meanwhile stands in Kafka before them."""
    rig = await prepare(venue, plays=FAST, FEED_REST_TIMEOUT_S="120")
    async with relaying_rest(rig.sim.urls["url"]) as relay:
        rig.tell(**{f"{venue}_REST_URL": relay.url})
        await rig.up()
        relay.allow(0)
        ((first, last),) = (await rig.sim.fault("drop_ids", symbol=BTC, count=4_000))["ids"]
        await rig.wrote(GapState.OPENED, first, last)
        for _ in range(3):
            live = (await rig.sim.assigned(BTC))[-1][1]

            async def stands(trade_id: int = live) -> bool:
                account = (await rig.accounts())[BTC]
                return trade_id in account.published and last in account.open

            await eventually(stands, f"{live} in Kafka while {last} is missing", 60.0)
            relay.allow(1)
        relay.allow(1_000)
        await rig.wrote(GapState.FILLED, first, last)
        accounts = await rig.whole()
    assert accounts[BTC].rest_records == 4_000


@BOTH
async def test_a_burst_of_735_trades_in_a_millisecond_is_published(begin: Begin, venue: Exchange) -> None:
    """As it has happened at Binance, without a gap."""
    rig = await begin(venue)
    ((first, last),) = (await rig.sim.fault("burst", symbol=BTC, count=735))["ids"]
    accounts = await rig.whole()
    await rig.sim.struck("burst")
    assert accounts[BTC].published.within(first, last) == [(first, last)]
    assert await rig.gaps() == []


@BOTH
async def test_more_than_a_page_in_one_millisecond_is_filled(begin: Begin, venue: Exchange) -> None:
    """No socket had them; Kraken's REST is asked by time, and goes on within the millisecond."""
    rig = await begin(venue)
    ((first, last),) = (await rig.sim.fault("drop_ids", symbol=BTC, count=2_000))["ids"]
    await rig.sim.fault("burst", symbol=BTC, count=2_000)
    await rig.sim.struck("burst")
    await rig.wrote(GapState.FILLED, first, last)
    await rig.whole()


@BOTH
async def test_of_a_gap_what_rest_never_has_is_unfillable_and_the_rest_is_filled(begin: Begin, venue: Exchange) -> None:
    """Each id has a fate of its own."""
    rig = await begin(venue)
    ahead = (await rig.sim.assigned(BTC))[-1][1] + 300
    holes = [ahead, ahead + 1, ahead + 40]
    await rig.sim.fault("rest_holes", symbol=BTC, ids=holes)
    await rig.sim.fault("drop_ids", symbol=BTC, count=600)
    for hole in holes:
        await rig.wrote(GapState.UNFILLABLE, hole, hole)
    await rig.wrote(GapState.FILLED, ahead + 2, ahead + 39)
    await rig.sim.struck("rest_holes")
    accounts = await rig.whole()
    assert list(accounts[BTC].unfillable) == [(ahead, ahead + 1), (ahead + 40, ahead + 40)]


@BOTH
async def test_many_small_gaps_are_each_filled(begin: Begin, venue: Exchange) -> None:
    """In either symbol, while live trades go on."""
    rig = await begin(venue)
    for _ in range(6):
        for symbol in (BTC, ETH):
            await rig.sim.fault("drop_ids", symbol=symbol, count=3)
        for symbol in (BTC, ETH):
            await rig.sim.traded(symbol, 20)
    await rig.sim.struck("drop_ids", 36)
    accounts = await rig.whole()
    assert sum(account.rest_records for account in accounts.values()) == 36
    assert {gap.cause for gap in await rig.gaps(GapState.OPENED)} == {Cause.SILENT_DROP}


REST_FAULTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "refusals": ("rate_limit", {"count": 2, "value": 1}, "refused"),
    "server errors": ("rest_errors", {"count": 3, "value": "status"}, "failed"),
    "no answer": ("rest_errors", {"count": 1, "value": "timeout", "seconds": 15}, "failed"),
    "lag": ("rest_lag", {"value": 2.0, "seconds": 15}, "ok"),
    "times that are 1 us off": ("rest_off_by_1us", {"seconds": 60}, "ok"),
}


@BOTH
@pytest.mark.parametrize("name", REST_FAULTS)
async def test_a_gap_is_filled_in_spite_of(begin: Begin, venue: Exchange, name: str) -> None:
    """REST's own faults are waited out inside its budget; nothing is given up for them."""
    kind, said, outcome = REST_FAULTS[name]
    rig = await begin(venue, FEED_REST_TIMEOUT_S="1")
    await rig.sim.fault(kind, **said)
    ((first, last),) = (await rig.sim.fault("drop_ids", symbol=BTC, count=30))["ids"]
    await rig.sim.struck(kind)
    await rig.counted("k2_feed_rest_calls_total", outcome=outcome)
    await rig.wrote(GapState.FILLED, first, last)
    accounts = await rig.whole()
    assert len(accounts[BTC].unfillable) == 0


async def test_pages_without_a_cursor_are_followed_by_time(begin: Begin) -> None:
    """Kraken leaves out ``last`` now and then."""
    rig = await begin("KRAKEN", plays=FAST)
    await rig.sim.fault("rest_no_last", count=10)
    ((first, last),) = (await rig.sim.fault("drop_ids", symbol=BTC, count=2_200))["ids"]
    await rig.wrote(GapState.FILLED, first, last)
    await rig.sim.struck("rest_no_last", 2)
    await rig.whole()


@BOTH
async def test_a_rest_that_is_away_for_longer_than_the_patience_gives_nothing_up(begin: Begin, venue: Exchange) -> None:
    """Only an answer says that an id is not there."""
    rig = await begin(venue, FEED_GAP_PATIENCE_S="2", FEED_REST_TIMEOUT_S="1")
    await rig.sim.fault("rest_errors", count=4, value="timeout", seconds=15)
    ((first, last),) = (await rig.sim.fault("drop_ids", symbol=BTC, count=10))["ids"]
    await rig.sim.struck("rest_errors", 4)
    await rig.counted("k2_feed_rest_calls_total", 4, outcome="failed")
    await rig.wrote(GapState.FILLED, first, last)
    accounts = await rig.whole()
    assert len(accounts[BTC].unfillable) == 0


@BOTH
async def test_a_strict_rest_is_not_asked_too_often(begin: Begin, venue: Exchange) -> None:
    """Gap after gap is filled within the venue's budget, without one refusal."""
    rig = await begin(venue, flags=["--strict-rest"])
    for _ in range(8):
        await rig.sim.fault("drop_ids", symbol=BTC, count=2)
        await rig.sim.traded(BTC, 30)
    await rig.settled()
    assert await rig.metric("k2_feed_rest_calls_total", outcome="refused") == 0
    assert len(await rig.gaps(GapState.OPENED)) >= 8
    await rig.whole()


@BOTH
async def test_a_symbol_that_falls_silent_beside_a_busy_one_is_stale(begin: Begin, venue: Exchange) -> None:
    """Signs of life and the other symbol's trades say nothing of it; REST does, and its ids are not lost."""
    rig = await begin(venue, FEED_STALE_AFTER_S="2")
    await rig.sim.fault("silent", symbol=ETH, seconds=8)
    await rig.told(EventKind.STALE, ETH)
    await rig.sim.struck("silent", 50)
    await rig.counted("k2_feed_peer_lost_total", reason="stale")
    accounts = await rig.whole()
    assert accounts[ETH].rest_records > 0
    assert not any(BTC in event.symbol for event in await rig.events(EventKind.STALE))


@BOTH
async def test_a_venue_that_only_sends_signs_of_life_is_stale(begin: Begin, venue: Exchange) -> None:
    """Heartbeats and pongs go on, and no symbol is taken to be well for that."""
    rig = await begin(venue, FEED_STALE_AFTER_S="2")
    await rig.sim.fault("silent", seconds=8)
    await rig.told(EventKind.STALE)
    await rig.sim.struck("silent", 50)
    await rig.whole()


@KRAKEN
async def test_signs_of_life_are_counted(begin: Begin, venue: Exchange) -> None:
    """Heartbeats come while nothing trades, and are told apart from trades."""
    rig = await begin(venue)
    await rig.sim.fault("silent", seconds=600)
    await rig.sim.struck("silent")
    before = await rig.metric("k2_frames_total", kind="heartbeat")
    await rig.counted("k2_frames_total", before + 3, kind="heartbeat")
    last = await rig.metric("k2_last_record_timestamp_seconds")
    await rig.counted("k2_frames_total", before + 6, kind="heartbeat")
    assert await rig.metric("k2_last_record_timestamp_seconds") == last
    await rig.sim.fault("silent", seconds=0.001)
    await rig.whole()


@BOTH
async def test_a_symbol_that_does_not_trade_is_not_stale(begin: Begin, venue: Exchange) -> None:
    """REST has nothing newer either, so that no socket is given up."""
    rig = await begin(venue, plays=Plays({BTC: 600, ETH: 1}, lap_s=8), FEED_STALE_AFTER_S="1")
    await rig.told(EventKind.SUBSCRIBED, ETH)
    await rig.counted("k2_feed_rest_calls_total", 5, outcome="ok")
    await rig.whole()
    assert await rig.events(EventKind.STALE, EventKind.DISCONNECTED) == []
