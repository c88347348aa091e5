"""What was delivered to bronze, as its writer knows it: a log outside Kafka, one line an acknowledged delivery."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, NamedTuple

Kind = Literal["new", "duplicate", "conflict", "poison"]


class Place(NamedTuple):
    """Where a record stands on the broker."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Which stage must refuse a record, and for what reason."""

    stage: str
    reason: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One acknowledged delivery; ``message_id`` is the valid trade that it offers, if it offers one."""

    at: Place
    sha256: str
    kind: Kind
    message_id: str | None
    refusal: Refusal | None


def sha256(value: bytes | None) -> str:
    """The fingerprint of a value; a missing one has its own."""
    return "null" if value is None else hashlib.sha256(value).hexdigest()


class DeliveryLog:
    """An append-only file of deliveries, and the same in memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.deliveries: list[Delivery] = []

    def append(self, deliveries: list[Delivery]) -> None:
        """Add deliveries that the broker acknowledged."""
        self.deliveries += deliveries
        with self._path.open("a") as file:
            file.writelines(json.dumps(asdict(delivery)) + "\n" for delivery in deliveries)


def read_log(path: Path) -> Iterator[Delivery]:
    """The deliveries of a file."""
    for line in path.read_text().splitlines():
        said = json.loads(line)
        refusal = Refusal(**said["refusal"]) if said["refusal"] else None
        yield Delivery(Place(*said["at"]), said["sha256"], said["kind"], said["message_id"], refusal)
