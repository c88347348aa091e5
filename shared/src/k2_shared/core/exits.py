"""How a process of ours ends, and with which code."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from k2_shared.core.errors import ConfigError, Halt, K2Error, Unavailable

PIPE_CLOSED = 141  # as of a program that SIGPIPE ends
EXIT_CODES: Mapping[int, str] = {
    0: "It did what was asked, or SIGTERM or SIGINT ended it in order.",
    1: "A bug of ours; the log has its traceback.",
    **{kind.exit_code: (kind.__doc__ or "") for kind in (ConfigError, Halt, Unavailable)},
}


@contextmanager
def told_in_one_line(program: str) -> Iterator[None]:
    """Ends the process where an error of ours is raised: its text is a line on stderr, its code the process's."""
    try:
        yield
    except K2Error as error:
        sys.stderr.write(f"{program}: {error}\n")
        sys.exit(error.exit_code)


def print_whole(text: str) -> None:
    """Write a text to stdout at once; where nobody reads it to its end, the process ends without a complaint."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        discard_stdout()
        sys.exit(PIPE_CLOSED)


def discard_stdout() -> None:
    """Nobody reads on: what is still buffered is flushed to nowhere when the process ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
