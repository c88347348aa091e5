"""The invariants of a drained pipeline, checked delivery by delivery; each violation names its record."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from tests.faults.deliveries import Delivery, Place
from tests.faults.observed import BRONZES, SILVERS, Letter, Seen
from tests.faults.reference import REFUSED, ExpectedVerdict, verdicts

from k2_shared.kafka.topics import DLQ, EXCHANGES, GOLD, SILVER, Names


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken, and where."""

    at: Place | str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.at}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True)
class World:
    """What was delivered, and every committed record of the topics by the contract's name, in order."""

    names: Names
    deliveries: Sequence[Delivery]
    records: Mapping[str, Sequence[Seen]]

    @cached_property
    def by_place(self) -> Mapping[Place, Seen]:
        """Every record by where it stands."""
        return {record.at: record for records in self.records.values() for record in records}

    @cached_property
    def letters(self) -> Mapping[Place, tuple[Seen, Letter]]:
        """Every dead letter by its source."""
        return {r.letter.source: (r, r.letter) for r in self.records[DLQ] if r.letter}

    @cached_property
    def silver(self) -> Sequence[Seen]:
        """Both venues' silver records, each partition in order."""
        return [record for topic in SILVERS for record in self.records[topic]]

    @cached_property
    def verdicts(self) -> Mapping[Place, ExpectedVerdict]:
        """What gold must decide on each silver record."""
        return verdicts(self.silver, self.names.contract(self.names.topic(GOLD)).partitions)

    def accepted(self) -> set[str]:
        """The ids of gold."""
        return {record.facts.message_id for record in self.records[GOLD]}


def verify(world: World) -> list[Violation]:
    """Everything that does not hold; empty when all does."""
    checks = (bronze, letters, silver_refusals, silver, gold_refusals, gold, winners, totals, offered)
    return [violation for check in checks for violation in check(world)]


def bronze(world: World) -> Iterator[Violation]:
    """Bronze holds exactly what its writer's log says."""
    logged = {delivery.at: delivery.sha256 for delivery in world.deliveries}
    stored = {record.at: record.sha256 for topic in BRONZES for record in world.records[topic]}
    for at in sorted(logged.keys() | stored.keys()):
        if logged.get(at) != stored.get(at):
            yield Violation(at, f"the value {logged.get(at)}", str(stored.get(at)))


def letters(world: World) -> Iterator[Violation]:
    """Each dead letter is its source, untouched, and no source has two."""
    counted = Counter(r.letter.source for r in world.records[DLQ] if r.letter)
    for at, count in counted.items():
        if count > 1:
            yield Violation(at, "one dead letter", f"{count}")
    for at, (record, _) in world.letters.items():
        source = world.by_place.get(at)
        if source is None or _untouched(source) != _untouched(record):
            yield Violation(record.at, f"the record of {at}, untouched", "another" if source else "no such record")


def silver_refusals(world: World) -> Iterator[Violation]:
    """Silver refused exactly the poison, each for its own reason."""
    wanted = {d.at: d.refusal.reason for d in world.deliveries if d.refusal and d.refusal.stage == "silver"}
    yield from _refusals(world, "silver", wanted)


def gold_refusals(world: World) -> Iterator[Violation]:
    """Gold refused exactly what the reference refuses."""
    wanted = {at: str(verdict) for at, verdict in world.verdicts.items() if verdict in REFUSED}
    yield from _refusals(world, "gold", wanted)


def _refusals(world: World, stage: str, wanted: Mapping[Place, str]) -> Iterator[Violation]:
    refused = {at: said.reason for at, (_, said) in world.letters.items() if said.stage == stage}
    for at in sorted(wanted.keys() | refused.keys()):
        if wanted.get(at) != refused.get(at):
            yield Violation(at, f"{stage} to say {wanted.get(at)}", str(refused.get(at)))


def silver(world: World) -> Iterator[Violation]:
    """Silver is bronze in order, without what silver refused."""
    for source, target in zip(BRONZES, SILVERS, strict=True):
        kept = [r for r in world.records[source] if r.at not in world.letters]
        yield from _same_by_partition(kept, world.records[target], _digest)


def gold(world: World) -> Iterator[Violation]:
    """Gold holds, of each venue and in order, the first occurrence of each id in silver."""
    for exchange in EXCHANGES:
        first = [r for r in world.records[SILVER.format(exchange=exchange.lower())] if world.verdicts[r.at] == "new"]
        found = [r for r in world.records[GOLD] if r.facts.message_id.startswith(f"{exchange}:")]
        yield from _same_by_partition(first, found, _untouched)


def winners(world: World) -> Iterator[Violation]:
    """Each conflict names the gold record that won, and that has the same id."""
    in_gold = {str(record.at): record.facts.message_id for record in world.records[GOLD]}
    for at, (record, said) in world.letters.items():
        if said.stage == "gold" and said.reason == "conflict" and at in world.by_place:
            lost = world.by_place[at].facts.message_id
            if in_gold.get(said.winner or "") != lost:
                yield Violation(record.at, f"a winner with the id {lost}", f"{said.winner}")


def totals(world: World) -> Iterator[Violation]:
    """By delivery, silver and its letters make bronze; gold, its letters and the duplicates make silver."""
    refused = Counter(said.stage for _, said in world.letters.values())
    decided = Counter(world.verdicts.values())
    sizes = {topic: len(records) for topic, records in world.records.items()}
    arrived = sum(sizes[topic] for topic in BRONZES)
    if arrived != len(world.silver) + refused["silver"]:
        yield Violation("bronze", f"{arrived} records", f"{len(world.silver)} in silver, {refused['silver']} refused")
    went_on = sizes[GOLD] + refused["gold"] + decided["duplicate"]
    if len(world.silver) != went_on:
        yield Violation("silver", f"{len(world.silver)} records", f"{went_on} in gold, refused or duplicates")


def offered(world: World) -> Iterator[Violation]:
    """Gold holds each valid id that was offered, and no other."""
    wanted = {delivery.message_id for delivery in world.deliveries if delivery.message_id}
    for missing in sorted(wanted - world.accepted()):
        yield Violation(missing, "this id in gold", "nothing")
    for alien in sorted(world.accepted() - wanted):
        yield Violation(alien, "nothing", "this id in gold, which nobody offered")


def _digest(record: Seen) -> bytes:
    """What stays in silver, whose topics take the broker's time."""
    return record.digest


def _untouched(record: Seen) -> tuple[bytes, int]:
    """What stays everywhere else."""
    return record.digest, record.timestamp_ms


def _same_by_partition(
    wanted: Sequence[Seen], found: Sequence[Seen], kept: Callable[[Seen], object]
) -> Iterator[Violation]:
    for partition in sorted({record.at.partition for record in (*wanted, *found)}):
        ours = [record for record in wanted if record.at.partition == partition]
        theirs = [record for record in found if record.at.partition == partition]
        yield from _same(ours, theirs, kept)


def _same(wanted: Sequence[Seen], found: Sequence[Seen], kept: Callable[[Seen], object]) -> Iterator[Violation]:
    """The first place where two sequences part."""
    for ours, theirs in zip(wanted, found, strict=False):
        if kept(ours) != kept(theirs):
            yield Violation(theirs.at, f"the record of {ours.at}", f"another, sha256 {theirs.sha256}")
            return
    for lost in wanted[len(found) : len(found) + 1]:
        yield Violation(lost.at, "its record to go on", f"nothing after {len(found)} records")
    for extra in found[len(wanted) : len(wanted) + 1]:
        yield Violation(extra.at, f"nothing after {len(wanted)} records", f"a record, sha256 {extra.sha256}")
