"""Gold's state of one EXCHANGE:SYMBOL, and its records in a checkpoint."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from pyroaring import BitMap64

from gold.facts import Entries, Prints, Recent, find
from k2_shared.core.layout import Flags, Longs

CHUNK = 1 << 18
"""How many ids one record of a checkpoint covers: about a kilobyte with 0.1% holes."""

Changes = dict[str, bytes | None]
"""Records of a checkpoint by ``ids/SYMBOL/CHUNK`` and ``facts/SYMBOL/SEGMENT``; None deletes."""


@dataclass(frozen=True, slots=True)
class Deduplication:
    """What a batch's ids of one symbol are, by row: ``new`` go to gold, repeats with other facts are a ``conflict``.

    ``winner`` is, for a conflict, the gold offset of the first; or, where that is in the same batch, -1 - its place
    there. ``uncompared`` repeats are older than what is kept of facts.
    """

    new: Flags
    conflict: Flags
    winner: Longs
    uncompared: int


class Symbol:
    """The trade ids of one symbol that are in gold, exact for ever, and the facts of the newest."""

    def __init__(self, name: str, compared_ids: int) -> None:
        self.name = name
        self.ids = BitMap64()
        self.recent = Recent(compared_ids)
        self.bytes = 0
        self._changed: set[int] = set()

    def judge(self, trade_ids: Longs, prints: Prints) -> Deduplication:
        """Tell new ids from repeats, of gold or earlier in the batch, and repeats from conflicts; changes no state."""
        batch = BitMap64(trade_ids.tolist())
        known = batch & self.ids
        new = np.ones(len(trade_ids), np.bool_)
        if known:
            new &= ~np.isin(trade_ids, np.array(known, np.int64))
        if len(batch) < len(trade_ids):
            new &= _first(trade_ids)
        if new.all():
            return Deduplication(new, ~new, np.zeros(len(new), np.int64), 0)
        return self._compared(trade_ids, prints, new)

    def _compared(self, trade_ids: Longs, prints: Prints, new: Flags) -> Deduplication:
        fresh, repeats = np.flatnonzero(new), np.flatnonzero(~new)
        kept = self.recent.kept
        known = np.concatenate([kept["trade_id"], trade_ids[fresh]])
        known_prints = np.concatenate([kept["print"], prints[fresh]])
        winners = np.concatenate([kept["offset"], -1 - fresh])
        place = find(known, trade_ids[repeats])
        differs = (place >= 0) & (known_prints[place] != prints[repeats])
        conflict, winner = np.zeros(len(new), np.bool_), np.zeros(len(new), np.int64)
        conflict[repeats], winner[repeats] = differs, winners[place]
        return Deduplication(new, conflict, winner, int((place < 0).sum()))

    def add(self, new: Entries) -> None:
        """Remember trades that were written to gold."""
        trade_ids = new["trade_id"]
        self.ids.update(trade_ids.tolist())
        self._changed.update(np.unique(trade_ids // CHUNK).tolist())
        self.recent.extend(new)

    def changes(self) -> Changes:
        """Return the records that differ from the last checkpoint; they count as written with this call."""
        facts = self.recent.changed()
        found: Changes = {f"facts/{self.name}/{number}": value for number, value in facts.items()}
        for chunk in sorted(self._changed):
            found[f"ids/{self.name}/{chunk}"] = self._chunk(chunk)
        if self._changed:
            self.ids.run_optimize()
            self.bytes = len(self.ids.serialize())
        self._changed.clear()
        return found

    def _chunk(self, number: int) -> bytes:
        part = self.ids & BitMap64(range(number * CHUNK, (number + 1) * CHUNK))
        part.run_optimize()
        return bytes(part.serialize())

    def load(self, chunks: Iterable[bytes], segments: dict[int, bytes]) -> None:
        """Restore the symbol from its records in the checkpoints."""
        for chunk in chunks:
            self.ids |= BitMap64.deserialize(chunk)
        self.recent.load(segments)
        self.bytes = len(self.ids.serialize())

    def digest(self) -> bytes:
        """A hash of the symbol's ids and facts."""
        self.ids.run_optimize()
        parts = (self.name.encode(), self.ids.serialize(), b"%d" % self.recent.first, self.recent.kept.tobytes())
        return hashlib.sha256(b"\0".join(parts)).digest()


def _first(trade_ids: Longs) -> Flags:
    """Which ids are the first of their value in the batch."""
    _, places = np.unique(trade_ids, return_index=True)
    first = np.zeros(len(trade_ids), np.bool_)
    first[places] = True
    return first
