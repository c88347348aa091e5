"""The faults that come every day: what every change of the feeds is held against, at one venue and later at both."""

from tests.feeds.conftest import Begin
from tests.feeds.marks import BINANCE_DAILY, KRAKEN_DAILY
from tests.feeds.sim import BTC

from k2_shared.core.trade import Exchange
from k2_shared.feed.coverage.feed_records import Cause, EventKind, GapState


@KRAKEN_DAILY
async def test_a_dropped_connection_loses_nothing(begin: Begin, venue: Exchange) -> None:
    """It is made anew, and what was missed meanwhile comes by REST or by the venue's snapshot."""
    rig = await begin(venue)
    await rig.sim.fault("drop_connections")
    await rig.told(EventKind.DISCONNECTED)
    accounts = await rig.whole()
    assert {gap.cause for gap in await rig.gaps()} <= {Cause.RECONNECT}
    assert all(not account.open for account in accounts.values())


@BINANCE_DAILY
async def test_ids_that_the_sockets_drop_in_silence_come_by_rest(begin: Begin, venue: Exchange) -> None:
    """The gap is opened with its cause, and filled."""
    rig = await begin(venue)
    ((first, last),) = (await rig.sim.fault("drop_ids", symbol=BTC, count=20))["ids"]
    await rig.wrote(GapState.FILLED, first, last)
    await rig.sim.struck("drop_ids", 20)
    accounts = await rig.whole()
    assert {gap.cause for gap in await rig.gaps(GapState.OPENED)} == {Cause.SILENT_DROP}
    assert accounts[BTC].rest_records == last - first + 1


@KRAKEN_DAILY
async def test_a_killed_process_goes_on_where_bronze_ends(begin: Begin, venue: Exchange) -> None:
    """What the venue traded while there was no feed is backfilled."""
    rig = await begin(venue)
    await rig.restart(after_trades=150)
    accounts = await rig.whole()
    assert {gap.cause for gap in await rig.gaps(GapState.OPENED)} == {Cause.RESTART}
    assert sum(account.rest_records for account in accounts.values()) > 0


@BINANCE_DAILY
async def test_what_one_socket_drops_the_other_has(begin: Begin, venue: Exchange) -> None:
    """There is no gap, and nothing to ask of REST."""
    rig = await begin(venue, FEED_SOCKETS="2")
    await rig.sim.fault("drop_ids", symbol=BTC, count=40, value="one")
    await rig.sim.struck("drop_ids", 40)
    accounts = await rig.whole()
    assert await rig.gaps() == []
    assert accounts[BTC].rest_records == 0


@KRAKEN_DAILY
async def test_a_rotation_by_age_misses_nothing(begin: Begin, venue: Exchange) -> None:
    """The new socket delivers before the old one closes, time after time."""
    rig = await begin(venue, FEED_ROTATE_AFTER_S="1.5")
    await rig.told(EventKind.ROTATED, "delivered", times=3)
    await rig.whole()
    assert await rig.gaps() == []
    assert await rig.events(EventKind.DISCONNECTED) == []


@BINANCE_DAILY
async def test_ids_that_nobody_has_become_unfillable(begin: Begin, venue: Exchange) -> None:
    """They are said to be, and are not asked for again after a restart."""
    rig = await begin(venue)
    ((first, last),) = (await rig.sim.fault("unfillable", symbol=BTC, count=5))["ids"]
    await rig.wrote(GapState.UNFILLABLE, first, last)
    await rig.restart()
    accounts = await rig.whole()
    opened = [gap for gap in await rig.gaps(GapState.OPENED) if gap.symbol == BTC and gap.first_id <= last]
    assert [(gap.first_id, gap.last_id) for gap in opened] == [(first, last)]
    assert list(accounts[BTC].unfillable) == [(first, last)]
