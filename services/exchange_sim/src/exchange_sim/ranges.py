"""The ids that a venue has assigned, as ranges, so that a soak of millions of trades can check every one."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

from exchange_sim.market_replay import MarketReplay

Range = tuple[int, int]


def compress(values: Iterable[int]) -> list[Range]:
    """Ascending runs of consecutive numbers as (first, last)."""
    found: list[Range] = []
    for value in sorted(values):
        if found and value == found[-1][1] + 1:
            found[-1] = (found[-1][0], value)
        else:
            found.append((value, value))
    return found


def assigned(replay: MarketReplay) -> list[Range]:
    """The ranges of ids assigned so far, in the order of assignment; a new one after a hole and after a reset."""
    stops = [*replay.timeline.id_starts[1:], replay.exposed]
    runs = zip(replay.timeline.id_starts, stops, strict=True)
    return [found for start, stop in runs for found in _runs(replay, start, min(stop, replay.exposed))]


def ids_of(replay: MarketReplay, numbers: Iterable[int]) -> list[Range]:
    """The ids of trades that have happened, given by number, as ranges."""
    return compress(replay.timeline.trade_id(number) for number in numbers if number < replay.exposed)


def summary(replay: MarketReplay) -> dict[str, int | None]:
    """The first and the last id assigned, how many were, and how many ids between them never were.

    After a reset first and last are those of the latest run; the count is of all.
    """
    found = assigned(replay)
    first, last = max(replay.timeline.id_starts), replay.exposed
    known = first < last
    return {
        "first_id": replay.timeline.trade_id(first) if known else None,
        "last_id": replay.timeline.trade_id(last - 1) if known else None,
        "count": replay.exposed,
        "holes": _holes(found),
        "resets": len(replay.timeline.id_starts) - 1,
    }


def _holes(found: list[Range]) -> int:
    return sum(after[0] - before[1] - 1 for before, after in pairwise(found) if after[0] > before[1])


def _runs(replay: MarketReplay, start: int, stop: int) -> Iterator[Range]:
    """Consecutive ids among the numbers; looks only where a run may end, by halving."""
    trade_id = replay.timeline.trade_id
    while start < stop:
        first, known, beyond = trade_id(start), start, stop
        while beyond - known > 1:
            middle = (known + beyond) // 2
            if trade_id(middle) - first == middle - start:
                known = middle
            else:
                beyond = middle
        yield first, trade_id(known)
        start = beyond
