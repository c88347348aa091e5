"""Sockets are replaced before they end, and nothing is missing across it."""

import pytest
from tests.feeds.conftest import Begin
from tests.feeds.marks import BOTH
from tests.feeds.sim import BTC, ETH, Plays

from k2_shared.core.trade import Exchange
from k2_shared.feed.coverage.feed_records import Cause, EventKind

pytestmark = pytest.mark.long


@BOTH
async def test_redundant_sockets_rotate_apart_from_each_other(begin: Begin, venue: Exchange) -> None:
    """Time after time, without a gap or a reconnect."""
    rig = await begin(venue, FEED_SOCKETS="2", FEED_ROTATE_AFTER_S="2")
    await rig.told(EventKind.ROTATED, "delivered", times=6)
    await rig.counted("k2_feed_rotations_total", 6, outcome="delivered")
    await rig.whole()
    assert await rig.gaps() == []
    assert await rig.events(EventKind.DISCONNECTED) == []


@BOTH
async def test_a_symbol_that_does_not_trade_holds_up_no_rotation(begin: Begin, venue: Exchange) -> None:
    """That it is quiet is asked of REST; the new socket need not have delivered it."""
    plays = Plays({BTC: 600, ETH: 1}, lap_s=120)
    rig = await begin(venue, plays=plays, FEED_ROTATE_AFTER_S="2")
    await rig.told(EventKind.ROTATED, "delivered", times=2)
    await rig.whole()
    assert await rig.gaps() == []


@BOTH
async def test_a_socket_stays_while_no_other_can_be_had(begin: Begin, venue: Exchange) -> None:
    """The rotation fails, is counted, and comes later; the trades go on."""
    rig = await begin(venue, FEED_ROTATE_AFTER_S="3")
    await rig.sim.fault("refuse_connections", seconds=8)
    await rig.counted("k2_feed_rotations_total", outcome="failed")
    await rig.sim.struck("refuse_connections")
    await rig.told(EventKind.ROTATED)
    await rig.whole()
    assert await rig.gaps() == []


@BOTH
async def test_a_socket_that_dies_while_it_is_replaced_loses_nothing(begin: Begin, venue: Exchange) -> None:
    """Old and new both: what is missed is owed to one or the other, and backfilled."""
    rig = await begin(venue, FEED_ROTATE_AFTER_S="1")
    for times in range(1, 5):
        await rig.told(EventKind.ROTATED, times=times)
        await rig.sim.fault("drop_connections")
    await rig.sim.struck("drop_connections", 4)
    await rig.whole()
    assert {gap.cause for gap in await rig.gaps()} <= {Cause.RECONNECT, Cause.ROTATION}


@pytest.mark.parametrize("sockets", ["1", "2"])
async def test_an_announced_shutdown_is_anticipated(begin: Begin, sockets: str) -> None:
    """Binance's serverShutdown: new sockets deliver before the venue breaks the old ones."""
    rig = await begin("BINANCE", FEED_SOCKETS=sockets)
    await rig.counted("k2_feed_sockets", int(sockets))
    await rig.sim.fault("server_shutdown", seconds=15)
    await rig.told(EventKind.ROTATED, times=int(sockets))
    await rig.sim.struck("server_shutdown", int(sockets))
    await rig.counted("k2_frames_total", int(sockets), kind="serverShutdown")
    await rig.whole()
    assert await rig.gaps() == []
    assert await rig.events(EventKind.DISCONNECTED) == []


async def test_a_shutdown_at_once_is_a_reconnect(begin: Begin) -> None:
    """Where the announcement leaves no time, what is missed is backfilled."""
    rig = await begin("BINANCE")
    await rig.sim.fault("server_shutdown", seconds=0.001)
    await rig.sim.struck("server_shutdown")
    await rig.told(EventKind.CONNECTED, times=2)
    await rig.whole()
