"""Exactly once, end to end on a real broker: a pipeline under load whose processes die at every point."""

import asyncio
from pathlib import Path

from tests.faults import kills, owners, wire
from tests.faults.faults import Injected
from tests.faults.rig import SERVICES, Rig, running
from tests.faults.rounds import check

from k2_shared.settings import RunSettings
from k2_shared.topics import Names

PER_SECOND = 150


async def _robbed_and_unanswered(rig: Rig) -> list[Injected]:
    """A second owner of one transactional id, and then a commit whose reply is lost."""
    return [*await owners.two_owners(rig, "silver"), *await wire.reply(rig, "silver", "EndTxn", "drop")]


async def test_whatever_dies_nothing_is_lost_and_nothing_doubled(
    topics: dict[str, int], run_settings: RunSettings, names: Names, tmp_path: Path
) -> None:
    """Both services killed at every failpoint, a zombie, a second owner and a lost reply; each fault is proven."""
    schema_id = next(iter(topics.values()))
    async with running(run_settings, schema_id, tmp_path, seed=7, per_second=PER_SECOND) as rig:
        silver, gold = (rig.members(service) for service in SERVICES)
        kinds = await asyncio.gather(
            kills.kill_at_all(rig, silver[0], kills.POINTS["silver"]),
            kills.kill_at_all(rig, gold[0], kills.POINTS["gold"]),
        )
        taken = await asyncio.gather(owners.zombie(rig, gold[0], gold[1]), _robbed_and_unanswered(rig))
        violations = await check(rig)
        assert [fault for faults in (*kinds, *taken) for fault in faults if not fault.proven] == []
        assert [str(violation) for violation in violations] == []
        assert rig.evidence.uncommitted > rig.evidence.committed
        assert rig.watch.samples > 0
