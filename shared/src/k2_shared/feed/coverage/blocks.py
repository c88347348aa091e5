"""Ascending ranges in blocks of bounded length, so that a change touches one block however many ranges there are."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Generic, TypeVar

MOST = 1_024
"""Ranges in one block."""

RangeT = TypeVar("RangeT", bound=tuple[Any, ...])
"""A range begins with its first and its last number."""

Place = tuple[int, int, int, int]
"""From a block and an index in it, to a block and the index after the last one in it."""


class Block(Generic[RangeT]):
    """Some ranges; ``saved_as`` is the name under which they were saved, and empty after every change."""

    __slots__ = ("lasts", "ranges", "saved_as")

    def __init__(self, ranges: Iterable[RangeT]) -> None:
        self.ranges = list(ranges)
        self.lasts: list[int] = [each[1] for each in self.ranges]
        self.saved_as = ""

    def put(self, start: int, stop: int, new: Sequence[RangeT]) -> None:
        """Replace the ranges between two indexes."""
        self.ranges[start:stop] = new
        self.lasts[start:stop] = [each[1] for each in new]
        self.saved_as = ""

    def split(self) -> "list[Block[RangeT]]":
        """The block itself, its parts if it is too long, or nothing if it is empty."""
        if len(self.ranges) <= MOST:
            return [self] if self.ranges else []
        return [Block(self.ranges[at : at + MOST // 2]) for at in range(0, len(self.ranges), MOST // 2)]


class Blocks(Generic[RangeT]):
    """Disjoint ranges in ascending order."""

    def __init__(self, ranges: Iterable[RangeT] = ()) -> None:
        whole = Block(ranges)
        self._blocks = whole.split() or [whole]  # there is always one
        self._ends = [block.lasts[-1] if block.lasts else 0 for block in self._blocks]

    def __iter__(self) -> Iterator[RangeT]:
        return chain.from_iterable(block.ranges for block in self._blocks)

    def __len__(self) -> int:
        """How many ranges there are."""
        return sum(len(block.ranges) for block in self._blocks)

    def __bool__(self) -> bool:
        return bool(self._blocks[0].ranges)

    @property
    def blocks(self) -> Sequence[Block[RangeT]]:
        """All blocks, in order."""
        return self._blocks

    def place(self, first: int, last: int) -> Place:
        """The place of all ranges that share a number with this range; an empty range shares none."""
        low = min(bisect_left(self._ends, first), len(self._blocks) - 1)
        start = bisect_left(self._blocks[low].lasts, first)
        high, stop = low, start
        while first <= last:
            ranges = self._blocks[high].ranges
            while stop < len(ranges) and ranges[stop][0] <= last:
                stop += 1
            if stop < len(ranges) or high + 1 == len(self._blocks) or self._blocks[high + 1].ranges[0][0] > last:
                break
            high, stop = high + 1, 0
        return low, start, high, stop

    def at(self, place: Place) -> list[RangeT]:
        """The ranges of a place."""
        low, start, high, stop = place
        if low == high:
            return self._blocks[low].ranges[start:stop]
        between = chain.from_iterable(block.ranges for block in self._blocks[low + 1 : high])
        return [*self._blocks[low].ranges[start:], *between, *self._blocks[high].ranges[:stop]]

    def put(self, place: Place, new: Sequence[RangeT]) -> None:
        """Replace the ranges of a place; what is new must fit between its neighbours."""
        low, start, high, stop = place
        head, tail = self._blocks[low], self._blocks[high]
        if low == high:
            head.put(start, stop, new)
            changed = head.split()
        else:
            head.put(start, len(head.ranges), new)
            tail.put(0, stop, ())
            changed = head.split() + tail.split()
        self._blocks[low : high + 1] = changed
        self._ends[low : high + 1] = [block.lasts[-1] for block in changed]
        if not self._blocks:
            self._blocks, self._ends = [head], [0]

    def first_where(self, holds: Callable[[RangeT], bool]) -> RangeT | None:
        """The first range of which something holds that holds of all ranges after it too."""
        if not self:
            return None
        at = bisect_left(self._blocks, True, key=lambda block: holds(block.ranges[-1]))
        if at == len(self._blocks):
            return None
        ranges = self._blocks[at].ranges
        return ranges[bisect_left(ranges, True, key=holds)]
