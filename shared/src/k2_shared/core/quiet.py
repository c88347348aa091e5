"""Keeps libraries that retry from filling the log: a few lines a minute of each logger, and how many were held back."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

HELD_BACK = "held_back"
"""What a line that is let through says: so many of its logger and level were not since the last."""
_MAX_LOGGERS = 1_000


@dataclass(slots=True)
class _Said:
    """Of one logger and level: since when lines are counted, how many were let through, and how many were not."""

    since: float
    lines: int = 0
    held_back: int = 0


class Quiet(logging.Filter):
    """Lets ``lines`` of each logger and level through in ``window_s``; for any thread."""

    def __init__(self, lines: int = 5, window_s: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._lines = lines
        self._window_s = window_s
        self._clock = clock
        self._lock = threading.Lock()
        self._said: dict[tuple[str, int], _Said] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line is let through; the first after some that were not says how many."""
        with self._lock:
            said = self._of(record)
            if said.lines >= self._lines:
                said.held_back += 1
                return False
            said.lines += 1
            if said.held_back:
                setattr(record, HELD_BACK, said.held_back)
                said.held_back = 0
            return True

    def _of(self, record: logging.LogRecord) -> _Said:
        key, now = (record.name, record.levelno), self._clock()
        if key not in self._said and len(self._said) >= _MAX_LOGGERS:
            key = ("", record.levelno)
        said = self._said.setdefault(key, _Said(now))
        if now - said.since >= self._window_s:
            said.since, said.lines = now, 0
        return said
