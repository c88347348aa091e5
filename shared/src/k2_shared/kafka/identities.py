"""Kafka's own ids of a cluster and its topics: a topic that was deleted and created again has another.

Facts: the Kafka protocol's Metadata API, version 12; aiokafka stops at version 5, which has no topic ids.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from uuid import UUID

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import UnknownTopicOrPartitionError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from k2_shared.core.errors import ConfigError, Halt
from k2_shared.kafka.topics import absent


class _Uuid:
    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> UUID:
        return UUID(bytes=data.read(16))

    @classmethod
    def repr(cls, value: UUID) -> str:
        return str(value)


_BROKER = (
    ("node_id", Int32),
    ("host", CompactString("utf-8")),
    ("port", Int32),
    ("rack", CompactString("utf-8")),
    ("tags", TaggedFields),
)
_PARTITION = (
    ("error_code", Int16),
    ("partition", Int32),
    ("leader", Int32),
    ("leader_epoch", Int32),
    ("replicas", CompactArray(Int32)),
    ("isr", CompactArray(Int32)),
    ("offline_replicas", CompactArray(Int32)),
    ("tags", TaggedFields),
)
_TOPIC = (
    ("error_code", Int16),
    ("name", CompactString("utf-8")),
    ("topic_id", _Uuid),
    ("is_internal", Boolean),
    ("partitions", CompactArray(*_PARTITION)),
    ("authorized_operations", Int32),
    ("tags", TaggedFields),
)


class _MetadataResponse(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 12
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", CompactArray(*_BROKER)),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        ("topics", CompactArray(*_TOPIC)),
        ("tags", TaggedFields),
    )


class _MetadataRequestV12(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 12
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("topic_id", _Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields)),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _MetadataRequest(Request[_MetadataRequestV12]):  # type: ignore[misc]
    API_KEY = 3

    def __init__(self, topics: Iterable[str]) -> None:
        self._topics: list[tuple[UUID, str, dict[int, bytes]]] = [(UUID(int=0), name, {}) for name in topics]

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class(self._topics, False, False, {})


@dataclass(frozen=True, slots=True)
class Identity:
    """Which cluster this is, and which incarnation of each topic."""

    cluster_id: str
    topic_ids: Mapping[str, str]


def check_same(fed_by: Identity, now: Identity) -> None:
    """Compare the cluster and the topics that a table was fed from with those that are there now.

    Raises:
        Halt: its offsets mean other records; says what differs.
    """
    if fed_by.cluster_id != now.cluster_id:
        raise Halt(f"Kafka is another cluster: {now.cluster_id}, the table was fed from {fed_by.cluster_id}")
    for topic, topic_id in fed_by.topic_ids.items():
        if now.topic_ids.get(topic, topic_id) != topic_id:
            raise Halt(f"topic {topic} was created anew: {now.topic_ids[topic]}, the table was fed from {topic_id}")


@dataclass(frozen=True, slots=True)
class Incarnation:
    """A topic as it is now: its id, and how many partitions it has."""

    topic_id: str
    partitions: int


@dataclass(frozen=True, slots=True)
class Description:
    """What a broker says of its cluster and of topics; one that is None does not exist.

    A topic of which it cannot say anything now, as while it is being created, is left out.
    """

    cluster_id: str
    topics: dict[str, Incarnation | None]


async def describe(admin: AIOKafkaAdminClient, topics: Iterable[str]) -> Description:
    """Ask the broker who it is and how topics are."""
    answer = await admin._send_request(_MetadataRequest(topics))
    found: dict[str, Incarnation | None] = {}
    for error_code, name, topic_id, _internal, partitions, *_ in answer.topics:
        if not error_code:
            found[name] = Incarnation(str(topic_id), len(partitions))
        elif for_code(error_code) is UnknownTopicOrPartitionError:
            found[name] = None
    return Description(answer.cluster_id, found)


async def identify(admin: AIOKafkaAdminClient, topics: Iterable[str]) -> Identity:
    """Ask the broker who it is and which topics these are.

    Raises:
        ConfigError: a topic does not exist.
    """
    asked = list(topics)
    found = await describe(admin, asked)
    ids = {}
    for name in asked:
        topic = found.topics.get(name)
        if topic is None:
            raise ConfigError(absent(name, UnknownTopicOrPartitionError.errno))
        ids[name] = topic.topic_id
    return Identity(found.cluster_id, ids)
