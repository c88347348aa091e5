"""Several sockets of one process, and several processes of one feed: what one misses another has."""

import pytest
from tests.feeds.conftest import Begin
from tests.feeds.marks import BOTH
from tests.feeds.sim import BTC

from k2_shared.feed.ledger import EventKind
from k2_shared.trade import Exchange

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
async def test_what_one_socket_says_twice_is_published_twice(begin: Begin, venue: Exchange) -> None:
    """It is the venue's word, for gold to compare; gold has it once."""
    rig = await begin(venue)
    await rig.sim.fault("duplicate_trades", symbol=BTC, count=30)
    await rig.sim.struck("duplicate_trades", 30)
    accounts = await rig.whole()
    assert accounts[BTC].repeated >= 30


@BOTH
async def test_disorder_on_the_way_is_no_loss(begin: Begin, venue: Exchange) -> None:
    """Frames that come late, swapped or twice: what fills a gap in time is not asked of REST for ever."""
    rig = await begin(venue, flags=["--duplicates", "0.05", "--delay", "0.05", "--reorder", "0.05"])
    await rig.count_from_now()
    await rig.sim.traded(BTC, 500)
    accounts = await rig.whole()
    assert accounts[BTC].repeated > 0


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
    for slot in rig.slots:
        await rig.restart(slot, after_trades=100)
    assert [slot.starts for slot in rig.slots] == [2, 2]
    await rig.whole()
