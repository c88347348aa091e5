"""The ends of log files, and what is added to them."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from k2_local.processes import tail

_POLL_S = 0.2


def last(files: Mapping[str, Path], lines: int) -> Iterator[tuple[str, str]]:
    """The last lines of each file, with the file's name; a file that is absent has none."""
    for name, path in files.items():
        for line in tail(path, lines):
            yield name, line


def follow(files: Mapping[str, Path]) -> Iterator[tuple[str, str]]:
    """Whole lines as they are added, without end; a file may appear, and may be replaced by a shorter one."""
    read = {name: path.stat().st_size if path.exists() else 0 for name, path in files.items()}
    while True:
        for name, path in files.items():
            added, read[name] = _added(path, read[name])
            for line in added:
                yield name, line
        time.sleep(_POLL_S)


def _added(path: Path, position: int) -> tuple[list[str], int]:
    """The whole lines after a position, and the position after them."""
    if not path.exists():
        return [], 0
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(position if size >= position else 0)
        whole, newline, _ = file.read().rpartition(b"\n")
    start = position if size >= position else 0
    return whole.decode(errors="replace").splitlines(), start + len(whole) + len(newline)
