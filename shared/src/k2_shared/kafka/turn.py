"""One process at a time: a consumer group whose one member may work. A crash frees it after the session's timeout."""

import os
import socket
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

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

    Who finds another in the group does not join it; who finds one that joined at the same time leaves. So of two at
    once both may be refused, and never both let in.

    Raises:
        Taken: another process works, and which.
        Unavailable: the broker does not answer.
    """
    group, own = names.group(f"{work}.turn"), f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    try:
        async with administration(settings) as admin:
            await _refuse(admin, group, own, work)
            member = _member(settings, group, own)
            member.subscribe([names.topic(GOLD)])
            try:
                await member.start()
                await _refuse(admin, group, own, work)
                yield
            finally:
                await member.stop()
    except KafkaError as error:
        raise unreachable(settings, error) from None


def _member(settings: KafkaSettings, group: str, own: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        **settings.client(),
        client_id=own,
        group_id=group,
        enable_auto_commit=False,
        partition_assignment_strategy=(_NoPartitions,),
        session_timeout_ms=SESSION_TIMEOUT_MS,
        heartbeat_interval_ms=HEARTBEAT_MS,
        max_poll_interval_ms=LONGEST_MS,  # it reads nothing
    )


async def _refuse(admin: AIOKafkaAdminClient, group: str, own: str, work: str) -> None:
    (answer,) = await admin.describe_consumer_groups([group])
    ((error_code, _, _, _, _, members, *_),) = answer.groups
    if error_code:
        raise for_code(error_code)(f"members of {group}")
    others = [client_id for _, client_id, *_ in members if client_id != own]
    if others:
        host, pid, _ = others[0].split(":")
        raise Taken(
            f"{work} is at work on {host} (process {pid}): one at a time; a process that was killed counts for "
            f"{SESSION_TIMEOUT_MS // 1_000} s more"
        )
