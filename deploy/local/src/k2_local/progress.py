"""How far something is that takes a while: a live line on a terminal, a line now and then elsewhere."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Report = Callable[[str], None]
Advance = Callable[[int], object]

MB = 1_000_000
EVERY_S = 5.0


class _Chatter(Console):
    """A console of stderr that falls silent when nobody reads it any more: the work goes on."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


@cache
def chatter() -> Console:
    """The one console of stderr, so that lines appear above whatever is live."""
    return _Chatter(stderr=True, highlight=False)


@contextmanager
def step(what: str, report: Report) -> Iterator[None]:
    """Tell of a block that it begins, that it goes on, and how long it took; of one that fails, no end is told."""
    began = time.monotonic()
    with _live(what) if chatter().is_terminal else _heartbeat(what, lambda: f"still {what}", report):
        yield
    report(f"{what}: done in {time.monotonic() - began:.1f} s")


@contextmanager
def transfer(what: str, total: int, report: Report) -> Iterator[Advance]:
    """Yield a function, safe to call from any thread, that takes the number of the bytes that just arrived."""
    began, received = time.monotonic(), _Received()
    size = f"{total / MB:.0f} MB"
    if chatter().is_terminal:
        with _bar() as bar:
            task = bar.add_task(what, total=total)
            yield lambda count: bar.advance(task, count)
    else:
        with _heartbeat(f"{what}: {size}", lambda: f"{what}: {received.total / MB:.0f} of {size}", report):
            yield received.add
    report(f"{what}: {size} in {time.monotonic() - began:.1f} s")


@contextmanager
def _live(what: str) -> Iterator[None]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=chatter(), transient=True) as progress:
        progress.add_task(what, total=None)
        yield


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    return Progress(*columns, console=chatter(), transient=True)


@contextmanager
def _heartbeat(begins: str, goes_on: Callable[[], str], report: Report) -> Iterator[None]:
    """Report that a block begins, and every few seconds that it goes on, and for how long it has."""
    report(begins)
    began, ended = time.monotonic(), threading.Event()

    def beat() -> None:
        while not ended.wait(EVERY_S):
            report(f"{goes_on()}, {time.monotonic() - began:.0f} s")

    beating = threading.Thread(target=beat, daemon=True)
    beating.start()
    try:
        yield
    finally:
        ended.set()
        beating.join()


class _Received:
    """Counts the bytes of several threads."""

    def __init__(self) -> None:
        self.total = 0
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        with self._lock:
            self.total += count
