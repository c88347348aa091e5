"""Which letters are replayed, and what is said of the others.

A letter is replayed once, unless it is ordered again: what became of each is known before the first is sent.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced

from k2.dlq.changes import nothing_changed
from k2.dlq.history import Histories, Standing
from k2.dlq.letter import Letter, LetterId, Place
from k2.dlq.transform import Transform
from k2_shared.core.errors import ConfigError, Halt, InvalidRecord, Unavailable
from k2_shared.core.records import Outgoing
from k2_shared.core.times import iso

TRANSFORM = "transform"
_REPLAYED = ("replayed", "refused_again")


@dataclass(frozen=True, slots=True)
class Order:
    """How letters are replayed: repaired by what, those that were replayed before too, and how many at most."""

    transform: Transform = field(default_factory=Transform)
    again: bool = False
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Parcel:
    """One letter on its way: from which place, to where, as which attempt, and what is written."""

    place: Place
    letter: LetterId
    to: TopicPartition
    attempt: int
    record: Outgoing

    def shown(self) -> dict[str, Any]:
        """For machines."""
        return {"at": str(self.place), "to": self.to.topic, "partition": self.to.partition, "attempt": self.attempt}

    def __str__(self) -> str:
        return f"{self.place} -> {self.to.topic}[{self.to.partition}], attempt {self.attempt}"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A letter that is not sent: ``why`` is its state where it was replayed before, TRANSFORM, or a reason's code."""

    place: Place
    why: str
    detail: str

    def shown(self) -> dict[str, Any]:
        """For machines."""
        return {"at": str(self.place), "skipped": self.why, "detail": self.detail}

    def __str__(self) -> str:
        return f"{self.place} is skipped: {self.detail}"


Fate = Parcel | Skipped
Deliver = Callable[[Sequence[Fate]], Awaitable[None]]


@dataclass
class Counts:
    """What became of the selected letters; ``refusals`` has a sentence for each reason.

    ``unchanged`` counts by reason those that were sent although nothing is known to have changed since their refusal.
    """

    selected: int = 0
    sent: int = 0
    replayed_before: int = 0
    skipped_by_transform: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    refusals: dict[str, str] = field(default_factory=dict)
    unchanged: Counter[str] = field(default_factory=Counter)

    def add(self, fate: Fate) -> None:
        """Count a letter; what is sent is counted when it is delivered."""
        self.selected += 1
        if isinstance(fate, Parcel):
            return
        if fate.why in _REPLAYED:
            self.replayed_before += 1
        elif fate.why == TRANSFORM:
            self.skipped_by_transform += 1
        else:
            self.refused[fate.why] += 1
            self.refusals.setdefault(fate.why, f"letter {fate.place}: {fate.detail}")

    @property
    def all_refused(self) -> bool:
        """Whether there were letters, and none of them can go anywhere."""
        return 0 < self.selected == self.refused.total()

    def shown(self) -> dict[str, int | dict[str, int]]:
        """The numbers, for machines."""
        return {
            "selected": self.selected,
            "sent": self.sent,
            "replayed_before": self.replayed_before,
            "skipped_by_transform": self.skipped_by_transform,
            "refused": dict(self.refused),
            "unchanged": dict(self.unchanged),
        }


async def replay(
    batches: AsyncGenerator[Sequence[Letter]], histories: Histories, order: Order, deliver: Deliver
) -> Counts:
    """Decide and deliver batch by batch; of a batch whose transform fails nothing is sent.

    Raises:
        ConfigError: the transform failed.
        Halt: another replay has taken over, or a letter is larger than its topic takes.
        Unavailable: the broker failed.
    """
    counts = Counts()
    try:
        async with aclosing(batches):
            async for batch in batches:
                fates = list(_fates(batch, histories, order, counts))
                await deliver(fates)
                counts.sent += sum(isinstance(fate, Parcel) for fate in fates)
                if counts.sent == order.limit:
                    break
    except (ConfigError, Halt, Unavailable) as error:
        raise type(error)(f"{error}; {counts.sent} letters were sent before, in whole batches") from error
    except ProducerFenced:
        raise Halt(f"another 'k2 dlq replay' has taken over; {counts.sent} letters were sent before") from None
    except (KafkaError, TimeoutError) as error:
        after = f"after {counts.sent} letters: replay again, it goes on with those that were not sent"
        raise Unavailable(f"the broker failed ({error!r}) {after}") from error
    return counts


def _fates(batch: Sequence[Letter], histories: Histories, order: Order, counts: Counts) -> Iterator[Fate]:
    """What becomes of a batch, up to the limit of what is sent."""
    left = None if order.limit is None else order.limit - counts.sent
    for letter in batch:
        if left == 0:
            return
        fate = _fate(letter, histories, order, counts)
        counts.add(fate)
        if left is not None and isinstance(fate, Parcel):
            left -= 1
        yield fate


def _fate(letter: Letter, histories: Histories, order: Order, counts: Counts) -> Fate:
    standing = histories.standing(letter)
    if standing.state in _REPLAYED and not order.again:
        return Skipped(letter.place, standing.state, replayed(standing))
    sent = order.transform(letter)
    if sent is None:
        return Skipped(letter.place, TRANSFORM, "the transform leaves it")
    of = histories.id_of(letter)
    try:
        record, to = sent.outgoing(of, standing.attempts), sent.destination()
    except InvalidRecord as error:
        return Skipped(letter.place, error.reason, error.detail)
    if nothing_changed(letter, sent):
        counts.unchanged[letter.reason] += 1
    return Parcel(letter.place, of, to, standing.attempts + 1, record)


def replayed(standing: Standing) -> str:
    """What is known of the replays of a letter, in words."""
    found, again = standing.replay, standing.last_refused
    said = f"attempt {standing.attempts}"
    if found and found.attempt == standing.attempts:
        by = f" by {found.transform}" if found.transform else ""
        said = f"replayed{by} {iso(found.at, 'milliseconds')} as attempt {found.attempt}"
    return f"{said}, refused again at {again}" if standing.state == "refused_again" else f"{said}, not refused since"
