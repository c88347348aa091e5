"""The plan of a playback: which frames, in which order, with which faults. Pure: a seed fixes every byte."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import accumulate
from random import Random

from exchange_sim.faults import BREAKS, FAULTS, Fault, Kind, Rates, encodable
from exchange_sim.model import Dialect, Recording, Trade


@dataclass(frozen=True, slots=True)
class Planned:
    """A frame to send: the trades at ``indexes`` of the symbol's recording, ``at_ns`` after the start."""

    at_ns: int
    symbol: str
    kind: Kind
    indexes: range
    broken: str | None = None


@dataclass(frozen=True, slots=True)
class _Placed:
    """A frame and its place among the frames of its symbol; equal places keep the order of making."""

    place: float
    frame: Planned


def plan(
    scripts: Sequence[tuple[Recording, Sequence[int]]], dialect: Dialect, rates: Rates, seed: str
) -> list[Planned]:
    """Plan a venue: each recording with its trades' offsets (``pacing.offsets``), merged by time.

    The faults of a symbol depend on the seed, the symbol and their own rate alone.
    """
    per_symbol = [_symbol(recording, offsets, dialect, rates, seed) for recording, offsets in scripts]
    return list(merge(*per_symbol, key=lambda planned: planned.at_ns))


def _symbol(recording: Recording, offsets: Sequence[int], dialect: Dialect, rates: Rates, seed: str) -> list[Planned]:
    symbol = recording.instrument.symbol
    frames = [Planned(offsets[indexes[-1]], symbol, "original", indexes) for indexes in dialect.group(recording.trades)]
    placed = [_Placed(float(index), frame) for index, frame in enumerate(frames)]
    for name, fault in FAULTS.items():
        random = Random(f"{seed}/{recording.instrument.venue}/{symbol}/{name}")  # noqa: S311  # repeatable on purpose
        placed = _apply(placed, frames, recording.trades, fault, rates.of(name), random)
    placed.sort(key=lambda each: each.place)
    return _in_time([each.frame for each in placed])


def _apply(
    placed: list[_Placed],
    frames: Sequence[Planned],
    trades: Sequence[Trade],
    fault: Fault,
    rate: float,
    random: Random,
) -> list[_Placed]:
    """Apply one fault to all frames of a symbol."""
    if not rate:
        return placed
    if fault.kind == "invalid":
        return placed + list(_broken(frames, trades, fault, rate, random))
    struck: list[_Placed] = []
    for each in placed:
        if each.frame.kind != "original" or random.random() >= rate:
            struck.append(each)
            continue
        if not fault.moves:
            struck.append(each)
        copy = Planned(each.frame.at_ns, each.frame.symbol, fault.kind, each.frame.indexes)
        struck.append(_Placed(each.place + _distance(fault, random), copy))
    return struck


def _broken(
    frames: Sequence[Planned], trades: Sequence[Trade], fault: Fault, rate: float, random: Random
) -> Iterator[_Placed]:
    """Extra frames of one broken trade each; every trade of a frame that a schema holds is at risk by itself."""
    for place, frame in enumerate(frames):
        for index in frame.indexes:
            if random.random() < rate and encodable(trades[index]):
                copy = Planned(
                    frame.at_ns,
                    frame.symbol,
                    fault.kind,
                    range(index, index + 1),
                    random.choice(list(BREAKS)),
                )
                yield _Placed(place + _distance(fault, random), copy)


def _distance(fault: Fault, random: Random) -> float:
    return random.choice(fault.places) + 0.5


def _in_time(frames: Sequence[Planned]) -> list[Planned]:
    """A frame that was put behind later ones is due with them."""
    due = accumulate((frame.at_ns for frame in frames), max)
    return [
        Planned(at_ns, frame.symbol, frame.kind, frame.indexes, frame.broken)
        for at_ns, frame in zip(due, frames, strict=True)
    ]
