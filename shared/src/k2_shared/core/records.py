"""Records on their way between topics, as batches."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from k2_shared.core.origin import Headers


class Record(Protocol):
    """What is written of a record: ``timestamp`` is the receipt of the frame in ms, and from silver on its writing."""

    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...


class Consumed(Record, Protocol):
    """What this project reads of a consumed record (aiokafka's ConsumerRecord is one)."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to write; ``topic`` is the contract's name."""

    topic: str
    key: bytes | None
    value: bytes | None
    timestamp: int
    headers: Headers


def by_topic(records: Iterable[Outgoing]) -> "ByTopic":
    """Group records by topic, order kept."""
    grouped: dict[str, list[Outgoing]] = {}
    for record in records:
        grouped.setdefault(record.topic, []).append(record)
    return grouped


RecordBatch = Sequence[Consumed]
WrittenOffsets = npt.NDArray[np.int64]
"""The offsets of written records, in their order."""
ByTopic = Mapping[str, Sequence[Record]]
"""Records to write by the contract's name of their topic; a consumed record is forwarded byte for byte."""
