"""Exactly once, end to end on a real broker: a pipeline under load whose processes die at every point."""

import asyncio
from pathlib import Path

import pytest
from tests.faults import kills, owners, wire
from tests.faults.faults import Injected
from tests.faults.rig import Rig, running
from tests.faults.rounds import check

from k2_shared.core.settings import RunSettings

PER_SECOND = 150


async def _silver(rig: Rig) -> list[Injected]:
    """Killed at every point, robbed of a transactional id, and left without the answer to a commit."""
    return [
        *await kills.kill_at_all(rig, rig.members("silver")[0], kills.POINTS["silver"]),
        *await owners.two_owners(rig, "silver"),
        *await wire.reply(rig, "silver", "EndTxn", "drop"),
    ]


async def _gold(rig: Rig) -> list[Injected]:
    """Killed at every point, and stopped in a transaction until another has its partitions."""
    stopped, successor = rig.members("gold")
    return [
        *await kills.kill_at_all(rig, stopped, kills.POINTS["gold"]),
        *await owners.zombie(rig, stopped, successor),
    ]


@pytest.mark.long
async def test_whatever_dies_nothing_is_lost_and_nothing_doubled(
    topics: dict[str, int], run_settings: RunSettings, tmp_path: Path
) -> None:
    """Each fault is proven to have happened, and nothing of what was aborted is seen."""
    schema_id = next(iter(topics.values()))
    async with running(run_settings, schema_id, tmp_path, seed=7, per_second=PER_SECOND) as rig:
        done = await asyncio.gather(_silver(rig), _gold(rig))
        violations = await check(rig)
        assert [fault for faults in done for fault in faults if not fault.proven] == []
        assert [str(violation) for violation in violations] == []
        assert rig.observed.uncommitted > rig.observed.committed
        assert rig.watch.samples > 0
