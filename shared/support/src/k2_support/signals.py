"""The signals that a test's children are born with, whatever this process was started with."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def sigint(*, ignored: bool) -> Iterator[None]:
    """Have the children that are started in the block ignore SIGINT, as in the background of a script, or hear it."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
