"""What a command leaves behind when it is ended by Ctrl-C or another signal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def telling(left: Callable[[], str]) -> Iterator[None]:
    """Where a signal ends the block, say in one line what is left and what to do, and end all the same."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        with suppress(BrokenPipeError):  # nobody reads: it ends all the same
            sys.stderr.write(f"k2: interrupted: {left()}\n")
        raise
