"""One process at a time: a consumer group whose one member may work. A crash frees it after the session's timeout."""

import asyncio
import os
import random
import socket
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata
from aiokafka.errors import KafkaError, for_code

from k2_shared.core.errors import Unavailable
from k2_shared.core.settings import KafkaSettings
from k2_shared.kafka.clients import HEARTBEAT_MS, SESSION_TIMEOUT_MS
from k2_shared.kafka.topics import GOLD, Names, administration, unreachable

LONGEST_MS = 86_400_000
"""For how long a turn may be held."""
_ATTEMPTS, _LONGEST_S = 6, 3.0
_COORDINATED_S, _POLL_S = 60.0, 0.5


class Taken(Unavailable):
    """It is another process' turn."""


class _NoPartitions(AbstractPartitionAssignor):  # type: ignore[misc]  # aiokafka is not typed
    """Members of a group, and nothing to read."""

    name = "k2-turn"

    @classmethod
    def assign(
        cls, _cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        return dict.fromkeys(members, ConsumerProtocolMemberAssignment(0, [], b""))

    @classmethod
    def metadata(cls, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        return ConsumerProtocolMemberMetadata(0, list(topics), b"")

    @classmethod
    def on_assignment(cls, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Nothing is assigned."""


@asynccontextmanager
async def turn(settings: KafkaSettings, names: Names, work: str) -> AsyncIterator[None]:
    """Be the only process at some work for the length of the block.

    Who finds another in the group does not join it; who finds one that joined at the same time leaves, and after a
    while of its own begins again. So two at once are never both let in.

    Raises:
        Taken: another process works, and which.
        Unavailable: the broker does not answer.
    """
    own = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    try:
        async with administration(settings) as admin:
            group = _Group(admin, names.group(f"{work}.turn"), own)
            member = await _alone(group, lambda: _member(settings, names, group), work)
            try:
                yield
            finally:
                await member.stop()
    except KafkaError as error:
        raise unreachable(settings, error) from None


@dataclass(frozen=True)
class _Group:
    """The group of some work, and this process' name in it."""

    admin: AIOKafkaAdminClient
    name: str
    own: str

    async def others(self) -> list[str]:
        """The names of its other members; a broker that cannot say yet, as after its start, is asked again."""
        until = time.monotonic() + _COORDINATED_S
        while True:
            try:
                return await self._others()
            except KafkaError as error:
                if not error.retriable or time.monotonic() > until:
                    raise
            await asyncio.sleep(_POLL_S)

    async def _others(self) -> list[str]:
        (answer,) = await self.admin.describe_consumer_groups([self.name])
        ((error_code, _, _, _, _, members, *_),) = answer.groups
        if error_code:
            raise for_code(error_code)(f"members of {self.name}")
        return [client_id for _, client_id, *_ in members if client_id != self.own]


async def _alone(group: _Group, member: Callable[[], AIOKafkaConsumer], work: str) -> AIOKafkaConsumer:
    """Join the group, and be alone in it."""
    for _ in range(_ATTEMPTS):
        if others := await group.others():
            raise _taken(others[0], work)
        joining = member()
        if await _is_alone(group, joining):
            return joining
        await asyncio.sleep(random.uniform(0, _LONGEST_S))  # noqa: S311  # parts those who met
    raise Taken(f"several began {work} at once, {_ATTEMPTS} times: run it again")


async def _is_alone(group: _Group, joining: AIOKafkaConsumer) -> bool:
    """Join, and leave again where another has, too."""
    async with AsyncExitStack() as leaving:
        leaving.push_async_callback(joining.stop)
        await joining.start()
        if await group.others():
            return False
        leaving.pop_all()
    return True


def _taken(other: str, work: str) -> Taken:
    host, pid, _ = other.split(":")
    return Taken(
        f"{work} is at work on {host} (process {pid}): one at a time; a process that was killed counts for "
        f"{SESSION_TIMEOUT_MS // 1_000} s more"
    )


def _member(settings: KafkaSettings, names: Names, group: _Group) -> AIOKafkaConsumer:
    made = AIOKafkaConsumer(
        **settings.client(),
        client_id=group.own,
        group_id=group.name,
        enable_auto_commit=False,
        partition_assignment_strategy=(_NoPartitions,),
        session_timeout_ms=SESSION_TIMEOUT_MS,
        heartbeat_interval_ms=HEARTBEAT_MS,
        max_poll_interval_ms=LONGEST_MS,  # it reads nothing
    )
    made.subscribe([names.topic(GOLD)])
    return made
