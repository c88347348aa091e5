"""A sink's state as the table has it, and its comparison with Kafka, topics and table as they are now; pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from k2_shared.core.errors import Halt
from k2_shared.kafka.identities import Identity, check_same

Position = tuple[str, int]  # topic, partition
TableOffsets = Mapping[Position, int]  # the next offset to read


@dataclass(frozen=True, slots=True)
class SinkState:
    """How far a table is filled: each partition's next offset, the last commit, and the identities of its sources."""

    offsets: TableOffsets
    commit_id: str
    cluster_id: str
    topic_ids: Mapping[str, str]
    table_uuid: str

    def to_properties(self, sink_id: str) -> dict[str, str]:
        """Encode the state for a snapshot's summary and the table's properties, which both get it."""
        return {
            f"sink.{sink_id}.offsets": by_topic(self.offsets),
            f"sink.{sink_id}.commit-id": self.commit_id,
            f"sink.{sink_id}.cluster-id": self.cluster_id,
            f"sink.{sink_id}.topic-id": json.dumps(dict(self.topic_ids), separators=(",", ":"), sort_keys=True),
            f"sink.{sink_id}.table-uuid": self.table_uuid,
        }

    @classmethod
    def from_properties(cls, properties: Mapping[str, str | None], sink_id: str) -> "SinkState | None":
        """Decode the state from a snapshot's summary or a table's properties; None where the sink has written nothing.

        Raises:
            Halt: a part of the state is missing.
        """
        prefix = f"sink.{sink_id}."
        own = {name.removeprefix(prefix): value for name, value in properties.items() if name.startswith(prefix)}
        if not own:
            return None
        try:
            offsets = json.loads(own["offsets"] or "")
            return cls(
                offsets={(t, int(p)): offset for t, found in offsets.items() for p, offset in found.items()},
                commit_id=own["commit-id"] or "",
                cluster_id=own["cluster-id"] or "",
                topic_ids=json.loads(own["topic-id"] or ""),
                table_uuid=own["table-uuid"] or "",
            )
        except (KeyError, ValueError) as error:
            raise Halt(f"the state of sink {sink_id} in the table is damaged ({error!r}): {own}") from None


def by_topic(found: Mapping[Position, Any]) -> str:
    """Encode what there is of partitions, by topic and partition, as JSON."""
    topics: dict[str, dict[str, Any]] = {}
    for (topic, partition), each in sorted(found.items()):
        topics.setdefault(topic, {})[str(partition)] = each
    return json.dumps(topics, separators=(",", ":"))


def sinks_in(properties: Mapping[str, str | None]) -> set[str]:
    """The ids of the sinks that have a state in some properties."""
    parts = (name.split(".") for name in properties)
    return {part[1] for part in parts if len(part) == 3 and part[0] == "sink" and part[2] == "commit-id"}


def agreed(summary: SinkState | None, prop: SinkState | None) -> SinkState | None:
    """The state on which the nearest snapshot summary and the table's properties agree.

    Expiring snapshots drops summaries, so the property alone is enough; the reverse is not.

    Raises:
        Halt: they disagree, as after a rollback.
    """
    if summary is not None and summary != prop:
        raise Halt(
            f"the table was rolled back or changed by hand: its current snapshot says commit {summary.commit_id}, "
            f"its properties say {prop.commit_id if prop else 'nothing'}; 'k2 sink resolve' goes on from the snapshot, "
            "whose offsets are those of its rows"
        )
    return prop


@dataclass(frozen=True, slots=True)
class World:
    """The table, the cluster with its topics, and the offsets that each partition has: as they are now."""

    table_uuid: str
    kafka: Identity
    logs: Mapping[Position, range]


def check_world(state: SinkState, world: World) -> None:
    """Compare a table's state with the table, the cluster and the topics that are there now.

    Raises:
        Halt: going on would lose or double rows; says what differs.
    """
    if state.table_uuid != world.table_uuid:
        raise Halt(f"the table is another one: {world.table_uuid}, the state was written to {state.table_uuid}")
    check_same(Identity(state.cluster_id, state.topic_ids), world.kafka)
    for (topic, partition), offset in state.offsets.items():
        log = world.logs.get((topic, partition), range(offset, offset))
        if offset < log.start:
            lost = log.start - offset
            raise Halt(f"{topic}[{partition}] starts at {log.start}, the table needs {offset}: {lost} are lost")
        if offset > log.stop:
            raise Halt(
                f"{topic}[{partition}] ends at {log.stop}, the table has all up to {offset}: Kafka was cut short"
            )


def superseded(current: SinkState | None, start: TableOffsets) -> bool:
    """Whether another owner has moved any of the partitions that a batch starts from."""
    found: TableOffsets = current.offsets if current else {}
    return any(found.get(at, offset) != offset for at, offset in start.items())
