"""A reference deduplicator for gold: a dictionary of every id that came."""

from collections.abc import Iterable, Mapping
from typing import Literal

from tests.faults.deliveries import Place
from tests.faults.observed import Facts, Seen

from k2_shared.kafka.topics import partition_for

ExpectedVerdict = Literal["new", "duplicate", "conflict", "foreign_partition"]
REFUSED: tuple[ExpectedVerdict, ...] = ("conflict", "foreign_partition")


def verdicts(silver: Iterable[Seen], partitions: int) -> Mapping[Place, ExpectedVerdict]:
    """What becomes of each silver record, given in the order of its partition."""
    known: dict[str, Facts] = {}
    return {record.at: _verdict(record, known, partitions) for record in silver}


def _verdict(record: Seen, known: dict[str, Facts], partitions: int) -> ExpectedVerdict:
    facts = record.facts
    if partition_for(record.key or b"", partitions) != record.at.partition:
        return "foreign_partition"
    if facts.message_id not in known:
        known[facts.message_id] = facts
        return "new"
    return "duplicate" if known[facts.message_id] == facts else "conflict"
