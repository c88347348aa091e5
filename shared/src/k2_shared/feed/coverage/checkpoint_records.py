"""The records of one feed in the coverage topic: their keys, how they are written and read; no I/O."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import msgspec

from k2_shared.core.errors import InvalidRecord
from k2_shared.core.logs import logger
from k2_shared.core.records import Outgoing
from k2_shared.core.trade import Exchange, record_key
from k2_shared.feed.coverage.checkpoint import Checkpoint, Saved, head, save, whole
from k2_shared.feed.coverage.coverage import Coverage
from k2_shared.feed.coverage.feed_records import now_us
from k2_shared.kafka.topics import COVERAGE

NOBODY = ""
_IGNORED = "feed_record_ignored"
_ATTEMPTS, _CHUNKS = "attempts", "gaps"
_MADE = msgspec.json.Decoder(list[float])

Values = Mapping[bytes, bytes]
"""The newest value of each key."""


class UnreadableRecords:
    """Counts records that cannot be read by reason, and logs those of a symbol, and the first of a reason."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def note(self, error: InvalidRecord, symbol: str = "") -> None:
        """Count a record that cannot be read, and log it."""
        if symbol or not self.counts[error.reason]:
            logger().warning(_IGNORED, reason=error.reason, detail=error.detail, symbol=symbol or None)
        self.counts[error.reason] += 1


@dataclass(frozen=True)
class CheckpointRecords:
    """The records of one feed; each instance has connection attempts and records of gaps of its own."""

    exchange: Exchange
    service: str
    instance: str

    def key(self, symbol: str) -> bytes:
        """The key of a symbol's checkpoints."""
        return f"{self.service}/".encode() + record_key(self.exchange, symbol)

    @property
    def attempts_key(self) -> bytes:
        """The key of this instance's connection attempts."""
        return f"{self.service}/{_ATTEMPTS}/{self.instance}".encode()

    def _chunk_key(self, name: str) -> bytes:
        return f"{self.service}/{_CHUNKS}/{name}".encode()

    def checkpoint(self, symbol: str, coverage: Coverage, stamp: int) -> Outgoing:
        """The checkpoint of a symbol that begins, in one record; everything in it must be acknowledged."""
        return _outgoing(self.key(symbol), msgspec.json.encode(Checkpoint.of(coverage, stamp, [*coverage.gaps])))

    def saved(self, coverage: Coverage, stamp: int, durable: Collection[str] = ()) -> Saved:
        """A checkpoint's values; everything in the coverage must be acknowledged before they are written.

        Records of gaps whose names are ``durable`` are not written again.
        """
        return save(coverage, stamp, self.instance, durable)

    def records(self, symbol: str, saved: Saved) -> list[Outgoing]:
        """A checkpoint's records, in the order in which they must be written."""
        chunks = [_outgoing(self._chunk_key(name), value) for name, value in saved.new.items()]
        return [*chunks, _outgoing(self.key(symbol), saved.head)]

    def discarded(self, names: Iterable[str]) -> list[Outgoing]:
        """The tombstones of records of gaps that no checkpoint needs any more."""
        return [_outgoing(self._chunk_key(name), None) for name in names]

    def forgotten(self, symbol: str) -> Outgoing:
        """The tombstone of a symbol's checkpoint."""
        return _outgoing(self.key(symbol), None)

    def attempts(self, made: Iterable[float]) -> Outgoing:
        """The connection attempts that count against the venue's budget."""
        return _outgoing(self.attempts_key, msgspec.json.encode(list(made)))

    def read_checkpoints(self, values: Values, ignored: UnreadableRecords) -> dict[str, Checkpoint]:
        """Each symbol's checkpoint, with its gaps.

        Of one that cannot be read, as a newer version's, nothing is known, and of one whose gaps cannot be read only
        how the venue numbers: all of their ids are to be read from bronze.
        """
        prefix, found = self.key(""), dict[str, Checkpoint]()
        for key in [key for key in values if key.startswith(prefix)]:
            symbol, of = key.removeprefix(prefix).decode(), Checkpoint(stamp=0)
            try:
                of = head(values[key])
                found[symbol] = whole(of, lambda name: values.get(self._chunk_key(name)))
            except InvalidRecord as error:
                ignored.note(error, symbol)
                found[symbol] = of.without_ids()
        return found

    def read_attempts(self, values: Values, ignored: UnreadableRecords) -> list[float]:
        """This instance's connection attempts; none where they cannot be read."""
        try:
            return _MADE.decode(values.get(self.attempts_key, b"[]"))
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            ignored.note(InvalidRecord("unreadable_attempts", str(error)))
            return []

    def own_chunks(self, values: Values) -> dict[str, frozenset[str]]:
        """The names of this instance's records of gaps, by the symbol that needs them, or ``NOBODY``."""
        prefix, heads, rest = self.key(""), dict[str, frozenset[str]](), self._own(values)
        for key in [key for key in values if key.startswith(prefix)]:
            names = rest.intersection(_chunks(values[key]))
            if names:
                heads[key.removeprefix(prefix).decode()] = names
                rest -= names
        return {**heads, NOBODY: rest} if rest else heads

    def _own(self, values: Values) -> frozenset[str]:
        start = self._chunk_key(f"{self.instance}/")
        return frozenset(key.removeprefix(self._chunk_key("")).decode() for key in values if key.startswith(start))


def _chunks(value: bytes) -> list[str]:
    try:
        return head(value).chunks
    except InvalidRecord:  # noted where it is read
        return []


def _outgoing(key: bytes, value: bytes | None) -> Outgoing:
    return Outgoing(COVERAGE, key, value, now_us() // 1_000, ())
