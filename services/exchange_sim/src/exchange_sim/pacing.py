"""When each trade of a recording is due: after the recorded pauses."""

from collections.abc import Callable
from itertools import accumulate, pairwise

from exchange_sim.model import Recording, Trade

MAX_PAUSE_BETWEEN_FILES_NS = 1_000_000_000  # files recorded on different days follow each other at once


def offsets(
    recording: Recording, fit_s: float | None = None, clock: Callable[[Trade], int] = lambda trade: trade.pace_ns
) -> list[int]:
    """Offset of each trade from the first, in ns of recorded time; never decreasing.

    ``clock`` tells a trade's recorded time in ns. With ``fit_s`` each file takes about so many seconds instead.
    """
    recorded = list(accumulate(_pauses(recording, clock), initial=0))
    if fit_s is None:
        return recorded
    scale = fit_s * 1e9 * (max(recording.files) + 1) / max(recorded[-1], 1)
    return [int(at * scale) for at in recorded]


def _pauses(recording: Recording, clock: Callable[[Trade], int]) -> list[int]:
    moves = pairwise(zip(recording.trades, recording.files, strict=True))
    return [
        _pause(clock(after) - clock(before), same_file=was == now)  # a clock set back is no pause
        for (before, was), (after, now) in moves
    ]


def _pause(ns: int, *, same_file: bool) -> int:
    return max(0, ns if same_file else min(ns, MAX_PAUSE_BETWEEN_FILES_NS))
