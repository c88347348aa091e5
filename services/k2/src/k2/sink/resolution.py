"""How a table whose state contradicts the world is to go on: what is done for each halt of its sink. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from k2_shared.core.errors import ConfigError, Halt
from k2_shared.lake.sink_state import Position, SinkState, World, agreed, check_world

Trust = Literal["keep", "drop"]
"""Of offsets that were written to another table, cluster or topic: they mean the same records now, or others."""
_ASK = "--offsets keep says that they mean the same records now, --offsets drop that Kafka is read from its beginning"
_RECREATED = "it holds no state of this sink, yet its group has committed offsets: it was recreated"


@dataclass(frozen=True, slots=True)
class Found:
    """A table as it stands: the sink's state in its newest snapshots and in its properties, the world, its rows.

    ``committed`` is whether the table's group has offsets in Kafka; ``damage`` is why the properties' state cannot be
    read, if that is so.
    """

    summary: SinkState | None
    prop: SinkState | None
    world: World
    rows: int
    committed: bool = False
    damage: str = ""

    @property
    def halt(self) -> str:
        """Why a sink would not begin with the table; empty where it would."""
        if self.damage:
            return self.damage
        try:
            state = agreed(self.summary, self.prop)
            if state is not None:
                check_world(state, self.world)
        except Halt as halt:
            return str(halt)
        return _RECREATED if state is None and self.committed else ""


@dataclass(frozen=True, slots=True)
class Resolution:
    """The state from which the sink goes on, and for people what was done to come to it, a line each."""

    state: SinkState
    steps: tuple[str, ...]


def resolve(found: Found, commit_id: str, trust: Trust | None = None) -> Resolution | None:
    """What brings a table back to work; None where nothing holds it up.

    Raises:
        ConfigError: only a person knows what offsets mean, and has not said it; or rows would be there twice.
    """
    if not found.halt:
        return None
    state, steps = _begun(found)
    for step in (_table, _cluster, _topics, _logs):
        state, said = step(state, found, trust)
        steps += said
    return Resolution(replace(state, commit_id=commit_id), tuple(steps))


_Step = tuple[SinkState, list[str]]


def _begun(found: Found) -> _Step:
    """The state that the table's rows have: of its newest snapshot that has one, else of its properties, else none."""
    if found.summary is not None:
        said = f"goes on from commit {found.summary.commit_id}, which its rows are of; what comes after is read again"
        return found.summary, [said] if found.summary != found.prop else []
    if found.prop is not None:
        return found.prop, []
    _refuse_rows(found, found.damage or "the table has no state")
    world = found.world
    empty = SinkState({}, "", world.kafka.cluster_id, world.kafka.topic_ids, world.table_uuid)
    return empty, ["the table is filled from where Kafka begins; offsets that its group has are overwritten"]


def _table(state: SinkState, found: Found, trust: Trust | None) -> _Step:
    if state.table_uuid == found.world.table_uuid:
        return state, []
    here = replace(state, table_uuid=found.world.table_uuid)
    what = f"the state was written to table {state.table_uuid}, this one is {found.world.table_uuid}"
    if _chosen(trust, what) == "drop":
        _refuse_rows(found, what)
        return replace(here, offsets={}), [f"{what}: it is filled from where Kafka begins"]
    return here, [f"{what}: it has the rows of that one, and goes on from them"]


def _cluster(state: SinkState, found: Found, trust: Trust | None) -> _Step:
    now = found.world.kafka
    if state.cluster_id == now.cluster_id:
        return state, []
    what = f"the table was fed from cluster {state.cluster_id}, this is {now.cluster_id}"
    moved = replace(state, cluster_id=now.cluster_id, topic_ids=now.topic_ids)
    if _chosen(trust, what) == "drop":
        return replace(moved, offsets={}), [f"{what}: all of its topics are read from where they begin"]
    return moved, [f"{what}: the offsets mean the same records there"]


def _topics(state: SinkState, found: Found, trust: Trust | None) -> _Step:
    now = found.world.kafka.topic_ids
    anew = {topic for topic, topic_id in state.topic_ids.items() if now.get(topic, topic_id) != topic_id}
    if not anew:
        return state, []
    what = f"created anew: {', '.join(sorted(anew))}"
    moved = replace(state, topic_ids={**state.topic_ids, **now})
    if _chosen(trust, what) == "drop":
        kept = {at: offset for at, offset in state.offsets.items() if at[0] not in anew}
        return replace(moved, offsets=kept), [f"{what}: read from where they begin; rows of their former records stay"]
    return moved, [f"{what}: their offsets mean the same records"]


def _logs(state: SinkState, found: Found, _trust: Trust | None) -> _Step:
    """Offsets that Kafka has no more, or not yet again, become the nearest that it has."""
    moved = dict(_moved(state.offsets, found.world.logs))
    said = [_said(at, state.offsets[at], offset) for at, offset in moved.items()]
    return replace(state, offsets={**state.offsets, **moved}), said


def _moved(offsets: Mapping[Position, int], logs: Mapping[Position, range]) -> Iterator[tuple[Position, int]]:
    for at, offset in offsets.items():
        log = logs.get(at, range(offset, offset))
        nearest = min(max(offset, log.start), log.stop)
        if nearest != offset:
            yield at, nearest


def _said(at: Position, was: int, now: int) -> str:
    topic, partition = at
    if now > was:
        return f"{topic}[{partition}] goes on at {now}: offsets {was} to {now - 1} are lost"
    return f"{topic}[{partition}] goes on at {now}, where Kafka ends: offsets {now} to {was - 1} will be other records"


def _chosen(trust: Trust | None, what: str) -> Trust:
    if trust is None:
        raise ConfigError(f"{what}, and only you know what its offsets mean: {_ASK}")
    return trust


def _refuse_rows(found: Found, what: str) -> None:
    if found.rows:
        raise ConfigError(
            f"{what}, and it holds {found.rows:,} rows, which would be there twice: 'k2 lake reset' makes it anew"
        )
