"""Runs a command in the foreground: it gets our signals, and we end with its exit code."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from k2_shared.core.errors import ConfigError

_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_SIGNALLED = 128  # a shell's exit code for a death by signal is this plus its number


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM and SIGHUP leave the block as SystemExit, so that what was begun is undone.

    Ctrl-C leaves it as KeyboardInterrupt at once: asyncio's own handler would cancel a task, and a library may
    swallow that.
    """
    before = {number: signal.signal(number, _leave) for number in _ending_signals()}
    try:
        yield
    finally:
        _restore(before)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Ignore the signals that end a program for the length of the block."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _ENDING}
    try:
        yield
    finally:
        _restore(before)


def run(command: list[str], environ: Mapping[str, str]) -> int:
    """Run a command in our environment plus ``environ``, and return its exit code as a shell would.

    Raises:
        ConfigError: there is no such command.
    """
    with _held() as received:
        try:
            child = subprocess.Popen(command, env={**os.environ, **environ})
        except OSError as error:
            raise ConfigError(f"cannot run {command[0]!r}: {error.strerror}") from None
        received.forward_to(child)
        code = child.wait()
    return code if code >= 0 else _SIGNALLED - code


class _Signals:
    """Signals that came in, passed on to the child as soon as there is one."""

    def __init__(self) -> None:
        self._waiting: list[int] = []
        self._child: subprocess.Popen[bytes] | None = None

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if self._child is None:
            self._waiting.append(number)
        elif number != signal.SIGINT or not sys.stdin.isatty():  # a terminal's Ctrl-C reaches the child by itself
            self._child.send_signal(number)

    def forward_to(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
        for number in self._waiting:
            child.send_signal(number)


@contextmanager
def _held() -> Iterator[_Signals]:
    received = _Signals()
    before = {number: signal.signal(number, received) for number in _ending_signals()}
    try:
        yield received
    finally:
        _restore(before)


def ignores_interrupts() -> bool:
    """Whether SIGINT is ignored, as a shell sets it for what a script starts in the background."""
    return signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def _ending_signals() -> list[signal.Signals]:
    """The signals that end us and the child; one that is ignored, as under nohup, stays ignored."""
    return [number for number in _ENDING if signal.getsignal(number) is not signal.SIG_IGN]


def _leave(number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(_SIGNALLED + number)


def _restore(handlers: Mapping[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
