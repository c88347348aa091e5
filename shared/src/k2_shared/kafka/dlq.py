"""Dead letters: the refused record whole, with headers that say who refused it and why."""

import time
from dataclasses import dataclass
from importlib.metadata import version
from typing import cast

from k2_shared.core.errors import InvalidRecord
from k2_shared.core.letter_headers import PREFIX, number, said, text
from k2_shared.core.origin import Headers
from k2_shared.core.records import Consumed, Outgoing, Record
from k2_shared.core.stage_names import StageName
from k2_shared.kafka.topics import DLQ

ATTEMPT = f"{PREFIX}attempt"
LETTER = f"{PREFIX}letter"
"""On a replayed record: which dead letter it is. It stays there as every header does, so whoever refuses the record
once more says of which letter that is an attempt."""
MAX_DETAIL_BYTES = 1024
_WHERE = ("topic", "partition", "offset")


@dataclass(frozen=True, slots=True)
class Refuser:
    """Wraps the records that a stage and its service refuse as dead letters."""

    stage: StageName
    service: str

    def refuse(self, record: Consumed, error: InvalidRecord, **said: str) -> Outgoing:
        """Wrap a consumed record, saying more if need be; key, value, timestamp and its own headers stay untouched."""
        where = {"topic": record.topic, "partition": str(record.partition), "offset": str(record.offset), **said}
        headers = record.headers + self._headers(where, error, _attempt(record.headers))
        return Outgoing(DLQ, record.key, record.value, record.timestamp, headers)

    def refuse_frame(self, frame: Outgoing, error: InvalidRecord) -> Outgoing:
        """Wrap a frame that is on its way to ``frame.topic`` and so has no offset yet."""
        headers = frame.headers + self._headers({"topic": frame.topic}, error, 1)
        return Outgoing(DLQ, frame.key, frame.value, frame.timestamp, headers)

    def _headers(self, where: dict[str, str], error: InvalidRecord, attempt: int) -> Headers:
        told = where | {
            "stage": self.stage,
            "reason": error.reason,
            "service": self.service,
            "version": version("k2-shared"),
            "attempt": str(attempt),
            "time": str(time.time_ns()),
        }
        detail = error.detail.encode("utf-8", "backslashreplace")[:MAX_DETAIL_BYTES].decode("utf-8", "ignore").encode()
        return (
            *((PREFIX + name, value.encode()) for name, value in told.items()),
            (f"{PREFIX}detail", detail),
        )


def source(record: Record) -> str:
    """Where a record that is to be written was read, ``TOPIC[PARTITION]@OFFSET``; of a letter, what was refused there.

    One that was read nowhere is known by its key.
    """
    if not isinstance(record, Outgoing):
        read = cast("Consumed", record)
        return f"{read.topic}[{read.partition}]@{read.offset}"
    found = said(record.headers)
    if any(name not in found for name in _WHERE):
        return f"key {(record.key or b'').decode(errors='backslashreplace')}"
    topic, partition, offset = (found[name] for name in _WHERE)
    return f"{topic}[{partition}]@{offset}"


def _attempt(headers: Headers) -> int:
    """The number of this refusal: one more than the last attempt that the record carries; not ours, not counted."""
    given = (number(text(value), 9) for name, value in headers if name == ATTEMPT)
    return 1 + max((attempt for attempt in given if attempt), default=0)
