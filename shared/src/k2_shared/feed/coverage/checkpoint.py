"""One symbol's coverage as it is saved: a head, and its gaps in records of their own where they are many.

Such a record has a name that is never used again, so that it never changes, and a head names those that belong to it.
A head is written after them, and they are deleted after the head that needs them no more: what is read of either is
whole, or is seen not to be. See .github/decisions/0009.
"""

import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import msgspec

from k2_shared.core.errors import InvalidRecord
from k2_shared.feed.coverage.blocks import Block
from k2_shared.feed.coverage.coverage import Coverage, CoverageLimits, Gap, Gaps

INLINE = 64
"""Gaps that the head itself holds."""


class Checkpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One symbol's coverage; ``stamp`` is a bronze offset, ``first`` is 0 before the first trade.

    ``chunks`` are the names of the records that hold the gaps, in order, where the head does not.
    """

    stamp: int
    first: int = 0
    high: int = 0
    high_us: int = 0
    gaps: list[Gap] = []
    chunks: list[str] = []
    stopped_at: int = 0
    reset_to: int = 0
    reset_us: int = 0
    began_at: int = 0
    since_us: int = 0

    @classmethod
    def of(cls, coverage: Coverage, stamp: int, gaps: Sequence[Gap], chunks: Sequence[str] = ()) -> "Checkpoint":
        """Make the checkpoint of a coverage as it is now."""
        kept = {name: getattr(coverage, name) for name in _KEPT}
        return cls(stamp, gaps=list(gaps), chunks=list(chunks), **kept)

    def coverage(self, limits: CoverageLimits) -> Coverage:
        """The coverage that the checkpoint was made from."""
        return Coverage(limits, gaps=Gaps(self.gaps), **{name: getattr(self, name) for name in _KEPT})

    def without_ids(self) -> "Checkpoint":
        """The same checkpoint without any id: only the venue's numbering is kept, and all ids are read from bronze."""
        return msgspec.structs.replace(self, stamp=0, first=0, high=0, high_us=0, gaps=[], chunks=[])


_BROKEN = (msgspec.MsgspecError, ValueError, RecursionError)
_KEPT = [name for name in Checkpoint.__struct_fields__ if name not in ("stamp", "gaps", "chunks")]
_HEAD = msgspec.json.Decoder(Checkpoint)
_CHUNK = msgspec.json.Decoder(list[Gap])


@dataclass(frozen=True)
class Saved:
    """A checkpoint's values: the head, and by name the records that are to be written before it.

    ``chunks`` are the names of all records that the head needs.
    """

    head: bytes
    new: dict[str, bytes]
    chunks: frozenset[str]


def save(coverage: Coverage, stamp: int, instance: str, durable: Collection[str]) -> Saved:
    """Make a checkpoint; of many gaps only what has changed since those of the names that are ``durable``."""
    gaps = coverage.gaps
    if len(gaps) <= INLINE:
        return Saved(_encoded(Checkpoint.of(coverage, stamp, [*gaps])), {}, frozenset())
    changed = [block for block in gaps.blocks if block.saved_as not in durable]
    new = {_named(block, instance): _encoded(block.ranges) for block in changed}
    names = [block.saved_as for block in gaps.blocks]
    return Saved(_encoded(Checkpoint.of(coverage, stamp, (), names)), new, frozenset(names))


def _named(block: Block[Gap], instance: str) -> str:
    block.saved_as = f"{instance}/{secrets.token_hex(8)}"
    return block.saved_as


def _encoded(value: object) -> bytes:
    return msgspec.json.encode(value)


def head(value: bytes) -> Checkpoint:
    """Read a head.

    Raises:
        InvalidRecord: ``unreadable_checkpoint``: it is no head, or one of a newer version.
    """
    try:
        return _HEAD.decode(value)
    except _BROKEN as error:
        raise InvalidRecord("unreadable_checkpoint", str(error)) from None


def whole(found: Checkpoint, chunk: Callable[[str], bytes | None]) -> Checkpoint:
    """A head with all of its gaps, of which the chunks are given by name.

    Raises:
        InvalidRecord: ``unreadable_checkpoint``: one of them is missing or unreadable, or they are not its gaps.
    """
    gaps = [*found.gaps]
    for name in found.chunks:
        gaps += _gaps(name, chunk(name))
    if not _is_in_order(found, gaps):
        raise InvalidRecord("unreadable_checkpoint", "its gaps are not those of its ids, in order")
    return msgspec.structs.replace(found, gaps=gaps, chunks=[])


def _is_in_order(found: Checkpoint, gaps: Sequence[Gap]) -> bool:
    before = found.first - 1
    for gap in gaps:
        if not before < gap.first <= gap.last:
            return False
        before = gap.last
    return before <= found.high


def _gaps(name: str, value: bytes | None) -> list[Gap]:
    if value is None:
        raise InvalidRecord("unreadable_checkpoint", f"its gaps {name} are missing")
    try:
        return _CHUNK.decode(value)
    except _BROKEN as error:
        raise InvalidRecord("unreadable_checkpoint", f"its gaps {name}: {error}") from None
