"""Gold's state by its logs: what one process released is what the next one has restored."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from aiokafka import TopicPartition
from tests.faults.verifier import Violation

from k2_support.logs import Event, events

RESTORED, RELEASED = "state_restored", "state_released"


@dataclass(frozen=True, slots=True)
class State:
    """What a partition's stage remembers."""

    ids: int
    digest: str


def latest(logs: Iterable[Path], event: str) -> Mapping[TopicPartition, State]:
    """What each partition's newest event of a kind said, over the logs of many processes."""
    told = (said for log in logs for said in events(log, event))
    ordered: list[Event] = sorted(told, key=lambda said: str(said["timestamp"]))
    return {TopicPartition(e["topic"], e["partition"]): State(e["ids"], e["digest"]) for e in ordered}


def disagreements(
    released: Mapping[TopicPartition, State],
    restored: Mapping[TopicPartition, State],
    ids: Mapping[TopicPartition, int],
) -> list[Violation]:
    """Where a rebuilt state is not the live one, or does not know every id that gold has of a partition."""
    found = []
    for at, count in ids.items():
        lived, rebuilt = released.get(at), restored.get(at)
        if lived is None or lived != rebuilt:
            found.append(Violation(f"{at.topic}[{at.partition}]", f"the state {lived}", f"{rebuilt} after a restart"))
        elif lived.ids != count:
            found.append(Violation(f"{at.topic}[{at.partition}]", f"{count} ids, as in gold", f"{lived.ids}"))
    return found
