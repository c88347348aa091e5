"""How far the venue's clock is ahead of ours, from the trades themselves; nothing is ever corrected by it."""

from collections.abc import Callable

LIVE_WITHIN_S = 3_600.0
"""A trade that is older by our clock is no live one, as where a recording is played: it says nothing of the clocks."""


class ClockSkew:
    """The largest (exchange time - receipt) of a window: a lower bound, short of the truth by the fastest delivery."""

    def __init__(self, window_s: float, clock: Callable[[], float]) -> None:
        self._window_s, self._clock = window_s, clock
        self._began = clock()
        self._best_us: int | None = None
        self._before_us: int | None = None

    def note(self, exchange_us: int, received_us: int) -> None:
        """Note the times of a trade, both in µs since the epoch; of one that is not live, nothing."""
        if self._clock() - self._began >= self._window_s:
            self._before_us, self._best_us, self._began = self._best_us, None, self._clock()
        lead_us = exchange_us - received_us
        if lead_us < -LIVE_WITHIN_S * 1e6:
            return
        if self._best_us is None or lead_us > self._best_us:
            self._best_us = lead_us

    @property
    def seconds(self) -> float | None:
        """By how much the venue's clock leads ours, in this window and the one before; None without live trades."""
        known = [lead for lead in (self._best_us, self._before_us) if lead is not None]
        return max(known) / 1e6 if known else None
