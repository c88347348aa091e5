"""A feed whose topics are kept compressed: what it reads back at a start is read in every codec."""

from collections.abc import AsyncIterator

import pytest
from tests.feeds.conftest import Begin
from tests.feeds.sim import BTC

from k2_shared.core.settings import RunSettings
from k2_shared.kafka.codecs import CODECS
from k2_support.topics import lasting_topics

pytestmark = pytest.mark.long


@pytest.fixture(params=CODECS)
async def topics(run_settings: RunSettings, request: pytest.FixtureRequest) -> AsyncIterator[dict[str, int]]:
    """Every topic of the contracts, kept in one codec."""
    async with lasting_topics(run_settings, request.param) as ids:
        yield ids


async def test_a_killed_feed_goes_on_from_what_stands_compressed(begin: Begin) -> None:
    """Checkpoints, the ledger and bronze: the gap that was open is filled, and every id is there."""
    rig = await begin("KRAKEN", FEED_CHECKPOINT_S="0.05")
    await rig.crash_amid_a_backfill(BTC)
    accounts = await rig.whole()
    assert not accounts[BTC].open
