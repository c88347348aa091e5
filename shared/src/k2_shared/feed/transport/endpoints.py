"""The URLs of one venue: the one that fails several times in a row gives way to the next."""

from collections.abc import Sequence


class Endpoints:
    """URLs in order of preference; they must all be of the same venue."""

    def __init__(self, urls: Sequence[str], failures: int) -> None:
        self._urls, self._allowed = tuple(urls), failures
        self._index = self._failures = 0

    @property
    def current(self) -> str:
        """The URL to use now."""
        return self._urls[self._index]

    def succeeded(self) -> None:
        """Note that the current URL delivers."""
        self._failures = 0

    def failed(self) -> bool:
        """Note that the current URL failed; returns True if another has taken its place."""
        self._failures += 1
        if self._failures < self._allowed or len(self._urls) == 1:
            return False
        self._index, self._failures = (self._index + 1) % len(self._urls), 0
        return True
