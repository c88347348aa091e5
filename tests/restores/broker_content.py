"""Everything that a broker holds: records, the offsets of groups, the ids of transactions."""

from collections.abc import Sequence
from typing import Any

from aiokafka import TopicPartition

from k2_shared.core import contracts
from k2_shared.core.settings import RunSettings
from k2_shared.kafka.topics import Names, administration
from k2_support.topics import read_partitions

_TRANSACTIONS, _PARTITIONS = "__transaction_state", 4

Content = dict[str, dict[Any, Any]]


async def everything(settings: RunSettings, names: Names) -> Content:
    """All of it by kind; equal for brokers that hold the same."""
    every = [at for topic in contracts.topics() for at in names.partitions(topic)]
    return {
        "committed records": await _records(settings, every, committed=True),
        "records": await _records(settings, every, committed=False),
        "offsets of groups": await _groups(settings, names),
        "transactional ids": await _transactions(settings, names),
    }


def unlike(before: Content, now: Content) -> list[str]:
    """What a broker does not hold as before."""
    return [
        f"{kind}: {len(before[kind])} before, {len(now[kind])} now, the same of both: "
        f"{len(before[kind].items() & now[kind].items())}"
        for kind in before
        if before[kind] != now[kind]
    ]


async def _groups(settings: RunSettings, names: Names) -> dict[Any, Any]:
    """By group and partition: the offset and its metadata."""
    async with administration(settings) as admin:
        groups = [group for group, _ in await admin.list_consumer_groups() if group.startswith(names.prefix)]
        found = {group: await admin.list_consumer_group_offsets(group) for group in groups}
    return {(group, at): committed for group, each in found.items() for at, committed in each.items()}


async def _transactions(settings: RunSettings, names: Names) -> dict[Any, Any]:
    """By transactional id the last that the coordinator wrote of it: producer id, epoch, how its transaction ended."""
    every = [TopicPartition(_TRANSACTIONS, number) for number in range(_PARTITIONS)]
    found = await read_partitions(settings, every, committed=False)
    return {each.key: each.value for each in found if names.prefix.encode() in each.key}


async def _records(settings: RunSettings, every: Sequence[TopicPartition], *, committed: bool) -> dict[Any, Any]:
    """By place: time, key, value and headers."""
    return {
        (each.topic, each.partition, each.offset): (each.timestamp, each.key, each.value, each.headers)
        for each in await read_partitions(settings, every, committed=committed)
    }
