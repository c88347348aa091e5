"""A symbol that is confirmed and never delivers is not taken for a quiet one."""

import pytest
from tests.faults.supervisor import up
from tests.feeds.conftest import Begin
from tests.feeds.marks import BOTH
from tests.feeds.sim import BTC

from k2_shared.core.trade import Exchange
from k2_shared.feed.coverage.feed_records import Cause, EventKind, GapState

pytestmark = pytest.mark.long
NEVER = 600.0  # seconds, longer than any of these tests
UNTRADED = "PEPE/USDT"


@BOTH
async def test_a_symbol_that_is_silent_from_the_first_moment_is_stale(prepare: Begin, venue: Exchange) -> None:
    """REST has newer trades than the subscription: it is said, the sockets are replaced, and no trade is missing."""
    rig = await prepare(venue, FEED_STALE_AFTER_S="2")
    await rig.sim.fault("silent", symbol=BTC, seconds=NEVER)
    await up(rig.feed)
    await rig.told(EventKind.SUBSCRIBED, BTC)
    await rig.told(EventKind.STALE, BTC)
    await rig.told(EventKind.DISCONNECTED, f"stale: {BTC}")
    await rig.sim.struck("silent")
    accounts = await rig.whole()
    assert accounts[BTC].rest_records > 0
    assert Cause.SILENT_DROP in {gap.cause for gap in await rig.gaps(GapState.FILLED)}


@BOTH
async def test_a_symbol_that_has_not_traded_yet_costs_rest_little(prepare: Begin, venue: Exchange) -> None:
    """It is asked for after FEED_STALE_AFTER_S, and not every second, which ate Kraken's whole budget."""
    symbols = {f"{venue}_SYMBOLS": f"{BTC},{UNTRADED}"}
    rig = await prepare(venue, flags=["--listed", f"{venue}:{UNTRADED}:8"], FEED_STALE_AFTER_S="60", **symbols)
    await up(rig.feed)
    await rig.told(EventKind.SUBSCRIBED, UNTRADED)
    await rig.sim.traded(BTC, 1_500)
    calls = await rig.metric("k2_feed_rest_calls_total")
    assert 2 <= calls <= 6  # the list of pairs, and each symbol once
