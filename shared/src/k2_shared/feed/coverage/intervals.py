"""Sets of ids as ranges, both ends included."""

from collections.abc import Iterable, Iterator, Sequence

from k2_shared.feed.coverage.blocks import Blocks, Place

Interval = tuple[int, int]


class IntervalSet:
    """Disjoint ranges in ascending order; ranges that touch are one."""

    def __init__(self, intervals: Iterable[Interval] = ()) -> None:
        self._intervals: Blocks[Interval] = Blocks()
        self._count = 0
        for first, last in intervals:
            self.add(first, last)

    def __iter__(self) -> Iterator[Interval]:
        return iter(self._intervals)

    def __len__(self) -> int:
        """How many ids there are."""
        return self._count

    def __contains__(self, number: int) -> bool:
        return bool(self._intervals.at(self._intervals.place(number, number)))

    def add(self, first: int, last: int) -> None:
        """Add a range; an empty one is none."""
        if first > last:
            return
        place = self._intervals.place(first - 1, last + 1)
        near = self._intervals.at(place)
        if near:
            first, last = min(first, near[0][0]), max(last, near[-1][1])
        self._put(place, near, [(first, last)])

    def remove(self, first: int, last: int) -> None:
        """Take a range away."""
        place = self._intervals.place(first, last)
        hit = self._intervals.at(place)
        if hit:
            ends = ((hit[0][0], first - 1), (last + 1, hit[-1][1]))
            self._put(place, hit, [(low, high) for low, high in ends if low <= high])

    def within(self, first: int, last: int) -> list[Interval]:
        """The parts that lie in a range."""
        return [
            (max(low, first), min(high, last)) for low, high in self._intervals.at(self._intervals.place(first, last))
        ]

    def without(self, first: int, last: int) -> list[Interval]:
        """The parts of a range that are not here."""
        rest = list[Interval]()
        for low, high in self.within(first, last):
            if first < low:
                rest.append((first, low - 1))
            first = high + 1
        return [*rest, (first, last)] if first <= last else rest

    def _put(self, place: Place, old: Sequence[Interval], new: Sequence[Interval]) -> None:
        self._count += sum(high - low + 1 for low, high in new) - sum(high - low + 1 for low, high in old)
        self._intervals.put(place, new)
