"""Writes the coverages of a capture to Kafka, each when all that is in it is acknowledged."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from k2_shared.feed.coverage.checkpoint import Saved
from k2_shared.feed.coverage.coverage import Coverage
from k2_shared.feed.coverage.shelf import NOBODY
from k2_shared.feed.run.capture import Capture

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

    ``ends`` are bronze offsets before this capture wrote anything, and ``left`` the coverages of symbols that are kept
    and not captured. ``chunks`` are the names of this instance's records of gaps that were found: they are deleted when
    they are replaced. ``works`` is told when checkpoints were written.
    """

    capture: Capture
    ends: Mapping[int, int]
    chunks: Mapping[str, frozenset[str]]
    left: dict[str, Coverage]
    works: Callable[[], None]
    replay_max: int = REPLAY_MAX
    _written: dict[str, _Written] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ours = {NOBODY, *self._coverages()}
        self._written |= {symbol: _Written(chunks=names) for symbol, names in self.chunks.items() if symbol in ours}

    async def run(self) -> None:
        """Write now and then, and at once when a symbol was stopped: a new process must know where."""
        hurry = self.capture.hurry
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.capture.settings.feed_checkpoint_s):
                    await hurry.wait()
            hurry.clear()
            await self.write()
            self.works()

    async def write(self) -> None:
        """Write what is due; returns when it is durable.

        Raises:
            Unavailable: Kafka did not take it, or what it is about.
        """
        publisher, store = self.capture.publisher, self.capture.store
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
        """What is to be written of which symbols, as all of it is now."""
        due = dict[str, tuple[_Written, Saved]]()
        for symbol, coverage in self._coverages().items():
            last, version, stamp = self._written.get(symbol, _Written()), _version(coverage), self._stamp(symbol)
            is_new = last.coverage is not coverage or last.version != version
            if is_new or stamp - last.stamp >= self.replay_max:
                saved = self.capture.store.saved(coverage, stamp, last.chunks)
                due[symbol] = _Written(coverage, version, stamp, saved.chunks), saved
        return due

    def _coverages(self) -> dict[str, Coverage]:
        """All that are kept; one that is captured again goes on in the book."""
        captured = {symbol: series.coverage for symbol, series in self.capture.book.series.items()}
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
        partition = self.capture.store.partition(symbol)
        bronze = self.capture.store.bronze
        return self.capture.publisher.acknowledged.get((bronze, partition), self.ends[partition])


def _version(coverage: Coverage) -> Version:
    """Changes with everything that a checkpoint holds."""
    return coverage.first, coverage.high, coverage.stopped_at, coverage.gaps.changes
