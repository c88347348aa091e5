"""The verifier finds every way in which a record can be lost, doubled, changed, or put in the wrong place."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest
from tests.faults.content import Content, Draft
from tests.faults.deliveries import Delivery, Place, sha256
from tests.faults.observed import BRONZES, SILVERS, TOPICS, Letter, Seen, digest, facts
from tests.faults.reference import verdicts
from tests.faults.verifier import Violation, World, verify

from k2_shared.kafka.topics import DLQ, GOLD, Names
from k2_support.records import FakeRecord

SCHEMA_ID = 7
Records = dict[str, list[Seen]]


@dataclass
class Ideal:
    """A pipeline without faults, in memory."""

    deliveries: list[Delivery] = field(default_factory=list)
    records: Records = field(default_factory=lambda: {topic: [] for topic in TOPICS})
    winners: dict[str, Place] = field(default_factory=dict)

    def deliver(self, draft: Draft) -> None:
        """To bronze, and on to where it belongs."""
        at = self._next(draft.topic, draft.partition)
        record = FakeRecord(
            draft.key, draft.value, draft.topic, at.partition, at.offset, draft.timestamp, draft.headers
        )
        seen = Seen(at, draft.key, digest(record), sha256(draft.value), timestamp_ms=draft.timestamp)
        self.records[draft.topic].append(seen)
        self.deliveries.append(Delivery(at, seen.sha256, draft.kind, draft.message_id, draft.refusal))
        if draft.refusal and draft.refusal.stage == "silver":
            self._refuse(seen, "silver", draft.refusal.reason)
        else:
            self._go_on(seen, draft)

    def _go_on(self, seen: Seen, draft: Draft) -> None:
        at = self._next(SILVERS[BRONZES.index(draft.topic)], draft.partition)
        silver = replace(seen, at=at, trade=facts(draft.value or b"", SCHEMA_ID), timestamp_ms=seen.timestamp_ms + 7)
        self.records[at.topic].append(silver)
        verdict = verdicts([r for topic in SILVERS for r in self.records[topic]], 12)[at]
        if verdict == "new":
            place = self.winners[silver.facts.message_id] = self._next(GOLD, draft.partition)
            self.records[GOLD].append(replace(silver, at=place))
        elif verdict != "duplicate":
            self._refuse(silver, "gold", verdict, self.winners.get(silver.facts.message_id))

    def _refuse(self, seen: Seen, stage: str, reason: str, winner: Place | None = None) -> None:
        said = Letter(seen.at, stage, reason, str(winner) if winner else None)
        at = self._next(DLQ, seen.at.partition)
        self.records[DLQ].append(replace(seen, at=at, trade=None, letter=said))

    def _next(self, topic: str, partition: int) -> Place:
        return Place(topic, partition, sum(r.at.partition == partition for r in self.records[topic]))


@pytest.fixture(scope="module")
def ideal() -> Ideal:
    """Some hundred deliveries of every kind, as they must end."""
    made, content = Ideal(), Content(seed=1, schema_id=SCHEMA_ID)
    for _ in range(600):
        made.deliver(next(content))
    return made


def found(deliveries: Sequence[Delivery], records: Mapping[str, Sequence[Seen]]) -> list[Violation]:
    ordered = {topic: sorted(seen, key=lambda record: record.at) for topic, seen in records.items()}
    return verify(World(Names(""), deliveries, ordered))


def test_what_is_right_is_not_blamed(ideal: Ideal) -> None:
    """Deliveries of every kind, and no violation."""
    assert {delivery.kind for delivery in ideal.deliveries} == {"new", "duplicate", "conflict", "poison"}
    assert {r.letter.reason for r in ideal.records[DLQ] if r.letter} >= {"conflict", "foreign_partition", "null_value"}
    assert found(ideal.deliveries, ideal.records) == []


def lost(records: list[Seen]) -> list[Seen]:
    return records[:-20] + records[-19:]


def lost_last(records: list[Seen]) -> list[Seen]:
    return records[:-1]


def doubled(records: list[Seen]) -> list[Seen]:
    again = records[40]
    last = max(record.at for record in records if record.at.partition == again.at.partition)
    return [*records, replace(again, at=last._replace(offset=last.offset + 1))]


def swapped(records: list[Seen]) -> list[Seen]:
    one, two = [r for r in records if (r.key, r.at.partition) == (records[0].key, records[0].at.partition)][:2]
    rest = [r for r in records if r not in (one, two)]
    return [replace(one, at=two.at), replace(two, at=one.at), *rest]


def changed(records: list[Seen]) -> list[Seen]:
    return [replace(records[0], digest=b"other", sha256="other"), *records[1:]]


def retimed(records: list[Seen]) -> list[Seen]:
    return [replace(records[0], timestamp_ms=records[0].timestamp_ms + 1), *records[1:]]


# The order of letters says nothing: they name their sources.
BREACHES = [
    (topic, breach)
    for topic in TOPICS
    for breach in (lost, lost_last, doubled, swapped, changed)
    if (topic, breach) != (DLQ, swapped)
] + [(GOLD, retimed), (DLQ, retimed)]


@pytest.mark.parametrize(("topic", "breach"), BREACHES)
def test_a_breach_of_any_topic_is_found(ideal: Ideal, topic: str, breach: Callable[[list[Seen]], list[Seen]]) -> None:
    """A record lost, doubled, moved before its neighbour, or changed; where, is said."""
    violations = found(ideal.deliveries, {**ideal.records, topic: breach(ideal.records[topic])})
    assert violations
    assert all(str(violation.at) and violation.expected != violation.found for violation in violations)


def relabelled(ideal: Ideal, reason: str, changes: Mapping[str, object]) -> list[Violation]:
    """What is found when the first letter of a reason says something else."""
    letters = ideal.records[DLQ]
    at = next(n for n, record in enumerate(letters) if record.letter and record.letter.reason == reason)
    said = letters[at].letter
    assert said
    told = replace(letters[at], letter=replace(said, **changes))  # type: ignore[arg-type]
    return found(ideal.deliveries, {**ideal.records, DLQ: [*letters[:at], told, *letters[at + 1 :]]})


@pytest.mark.parametrize("winner", [None, f"{GOLD}[0]@99999", f"{GOLD}[0]@0"])
def test_a_wrong_winner_is_found(ideal: Ideal, winner: str | None) -> None:
    """None, one that does not exist, one of another id."""
    assert relabelled(ideal, "conflict", {"winner": winner})


def test_a_wrong_reason_is_found(ideal: Ideal) -> None:
    """Poison must be refused for what is wrong with it."""
    (violation,) = relabelled(ideal, "null_value", {"reason": "bad_magic"})
    assert (violation.expected, violation.found) == ("silver to say null_value", "bad_magic")


def test_a_valid_record_that_was_refused_is_found(ideal: Ideal) -> None:
    """All counts may agree: it is missing in silver, and nobody expected a letter."""
    silver = SILVERS[0]
    victim = ideal.records[BRONZES[0]][0]
    went = next(r for r in ideal.records[silver] if r.digest == victim.digest)
    letter = Seen(Place(DLQ, 0, 10**6), victim.key, victim.digest, victim.sha256)
    letter = replace(letter, letter=Letter(victim.at, "silver", "bad_magic", None))
    without = [record for record in ideal.records[silver] if record is not went]
    violations = found(ideal.deliveries, {**ideal.records, silver: without, DLQ: [*ideal.records[DLQ], letter]})
    assert Violation(victim.at, "silver to say None", "bad_magic") in violations


def test_a_delivery_that_nobody_logged_is_found(ideal: Ideal) -> None:
    """Bronze may hold nothing but what its writer knows of."""
    (violation, *_) = found(ideal.deliveries[:-1], ideal.records)
    assert violation.at == ideal.deliveries[-1].at
