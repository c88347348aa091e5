"""A broker that goes away under load, and comes back: what Kafka did not take, REST has. On a stack of its own."""

import asyncio
import signal
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
from tests.feeds.marks import BOTH
from tests.feeds.rig import running
from tests.feeds.sim import BTC

from k2_local import Stack
from k2_local.stack_state import StackState
from k2_shared.core.settings import RunSettings
from k2_shared.core.trade import Exchange
from k2_shared.feed.coverage.feed_records import EventKind

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


def _pid(stack: Stack) -> int:
    process = StackState(stack.settings.state).process("kafka")
    return process.pid if process else 0


async def _bounce(stack: Stack, number: signal.Signals) -> None:
    """End the broker, leave it down for a moment, and start it again."""
    before = psutil.Process(_pid(stack))
    before.send_signal(number)
    await asyncio.to_thread(before.wait)
    await asyncio.sleep(2)
    await asyncio.to_thread(stack.up)
    assert _pid(stack) != before.pid


@BOTH
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_nothing_is_lost_while_the_broker_is_away(
    stack: Stack, settings: RunSettings, tmp_path: Path, venue: Exchange, number: signal.Signals
) -> None:
    """Killed or stopped: what it did not acknowledge is written later, or asked of REST."""
    async with running(settings, venue, tmp_path, FEED_SOCKETS="2") as rig:
        await rig.up()
        await _bounce(stack, number)
        await rig.sim.traded(BTC, 100)
        await rig.up()
        await rig.whole()


@BOTH
async def test_a_feed_without_capacity_gives_up_its_connections(
    stack: Stack, settings: RunSettings, tmp_path: Path, venue: Exchange
) -> None:
    """Nothing grows without bounds: it tells that it is congested, connects when there is room, and backfills."""
    async with running(settings, venue, tmp_path, FEED_MAX_IN_FLIGHT="300", FEED_STALL_S="2") as rig:
        await rig.up()
        await _bounce(stack, signal.SIGKILL)
        await rig.up()
        accounts = await rig.whole()
        assert await rig.events(EventKind.CONGESTED) or rig.feed.starts > 1
        assert sum(account.rest_records for account in accounts.values()) > 0
