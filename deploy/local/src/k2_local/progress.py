"""How far a download is: a bar on a terminal, a line at each quarter elsewhere."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

Report = Callable[[str], None]
Advance = Callable[[int], object]

MB = 1_000_000


@contextmanager
def transfer(what: str, total: int, report: Report) -> Iterator[Advance]:
    """Yield a function, safe to call from any thread, that takes the bytes that just arrived."""
    if sys.stderr.isatty():
        with _bar() as bar:
            task = bar.add_task(what, total=total)
            yield lambda size: bar.advance(task, size)
    else:
        yield _Quarters(what, total, report)


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


class _Quarters:
    """Reports the start and every quarter of a transfer as a line."""

    def __init__(self, what: str, total: int, report: Report) -> None:
        self._what, self._total, self._report = what, total, report
        self._received = self._quarters = 0
        self._lock = threading.Lock()
        report(f"{what}: {total / MB:.0f} MB")

    def __call__(self, size: int) -> None:
        with self._lock:
            self._received += size
            quarters = min(4, self._received * 4 // self._total)
            if quarters > self._quarters:
                self._quarters = quarters
                self._report(f"{self._what}: {quarters * 25} %")
