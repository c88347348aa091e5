"""The deletion of consumer groups that nobody reads by any more, so that they do not lag for ever."""

from collections.abc import Mapping

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code
from aiokafka.protocol.admin import DeleteGroupsRequest

_DONE = (0, 68, 69)  # deleted, it has members, there is none


async def delete(admin: AIOKafkaAdminClient, group: str) -> None:
    """Delete a group and its offsets, unless it has members.

    Raises:
        KafkaError: its coordinator cannot say now.
    """
    answer = await admin._send_request(DeleteGroupsRequest([group]), await admin.find_coordinator(group))
    for _, code in answer.results:
        if code not in _DONE:
            raise for_code(code)(f"group {group} cannot be deleted")


async def behind(admin: AIOKafkaAdminClient, prefix: str, ends: Mapping[TopicPartition, int]) -> set[str]:
    """The groups of a prefix that have not read up to the ends of partitions.

    Raises:
        KafkaError: a coordinator cannot say now.
    """
    found = set()
    for group, _ in await admin.list_consumer_groups():
        if group.startswith(prefix):
            committed = await admin.list_consumer_group_offsets(group)
            if any(at.offset < ends.get(partition, 0) for partition, at in committed.items()):
                found.add(group)
    return found
