"""Showing something again and again."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

EVERY_S = 2.0


def repeated(show: Callable[[], T], *, watching: bool) -> T:
    """Show once and return what came of it, or again every ``EVERY_S``, until Ctrl-C. Blocks."""
    while True:
        began = time.monotonic()
        shown = show()
        if not watching:
            return shown
        time.sleep(max(0.0, began + EVERY_S - time.monotonic()))
