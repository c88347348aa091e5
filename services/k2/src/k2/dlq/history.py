"""What became of letters since they were refused first: replays, and refusals of replays. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from k2.dlq.letter import Letter, LetterId, Place
from k2.dlq.replays import Replay

State = Literal["waiting", "replayed", "refused_again"]
"""Never replayed; replayed and not refused since: through, or on its way; replayed, and refused once more."""

OffsetRanges = Mapping[int, range]
"""The offsets that each partition has."""


@dataclass(slots=True)
class History:
    """The replays of one letter: the first and the last of them that were refused, and the last that was sent."""

    first_refused: tuple[int, Place] | None = None
    last_refused: tuple[int, Place] | None = None
    replay: Replay | None = None

    def refuse(self, refusal: tuple[int, Place]) -> None:
        """Take in a refusal: of which attempt, and where it lies."""
        self.first_refused = min(self.first_refused or refusal, refusal)
        self.last_refused = max(self.last_refused or refusal, refusal)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a letter stands: its attempts, refused or not, what became of the last one, and its last replay if known."""

    attempts: int
    state: State
    replay: Replay | None = None
    last_refused: Place | None = None


class Histories:
    """The histories of all letters of a topic that were ever replayed; of others there is none.

    It takes memory for each letter that was replayed, and none for the others.
    """

    def __init__(self, topic_id: str, ranges: OffsetRanges) -> None:
        self._topic_id = topic_id
        self._ranges = ranges
        self._found: dict[LetterId, History] = {}

    def id_of(self, letter: Letter) -> LetterId:
        """Which letter this is, or is an attempt of; one that names no letter that may ever have been is its own."""
        first = letter.first
        return first if first and self._may_have_been(first) else LetterId(letter.place, self._topic_id)

    def _may_have_been(self, first: LetterId) -> bool:
        if first.topic_id != self._topic_id:
            return True
        span = self._ranges.get(first.place.partition)
        return span is not None and first.place.offset < span.stop

    def take(self, letter: Letter) -> bool:
        """Take in a refusal; whether no other refusal is known by which its letter is counted."""
        of = self.id_of(letter)
        if of.place == letter.place and of.topic_id == self._topic_id:
            return True
        history = self._found.setdefault(of, History())
        is_first = history.first_refused is None
        history.refuse((letter.attempt, letter.place))
        return is_first and not self._is_there(of)

    def note(self, letter: LetterId, replay: Replay | None) -> None:
        """Take in a replay, of several the last counts; None forgets what was noted before."""
        self._found.setdefault(letter, History()).replay = replay

    def is_letter(self, letter: Letter) -> bool:
        """Whether a refusal is a letter's first, or the first of which Kafka still has the record."""
        of = self.id_of(letter)
        if of.place == letter.place and of.topic_id == self._topic_id:
            return True
        first = self._found.get(of, History()).first_refused
        return not self._is_there(of) and first == (letter.attempt, letter.place)

    def _is_there(self, letter: LetterId) -> bool:
        span = self._ranges.get(letter.place.partition, range(0))
        return letter.topic_id == self._topic_id and letter.place.offset in span

    def standing(self, letter: Letter) -> Standing:
        """How the letter stands that this is, or is an attempt of."""
        of = self.id_of(letter)
        history = self._found.get(of, History())
        refused, place = max(history.last_refused or (0, letter.place), (letter.attempt, letter.place))
        again = history.last_refused is not None
        if history.replay and history.replay.attempt > refused:
            return Standing(history.replay.attempt, "replayed", history.replay, place if again else None)
        return Standing(refused, "refused_again" if again else "waiting", history.replay, place if again else None)

    def gone(self) -> Iterable[LetterId]:
        """Replayed letters of which Kafka has no record any more."""
        replayed = (of for of, found in self._found.items() if found.replay and not found.last_refused)
        return [of for of in replayed if not self._is_there(of)]
