"""Reading log files: their last lines, and every line that is added to them."""

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

_POLL_S = 0.2
_BLOCK = 64 * 1024  # bytes


class Log:
    """A log file that is open, read on from one position, so that no line falls between two readings."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def last(self, count: int) -> list[str]:
        """The last whole lines that there are now; the position is after them then."""
        end, size = self._file.seek(0, os.SEEK_END), _BLOCK
        while size < end and self._lines_from(end - size) <= count:
            size *= 2
        self._file.seek(max(0, end - size))
        lines = self.added()
        return lines[max(0, len(lines) - count) :]

    def added(self) -> list[str]:
        """The whole lines from the position on; the position is after them then."""
        if os.fstat(self._file.fileno()).st_size < self._file.tell():  # it was emptied
            self._file.seek(0)
        whole, newline, unfinished = self._file.read().rpartition(b"\n")
        self._file.seek(-len(unfinished), os.SEEK_CUR)
        return _text(whole).split("\n") if newline else []

    def rest(self) -> list[str]:
        """All lines from the position on, an unfinished one included."""
        return [*self.added(), *filter(None, [_text(self._file.read())])]

    def is_replaced(self, path: Path) -> bool:
        """Whether another file is at a path now."""
        try:
            return not os.path.samestat(os.fstat(self._file.fileno()), path.stat())
        except FileNotFoundError:
            return False

    def _lines_from(self, position: int) -> int:
        self._file.seek(position)
        return self._file.read().count(b"\n")


def tail(path: Path, lines: int) -> list[str]:
    """The last lines of a log, an unfinished one included; none if there is no log."""
    file = _opened(path)
    if file is None:
        return []
    with file:
        log = Log(file)
        found = [*log.last(lines), *log.rest()]
        return found[max(0, len(found) - lines) :]


def last(files: Mapping[str, Path], lines: int) -> Iterator[tuple[str, str]]:
    """The last lines of each file, with the file's name; a file that is absent has none."""
    for name, path in files.items():
        for line in tail(path, lines):
            yield name, line


def follow(files: Mapping[str, Path], lines: int) -> Iterator[tuple[str, str]]:
    """The last whole lines of each file, then every line that is added, without end; with the file's name.

    A file may be absent at first. Another one that takes its place, as at the start of a part whose log had grown
    large, is read from its beginning, after what was still unread of the first.
    """
    followed = {name: _followed(path, lines) for name, path in files.items()}
    while True:
        for name, batches in followed.items():
            for line in next(batches):
                yield name, line
        time.sleep(_POLL_S)


def _followed(path: Path, lines: int) -> Iterator[list[str]]:
    """What a file has more each time; the first of them are its last lines, if it is there then."""
    is_first = True
    while True:
        file = _opened(path)
        if file is None:
            yield []
        else:
            with file:
                log = Log(file)
                yield log.last(lines) if is_first else log.added()
                while not log.is_replaced(path):
                    yield log.added()
                yield log.rest()
        is_first = False


def _opened(path: Path) -> BinaryIO | None:
    try:
        return path.open("rb")
    except FileNotFoundError:
        return None


def _text(line: bytes) -> str:
    return line.decode(errors="replace")
