"""Where the groups and the partitions stand, watched during a whole run."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from tests.faults.deliveries import Place
from tests.faults.observed import BRONZES, SILVERS
from tests.faults.verifier import Violation

from k2_shared.core.errors import Unavailable
from k2_shared.core.settings import KafkaSettings
from k2_shared.kafka import clients
from k2_shared.kafka.topics import GOLD, STATE, Names, administration

PartitionOffsets = Mapping[TopicPartition, int]

INPUTS = {"silver": BRONZES, "gold": SILVERS}
OUTPUTS = {"silver": SILVERS, "gold": (GOLD, STATE)}
_SAMPLE_S = 0.5
_ELSEWHERE = (KafkaError, Unavailable, OSError, TimeoutError)


def partitions(names: Names, topics: tuple[str, ...]) -> list[TopicPartition]:
    """Every partition of some topics."""
    return [at for topic in topics for at in names.partitions(topic)]


async def ends(settings: KafkaSettings, at: list[TopicPartition], *, stable: bool) -> PartitionOffsets:
    """The last stable offsets of partitions, or their high watermarks."""
    async with clients.started(clients.consumer(settings, committed=stable), settings) as reader:
        found: PartitionOffsets = await reader.end_offsets(at)
        return found


async def committed(settings: KafkaSettings, names: Names) -> Mapping[str, PartitionOffsets]:
    """The committed offsets of both groups, by service."""
    async with administration(settings) as admin:
        return {service: await _committed(admin, names.group(service)) for service in INPUTS}


async def open_transactions(
    settings: KafkaSettings, names: Names, service: str, wait_s: float = 0.5
) -> list[TopicPartition]:
    """The outputs with records of a transaction that stays open: written, and seen by no read_committed."""
    at = partitions(names, OUTPUTS[service])
    written = await ends(settings, at, stable=False)
    await asyncio.sleep(wait_s)
    stable = await ends(settings, at, stable=True)
    return [here for here in at if stable[here] < written[here]]


async def _committed(admin: AIOKafkaAdminClient, group: str) -> PartitionOffsets:
    found = await admin.list_consumer_group_offsets(group)
    return {at: said.offset for at, said in found.items() if said.offset >= 0}


class OffsetWatch:
    """Samples the groups' offsets: none ever goes back, none is beyond the last stable offset of its input."""

    def __init__(self, settings: KafkaSettings, names: Names) -> None:
        self._settings, self._names = settings, names
        self._last: dict[tuple[str, TopicPartition], int] = {}
        self.samples = 0
        self.violations: list[Violation] = []

    @asynccontextmanager
    async def watching(self) -> AsyncIterator["OffsetWatch"]:
        """Sample for the length of the block."""
        task = asyncio.create_task(self._watch())
        try:
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _watch(self) -> None:
        while True:
            with suppress(*_ELSEWHERE):  # the broker may be down on purpose
                await self._connected()
            await asyncio.sleep(_SAMPLE_S)

    async def _connected(self) -> None:
        reader = clients.consumer(self._settings)
        async with administration(self._settings) as admin, clients.started(reader, self._settings):
            while True:
                groups = {service: await _committed(admin, self._names.group(service)) for service in INPUTS}
                self.compare(groups, await reader.end_offsets(partitions(self._names, (*BRONZES, *SILVERS))))
                await asyncio.sleep(_SAMPLE_S)

    def compare(self, groups: Mapping[str, PartitionOffsets], stable: Mapping[Any, int]) -> None:
        """Hold a sample of the groups against the one before, and against the ends, which were read after it."""
        self.samples += 1
        for service, offsets in groups.items():
            for at, offset in offsets.items():
                place = Place(at.topic, at.partition, offset)
                before = self._last.get((service, at), 0)
                if offset < before:
                    self.violations.append(Violation(place, f"{service} to have committed {before} or more", "less"))
                if offset > stable[at]:
                    self.violations.append(Violation(place, f"{service} within {stable[at]}", "a commit beyond"))
                self._last[service, at] = offset
