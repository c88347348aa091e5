"""Gold's processor: every trade goes on once, however often it comes; the state is exact and never expires."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import compress

import numpy as np

from gold.facts import entries
from gold.reading import Reader, Rows
from gold.state import Deduplication, Symbol
from k2_shared.core.errors import Halt, InvalidRecord
from k2_shared.core.layout import Flags, Longs
from k2_shared.core.records import ByTopic, Consumed, Outgoing, RecordBatch, WrittenOffsets
from k2_shared.core.trade import Exchange, record_key
from k2_shared.kafka.dlq import Refuser
from k2_shared.kafka.topics import DLQ, GOLD, STATE
from k2_shared.stages.processor import Latest, Outcome, Processor, Stamp, StateSize

_VERSION = "v1"


@dataclass(frozen=True, slots=True)
class Conflict:
    """A record whose id gold has with another price, quantity or side; ``row`` is its place in the batch."""

    row: int
    record: Consumed
    winner: int  # the gold offset, or -1 - the row in the same batch


@dataclass(frozen=True, slots=True)
class Staged:
    """The changes of the state that a processed batch will make once it is written."""

    rows: Rows
    new: Flags
    conflicts: list[Conflict]


class GoldProcessor(Processor):
    """Deduplicates the records of one input partition, which are of one exchange."""

    def __init__(self, exchange: Exchange, reader: Reader, winner: str, compared_ids: int) -> None:
        self._exchange = exchange
        self._reader = reader
        self._winner = winner
        self._compared_ids = compared_ids
        self.symbols: dict[str, Symbol] = {}
        self._staged: Staged | None = None
        self._refuser = Refuser("gold", "gold")

    def process(self, batch: RecordBatch) -> Outcome:
        """Forward each trade that gold does not have; a repeat with other facts is refused as a conflict."""
        rows = self._reader.read(batch)
        new, conflicts, uncompared = np.zeros(len(batch), np.bool_), list[Conflict](), 0
        for of, result in self._deduplicated(rows):
            new[of] = result.new
            uncompared += result.uncompared
            conflicts += _conflicts(batch, of, result)
        self._staged = Staged(rows, new, conflicts)
        kept = batch if new.all() else list(compress(batch, new))
        refused = sorted([*rows.refused, *(conflict.row for conflict in conflicts)])
        letters = [self._refuser.refuse(batch[row], error) for row, error in sorted(rows.refused.items())]
        rejected = Counter(error.reason for error in rows.refused.values())
        if conflicts:
            rejected["conflict"] = len(conflicts)
        duplicates = len(batch) - len(kept) - len(refused)
        return Outcome({GOLD: kept, DLQ: letters}, rejected, refused, duplicates, uncompared, rows.event_us)

    def _deduplicated(self, rows: Rows) -> list[tuple[Longs, Deduplication]]:
        found = []
        for code, name in enumerate(rows.symbols):
            of = rows.of(code)
            if len(of):
                found.append((of, self._symbol(name).judge(rows.trade_id[of], rows.prints[of])))
        return found

    def _symbol(self, name: str) -> Symbol:
        if name not in self.symbols:
            self.symbols[name] = Symbol(name, self._compared_ids)
        return self.symbols[name]

    def accept(self, offsets: Mapping[str, WrittenOffsets]) -> ByTopic:
        """Remember the trades that gold has now; returns the conflicts' letters, which name gold's offset."""
        staged, self._staged = self._staged, None
        if staged is None:
            return {}
        at = np.full(len(staged.new), -1, np.int64)
        if GOLD in offsets:
            at[staged.new] = offsets[GOLD]
        self._add(staged.rows, staged.new, at)
        return {DLQ: [self._letter(conflict, at) for conflict in staged.conflicts]}

    def _add(self, rows: Rows, new: Flags, at: WrittenOffsets) -> None:
        for code, name in enumerate(rows.symbols):
            of = np.flatnonzero(new & (rows.symbol == code))
            if len(of):
                self._symbol(name).add(entries(rows.trade_id[of], rows.prints[of], at[of]))

    def _letter(self, conflict: Conflict, at: WrittenOffsets) -> Outgoing:
        offset = conflict.winner if conflict.winner >= 0 else int(at[-1 - conflict.winner])
        winner = f"{self._winner}@{offset}"
        error = InvalidRecord("conflict", f"another price, quantity or side than {winner}")
        return self._refuser.refuse(conflict.record, error, winner=winner)

    def restore(self, batch: RecordBatch) -> None:
        """Remember this exchange's trades as gold's topic has them; what is no trade there is passed over."""
        own = [record for record in batch if (record.key or b"").startswith(record_key(self._exchange, ""))]
        if not own:
            return
        rows = self._reader.read(own)
        new = np.zeros(len(own), np.bool_)
        for of, result in self._deduplicated(rows):
            new[of] = result.new
        self._add(rows, new, np.fromiter((record.offset for record in own), np.int64, len(own)))

    def checkpoint(self, stamp: Stamp) -> ByTopic:
        """Return what changed since the last checkpoint, and the stamp of this one, as records of the state topic."""
        changes = {name: value for symbol in self.symbols.values() for name, value in symbol.changes().items()}
        changes[f"stamp/{self._exchange}"] = json.dumps(asdict(stamp)).encode()
        now = time.time_ns() // 1_000_000
        records = [Outgoing(STATE, f"{_VERSION}/{name}".encode(), value, now, ()) for name, value in changes.items()]
        return {STATE: records}

    def load(self, latest: Latest) -> Stamp:
        """Restore the state from this exchange's checkpoints; returns the offsets that they cover, 0 without any.

        Raises:
            Halt: a part of them is gone; says of which symbols.
        """
        chunks: dict[str, list[bytes]] = {}
        segments: dict[str, dict[int, bytes]] = {}
        for key, value in latest.items():
            _, kind, name = key.decode().split("/", 2)
            symbol, _, number = name.rpartition("/")
            if not symbol.startswith(f"{self._exchange}:"):
                continue
            if kind == "ids":
                chunks.setdefault(symbol, []).append(value)
            elif kind == "facts":
                segments.setdefault(symbol, {})[int(number)] = value
        if cut := sorted(chunks.keys() - segments.keys()):
            raise Halt(
                f"the checkpoints hold ids and no facts of {', '.join(cut)}: records of {STATE} were deleted; "
                "delete all of them, then gold learns again from its own topic"
            )
        for symbol in chunks:
            self._symbol(symbol).load(chunks[symbol], segments[symbol])
        stamp = latest.get(f"{_VERSION}/stamp/{self._exchange}".encode())
        return Stamp(**json.loads(stamp)) if stamp else Stamp(0, 0)

    def size(self) -> StateSize:
        """The number of ids, and the bytes of their bitmaps as of the last checkpoint."""
        symbols = self.symbols.values()
        return StateSize(sum(len(s.ids) for s in symbols), sum(s.bytes for s in symbols))

    def digest(self) -> str:
        """A hash over every symbol's ids and facts."""
        symbols = [self.symbols[name] for name in sorted(self.symbols)]
        return hashlib.sha256(b"".join(symbol.digest() for symbol in symbols if symbol.ids)).hexdigest()


def _conflicts(batch: RecordBatch, of: Longs, result: Deduplication) -> list[Conflict]:
    found = []
    for place in np.flatnonzero(result.conflict).tolist():
        row, winner = int(of[place]), int(result.winner[place])
        found.append(Conflict(row, batch[row], winner if winner >= 0 else -1 - int(of[-1 - winner])))
    return found
