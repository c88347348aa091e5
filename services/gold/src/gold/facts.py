"""The facts of a symbol's newest trades, by which a repeat is told from a conflict, as fingerprints."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from k2_shared.core.layout import Longs

Prints = npt.NDArray[np.uint64]
Entries = npt.NDArray[np.void]

ENTRY = np.dtype([("trade_id", "<i8"), ("print", "<u8"), ("offset", "<i8")])
SEGMENT = 256
_NONE: Entries = np.empty(0, ENTRY)


def fingerprints(price: Longs, quantity: Longs, side: Longs) -> Prints:
    """A 64-bit hash of each trade's facts, the same on every machine for ever: it is kept in checkpoints."""
    found: Prints = np.zeros(len(price), np.uint64)
    for column in (price, quantity, side):
        found = _mixed(found + column.astype(np.uint64))
    return found


def _mixed(value: Prints) -> Prints:
    """One step of splitmix64 (Steele, Lea and Flood 2014); array arithmetic wraps."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def entries(trade_ids: Longs, prints: Prints, offsets: Longs) -> Entries:
    """Entries of trades that stand in gold at these offsets."""
    made = np.empty(len(trade_ids), ENTRY)
    made["trade_id"], made["print"], made["offset"] = trade_ids, prints, offsets
    return made


def find(known: Longs, wanted: Longs) -> Longs:
    """Where each wanted id is among the known ones, which are distinct; -1 where it is not."""
    hits = np.flatnonzero(np.isin(known, wanted))
    if not len(hits):
        return np.full(len(wanted), -1, np.int64)
    hits = hits[np.argsort(known[hits])]
    place = np.searchsorted(known[hits], wanted).clip(max=len(hits) - 1)
    return np.where(known[hits][place] == wanted, hits[place], -1)


@dataclass(slots=True)
class Recent:
    """The newest entries of one symbol, in the order in which gold took them.

    They are numbered from 0 for ever and kept in whole segments, so that what is dropped depends on how many there
    were and not on when it was checkpointed; ``first`` is the number of the oldest.
    """

    keep: int
    first: int = 0
    kept: Entries = field(default_factory=_NONE.copy)
    _clean: int = 0  # all before this number stand in the checkpoints
    _written: int = 0  # the lowest segment that stands there

    def extend(self, new: Entries) -> None:
        """Add the next entries, and drop the oldest segments as long as ``keep`` entries are left."""
        self.kept = np.concatenate([self.kept, new])
        spare = max(0, (len(self.kept) - self.keep) // SEGMENT) * SEGMENT
        self.kept = self.kept[spare:]
        self.first += spare

    def changed(self) -> dict[int, bytes | None]:
        """The segments that differ from the checkpoints, None for those to delete; they count as written now."""
        end = self.first + len(self.kept)
        lowest, newest = self.first // SEGMENT, max(self._clean, self.first) // SEGMENT
        found: dict[int, bytes | None] = dict.fromkeys(range(self._written, min(lowest, -(-self._clean // SEGMENT))))
        if self._clean < end:
            found |= {number: self._segment(number) for number in range(newest, (end - 1) // SEGMENT + 1)}
        self._clean, self._written = end, lowest
        return found

    def _segment(self, number: int) -> bytes:
        start = number * SEGMENT - self.first
        return self.kept[start : start + SEGMENT].tobytes()

    def load(self, segments: dict[int, bytes]) -> None:
        """Take in the segments of the checkpoints."""
        self._written = min(segments)
        self.first = self._written * SEGMENT
        self.extend(np.concatenate([np.frombuffer(segments[number], ENTRY) for number in sorted(segments)]))
        self._clean = self.first + len(self.kept)
