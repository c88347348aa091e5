"""Rate limit of library log lines: a few a minute of each logger, so that retries do not fill the log."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

HELD_BACK = "held_back"
"""Key of a passed line: how many lines of its logger and level were dropped since the one before."""
_MAX_LOGGERS = 1_000


@dataclass(slots=True)
class _Window:
    """The current window of one logger and level: its start, and how many lines passed and were held back."""

    since: float
    lines: int = 0
    held_back: int = 0


class LogRateLimit(logging.Filter):
    """A logging filter that passes at most ``lines`` of each logger and level in ``window_s`` seconds; thread-safe."""

    def __init__(self, lines: int = 5, window_s: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._lines = lines
        self._window_s = window_s
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[tuple[str, int], _Window] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line passes; the first one after a window with held-back lines carries their number."""
        with self._lock:
            window = self._of(record)
            if window.lines >= self._lines:
                window.held_back += 1
                return False
            window.lines += 1
            if window.held_back:
                setattr(record, HELD_BACK, window.held_back)
                window.held_back = 0
            return True

    def _of(self, record: logging.LogRecord) -> _Window:
        key, now = (record.name, record.levelno), self._clock()
        if key not in self._windows and len(self._windows) >= _MAX_LOGGERS:
            key = ("", record.levelno)
        window = self._windows.setdefault(key, _Window(now))
        if now - window.since >= self._window_s:
            window.since, window.lines = now, 0
        return window
