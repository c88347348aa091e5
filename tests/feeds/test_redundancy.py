"""Several sockets of one process, and several processes of one feed: what one misses another has."""

from pathlib import Path

import pytest
from tests.feeds.conftest import Begin
from tests.feeds.marks import BOTH
from tests.feeds.oracle_log import handed, overtaken
from tests.feeds.sim import BTC

from k2_shared.core.trade import Exchange
from k2_shared.feed.coverage.feed_records import EventKind
from k2_shared.kafka.topics import BRONZE, RAW
from k2_support.topics import read
from k2_support.waiting import eventually

pytestmark = pytest.mark.long


@BOTH
async def test_one_of_two_sockets_may_end_again_and_again(begin: Begin, venue: Exchange) -> None:
    """The other one has every trade: there is no gap, and REST is not needed."""
    rig = await begin(venue, FEED_SOCKETS="2")
    for times in range(1, 4):
        await rig.counted("k2_feed_sockets", 2)
        await rig.sim.fault("drop_connections", count=1)
        await rig.told(EventKind.CONNECTED, times=2 + times)
    await rig.sim.struck("drop_connections", 3)
    accounts = await rig.whole()
    assert await rig.gaps() == []
    assert not any(account.rest_records for account in accounts.values())


@BOTH
async def test_one_of_two_peers_may_be_half_open(begin: Begin, venue: Exchange) -> None:
    """Trades go on meanwhile, without a gap."""
    rig = await begin(venue, FEED_SOCKETS="2")
    await rig.counted("k2_feed_sockets", 2)
    await rig.sim.fault("half_open", count=1, seconds=60)
    await rig.told(EventKind.DISCONNECTED)
    await rig.whole()
    assert await rig.gaps() == []


@BOTH
async def test_copies_from_another_socket_are_not_published(begin: Begin, venue: Exchange) -> None:
    """They are counted; bronze has every trade once."""
    rig = await begin(venue, FEED_SOCKETS="3")
    await rig.counted("k2_feed_suppressed_total", 500)
    accounts = await rig.whole()
    assert {symbol: account.repeated for symbol, account in accounts.items()} == dict.fromkeys(accounts, 0)


@BOTH
async def test_each_trade_of_each_socket_is_published_or_counted(begin: Begin, tmp_path: Path, venue: Exchange) -> None:
    """What three sockets were handed, less bronze, is what the feed counts as copies; raw has none of their frames."""
    log = tmp_path / "oracle.jsonl"
    rig = await begin(venue, flags=["--log", str(log)], FEED_SOCKETS="3")
    await rig.counted("k2_feed_sockets", 3)
    await rig.sim.traded(BTC, 200)
    await rig.sim.fault("silent", seconds=600)
    bronze, raw = BRONZE.format(exchange=venue.lower()), RAW.format(exchange=venue.lower())

    async def adds_up() -> bool:
        published = len(await read(rig.settings, rig.names, bronze))
        return published + await rig.metric("k2_feed_suppressed_total") == len(handed(log))

    await eventually(adds_up, "each trade as published or as a copy", 60.0)
    frames = {(each.connection, each.frame) for each in handed(log)}
    assert 0 < len(await read(rig.settings, rig.names, raw)) <= len(frames) - len(frames) // 3
    await rig.sim.fault("silent", seconds=0.001)
    await rig.whole()


@BOTH
async def test_what_one_socket_says_twice_is_published_twice(begin: Begin, venue: Exchange) -> None:
    """It is the venue's word, for gold to compare; gold has it once."""
    rig = await begin(venue)
    await rig.sim.fault("duplicate_trades", symbol=BTC, count=30)
    await rig.sim.struck("duplicate_trades", 30)
    accounts = await rig.whole()
    assert accounts[BTC].repeated >= 30


@BOTH
async def test_disorder_on_the_way_is_no_loss(begin: Begin, tmp_path: Path, venue: Exchange) -> None:
    """Frames that come late, swapped or twice: what fills a gap in time is not asked of REST for ever."""
    log = tmp_path / "oracle.jsonl"
    disorder = ["--duplicates", "0.05", "--delay", "0.05", "--reorder", "0.05", "--log", str(log)]
    rig = await begin(venue, flags=disorder)
    await rig.count_from_now()
    await rig.sim.traded(BTC, 500)
    accounts = await rig.whole()
    assert accounts[BTC].repeated > 0
    late = overtaken(handed(log))
    assert late.count(1) >= 5, "frames that were swapped with the next"
    assert sum(count >= 2 for count in late) >= 5, "frames that were delayed by several others"
    assert any(each.kind == "duplicate" for each in handed(log))


@BOTH
async def test_broken_copies_do_not_disturb_the_ids(begin: Begin, venue: Exchange) -> None:
    """Prices and quantities of nothing, impossible times and ids: published as said, refused behind, never counted."""
    rig = await begin(venue, flags=["--invalid", "0.05"])
    await rig.sim.traded(BTC, 500)
    await rig.whole()
    assert await rig.events(EventKind.RESET) == []


@BOTH
async def test_two_processes_of_one_feed_double_nothing(begin: Begin, venue: Exchange) -> None:
    """Both publish everything, and gold has it once."""
    rig = await begin(venue, processes=2)
    await rig.sim.traded(BTC, 200)
    accounts = await rig.whole()
    assert accounts[BTC].repeated >= 150


@BOTH
async def test_either_of_two_processes_may_be_killed(begin: Begin, venue: Exchange) -> None:
    """What one did not live to publish the other has, or asks for."""
    rig = await begin(venue, processes=2)
    for agent in rig.agents:
        await rig.restart(agent, after_trades=100)
    assert [agent.starts for agent in rig.agents] == [2, 2]
    await rig.whole()
