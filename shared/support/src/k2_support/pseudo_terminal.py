"""Runs a command on a terminal of some width, as a person would see it."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from contextlib import suppress

_ROWS = 50
_CHUNK = 65_536


def on_terminal(command: Sequence[str], columns: int, environment: Mapping[str, str], timeout_s: float = 60) -> str:
    """What a command prints on a terminal, stdout and stderr together; blocks until it has ended.

    Raises:
        CalledProcessError: it did not end with 0.
        TimeoutExpired: it had not ended after ``timeout_s``.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, columns, 0, 0))
    plain = {name: value for name, value in environment.items() if name not in ("COLUMNS", "NO_COLOR")}
    try:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env={**plain, "TERM": "xterm-256color"}
        )
    finally:
        os.close(theirs)
    said = b""
    with suppress(OSError):  # Linux says EIO once the other end is closed
        while chunk := os.read(ours, _CHUNK):
            said += chunk
    os.close(ours)
    if code := child.wait(timeout_s):
        raise subprocess.CalledProcessError(code, command, said)
    return said.decode().replace("\r\n", "\n")
