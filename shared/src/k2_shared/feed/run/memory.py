"""Resident memory of this process against its limit."""

from collections.abc import Callable

import psutil  # type: ignore[import-untyped]

from k2_shared.core.errors import Unavailable


def resident_bytes() -> int:
    """The resident memory of this process."""
    return int(psutil.Process().memory_info().rss)


class MemoryWatch:
    """Watches the memory of the process: one that has grown too large ends in order, to be started again."""

    def __init__(self, limit_bytes: int, read: Callable[[], int] = resident_bytes) -> None:
        self._limit, self._read = limit_bytes, read

    def check(self) -> int:
        """Return the resident bytes.

        Raises:
            Unavailable: more than the limit.
        """
        resident = self._read()
        if resident > self._limit:
            raise Unavailable(
                f"{resident / 1e6:.0f} MB of memory are more than FEED_MEMORY_LIMIT_MB={self._limit / 1e6:.0f}: "
                "draining, to be started again"
            )
        return resident
