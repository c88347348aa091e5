"""How far the venue's clock is ahead of ours, from the trades themselves; nothing is ever corrected by it."""

from collections.abc import Callable

LIVE_WITHIN_S = 3_600.0
"""A trade that is older by our clock is no live one, as where a recording is played: it says nothing of the clocks.

One that is as far ahead says something only where no other does: a broken time, or a clock that is hours wrong.
"""


class ClockSkew:
    """The largest (exchange time - receipt) of a window: a lower bound, short of the truth by the fastest delivery."""

    def __init__(self, window_s: float, clock: Callable[[], float]) -> None:
        self._window_s, self._clock = window_s, clock
        self._began = clock()
        self._near, self._far = _Largest(), _Largest()

    def note(self, exchange_us: int, received_us: int) -> None:
        """Note the times of a trade, both in µs since the epoch; of one that is not live, nothing."""
        if self._clock() - self._began >= self._window_s:
            self._near.begin()
            self._far.begin()
            self._began = self._clock()
        lead_us = exchange_us - received_us
        if lead_us >= -LIVE_WITHIN_S * 1e6:
            (self._near if lead_us <= LIVE_WITHIN_S * 1e6 else self._far).note(lead_us)

    @property
    def seconds(self) -> float | None:
        """By how much the venue's clock leads ours, in this window and the one before; None without live trades."""
        known = self._near.known or self._far.known
        return max(known) / 1e6 if known else None


class _Largest:
    """The largest of a window, and of the one before."""

    def __init__(self) -> None:
        self._best: int | None = None
        self._before: int | None = None

    def begin(self) -> None:
        """Begin the next window."""
        self._before, self._best = self._best, None

    def note(self, value: int) -> None:
        if self._best is None or value > self._best:
            self._best = value

    @property
    def known(self) -> list[int]:
        return [each for each in (self._best, self._before) if each is not None]
