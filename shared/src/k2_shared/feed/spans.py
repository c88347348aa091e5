"""Sets of ids as ranges, both ends included."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator

Span = tuple[int, int]


class Spans:
    """Disjoint ranges in ascending order; ranges that touch are one."""

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        self._spans: list[Span] = []
        for first, last in spans:
            self.add(first, last)

    def __iter__(self) -> Iterator[Span]:
        return iter(self._spans)

    def __len__(self) -> int:
        """How many ids there are."""
        return sum(last - first + 1 for first, last in self._spans)

    def __contains__(self, number: int) -> bool:
        return bool(self.within(number, number))

    def add(self, first: int, last: int) -> None:
        """Add a range; an empty one is none."""
        if first > last:
            return
        low, high = self._touching(first - 1, last + 1)
        if low < high:
            first = min(first, self._spans[low][0])
            last = max(last, self._spans[high - 1][1])
        self._spans[low:high] = [(first, last)]

    def remove(self, first: int, last: int) -> None:
        """Take a range away."""
        low, high = self._touching(first, last)
        left = [(a, first - 1) for a, _ in self._spans[low:high] if a < first]
        right = [(last + 1, b) for _, b in self._spans[low:high] if b > last]
        self._spans[low:high] = left + right

    def within(self, first: int, last: int) -> list[Span]:
        """The parts that lie in a range."""
        low, high = self._touching(first, last)
        return [(max(a, first), min(b, last)) for a, b in self._spans[low:high]]

    def without(self, first: int, last: int) -> list[Span]:
        """The parts of a range that are not here."""
        rest = Spans([(first, last)])
        for span in self.within(first, last):
            rest.remove(*span)
        return list(rest)

    def _touching(self, first: int, last: int) -> tuple[int, int]:
        """The indexes of the ranges that share a number with a range."""
        low = bisect_left(self._spans, first, key=lambda span: span[1])
        high = low
        while high < len(self._spans) and self._spans[high][0] <= last:
            high += 1
        return low, high
