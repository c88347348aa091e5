"""The bytes that partitions take on their leaders' disks.

Facts: the Kafka protocol's DescribeLogDirs API, version 1, which aiokafka does not have.
"""

from collections.abc import Collection, Mapping
from typing import Any

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Int64, Schema, String


class _Response(Response):  # type: ignore[misc]  # aiokafka is not typed
    API_KEY = 35
    API_VERSION = 1
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "results",
            Array(
                ("error_code", Int16),
                ("log_dir", String("utf-8")),
                (
                    "topics",
                    Array(
                        ("name", String("utf-8")),
                        (
                            "partitions",
                            Array(("partition", Int32), ("size", Int64), ("offset_lag", Int64), ("is_future", Boolean)),
                        ),
                    ),
                ),
            ),
        ),
    )


class _RequestV1(RequestStruct):  # type: ignore[misc]
    API_KEY = 35
    API_VERSION = 1
    RESPONSE_TYPE = _Response
    SCHEMA = Schema(("topics", Array(("name", String("utf-8")), ("partitions", Array(Int32)))))


class _Request(Request[_RequestV1]):  # type: ignore[misc]
    API_KEY = 35

    def __init__(self, partitions: Collection[TopicPartition]) -> None:
        by_topic: dict[str, list[int]] = {}
        for at in partitions:
            by_topic.setdefault(at.topic, []).append(at.partition)
        self._topics = list(by_topic.items())

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class(self._topics)


async def sizes(admin: AIOKafkaAdminClient, leaders: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
    """The bytes of each partition where it is led, by the id of its leader; a folder that is being moved not counted.

    Raises:
        KafkaError: a broker cannot say now, or may not say it to this user.
    """
    found: dict[TopicPartition, int] = {}
    for node in set(leaders.values()):
        own = [at for at, leader in leaders.items() if leader == node]
        answer = await admin._send_request(_Request(own), node)
        for code, folder, topics in answer.results:
            if code:
                raise for_code(code)(f"broker {node} does not say how large {folder} is")
            for topic, partitions in topics:
                for partition, size, _lag, is_future in partitions:
                    if not is_future:
                        found[TopicPartition(topic, partition)] = size
    return found
