"""What a feed's checkpoints claim to stand in Kafka, held against what stands there."""

from collections.abc import Mapping

from tests.feeds.accounts import Account
from tests.feeds.rig import Rig

from k2_shared.feed.coverage.checkpoint import Checkpoint
from k2_shared.feed.coverage.checkpoint_records import CheckpointRecords, UnreadableRecords
from k2_shared.feed.coverage.intervals import Interval, IntervalSet
from k2_shared.kafka.topics import COVERAGE
from k2_support.topics import read


async def claimed(rig: Rig) -> dict[str, IntervalSet]:
    """The ids of each symbol that the newest checkpoint says are in Kafka."""
    records = CheckpointRecords(rig.venue, rig.feed.service, "0")
    newest = {each.key: each.value for each in await read(rig.settings, rig.names, COVERAGE)}
    there = {key: value for key, value in newest.items() if value is not None}
    return {symbol: _ids(each) for symbol, each in records.read_checkpoints(there, UnreadableRecords()).items()}


def _ids(checkpoint: Checkpoint) -> IntervalSet:
    ids = IntervalSet([(checkpoint.first, checkpoint.high)] if checkpoint.first else [])
    for gap in checkpoint.gaps:
        ids.remove(gap.first, gap.last)
    return ids


def ahead(claims: Mapping[str, IntervalSet], accounts: Mapping[str, Account]) -> dict[str, list[Interval]]:
    """The claimed ids that are not there."""
    found = {
        symbol: [part for interval in intervals for part in accounts.get(symbol, Account()).without(*interval)]
        for symbol, intervals in claims.items()
    }
    return {symbol: parts for symbol, parts in found.items() if parts}
