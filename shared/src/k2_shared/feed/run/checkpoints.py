"""Writes the coverage of every symbol to Kafka, each when all that is in it is acknowledged."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from k2_shared.feed.coverage.checkpoint import Saved
from k2_shared.feed.coverage.checkpoint_records import NOBODY
from k2_shared.feed.coverage.coverage import Coverage
from k2_shared.feed.coverage.store import CoverageStore
from k2_shared.feed.publish.publisher import Publisher
from k2_shared.feed.publish.tracker import SymbolTracker

REPLAY_MAX = 10_000
"""Bronze records of a partition that a symbol's checkpoint may lie behind: what a start reads for it at most, and what
was written since the last checkpoints."""

Version = tuple[int, ...]


@dataclass(frozen=True)
class _Written:
    """A symbol's newest checkpoint: what it is of, its stamp, and this instance's records that it needs."""

    coverage: Coverage | None = None
    version: Version = ()
    stamp: int = 0
    chunks: frozenset[str] = frozenset()


@dataclass
class Checkpoints:
    """Writes the checkpoint of every symbol that has changed, or whose stamp is too old.

    ``ends`` are bronze offsets before this run wrote anything, and ``left`` the coverages of symbols that are kept
    and not captured. ``chunks`` are the names of this instance's records of gaps that were found: they are deleted when
    they are replaced. ``works`` is called when checkpoints were written.
    """

    publisher: Publisher
    store: CoverageStore
    tracker: SymbolTracker
    every_s: float
    ends: Mapping[int, int]
    chunks: Mapping[str, frozenset[str]]
    left: dict[str, Coverage]
    works: Callable[[], None]
    replay_max: int = REPLAY_MAX
    _written: dict[str, _Written] = field(default_factory=dict)
    _now: asyncio.Event = field(default_factory=asyncio.Event)

    def adopt(self) -> None:
        """Note which of the records of gaps that were found belong to symbols that are kept; before the first write."""
        ours = {NOBODY, *self._coverages()}
        self._written |= {symbol: _Written(chunks=names) for symbol, names in self.chunks.items() if symbol in ours}

    def checkpoint_now(self) -> None:
        """Have ``run`` write at once."""
        self._now.set()

    async def run(self) -> None:
        """Write every few seconds, and at once when asked to. Raises as ``write``."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.every_s):
                    await self._now.wait()
            self._now.clear()
            await self.write()
            self.works()

    async def write(self) -> None:
        """Write what is due; returns when it is durable.

        Raises:
            Unavailable: Kafka did not take it, or what it is about.
        """
        publisher, store = self.publisher, self.store
        due = self._due()
        await publisher.flush()
        now = self._coverages()
        still = {symbol: each for symbol, each in due.items() if now.get(symbol) is each[0].coverage}
        for symbol, (_, saved) in still.items():
            for record in store.records(symbol, saved):
                publisher.put(record)
        await publisher.flush()
        for record in store.discarded(self._replaced({symbol: written for symbol, (written, _) in still.items()})):
            publisher.put(record)

    def _due(self) -> dict[str, tuple[_Written, Saved]]:
        """The checkpoints that are due, by symbol, of the coverages as they are now."""
        due = dict[str, tuple[_Written, Saved]]()
        for symbol, coverage in self._coverages().items():
            last, version, stamp = self._written.get(symbol, _Written()), _version(coverage), self._stamp(symbol)
            is_new = last.coverage is not coverage or last.version != version
            if is_new or stamp - last.stamp >= self.replay_max:
                saved = self.store.saved(coverage, stamp, last.chunks)
                due[symbol] = _Written(coverage, version, stamp, saved.chunks), saved
        return due

    def _coverages(self) -> dict[str, Coverage]:
        """The coverage of every symbol that is kept, captured or not."""
        captured = {symbol: tracked.coverage for symbol, tracked in self.tracker.symbols.items()}
        for symbol in self.left.keys() & captured.keys():
            del self.left[symbol]
        return self.left | captured

    def _replaced(self, written: dict[str, _Written]) -> set[str]:
        """Note what was written; returns the records of gaps that no checkpoint of ours needs any more."""
        before = {name for each in self._written.values() for name in each.chunks}
        kept = self._coverages().keys()
        self._written = {symbol: each for symbol, each in (self._written | written).items() if symbol in kept}
        return before - {name for each in self._written.values() for name in each.chunks}

    def _stamp(self, symbol: str) -> int:
        partition = self.store.partition(symbol)
        bronze = self.store.bronze
        return self.publisher.acknowledged.get((bronze, partition), self.ends[partition])


def _version(coverage: Coverage) -> Version:
    """A value that changes whenever a checkpoint of the coverage would."""
    return coverage.first, coverage.high, coverage.stopped_at, coverage.gaps.changes
