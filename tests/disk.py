"""A disk of a server's own, small enough to be filled: memory, mounted over its folder where the system allows it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SIZE = "1500m"
_BLOCK = 1_048_576


@contextmanager
def disk(folder: Path) -> Iterator[bool]:
    """Mount it for the length of the block; whether that could be done: on Linux, as root."""
    mounted = (
        sys.platform == "linux"
        and os.geteuid() == 0
        and _ran("mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "k2-test", folder)
    )
    try:
        yield mounted
    finally:
        if mounted:
            _ran("umount", folder)


def _ran(*words: str | Path) -> bool:
    return subprocess.run(words, check=False, capture_output=True, timeout=120).returncode == 0  # fixed words


def fill(ballast: Path) -> int:
    """Write a file until there is no space left, down to the last byte; returns its size."""
    with ballast.open("wb", buffering=0) as file:
        for size in (_BLOCK, 1):
            try:
                while True:
                    file.write(os.urandom(size) if size == 1 else bytes(size))
            except OSError:
                continue
        return file.tell()
