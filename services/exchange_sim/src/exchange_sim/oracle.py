"""The oracle log: what was handed to which socket, a JSON line for each trade; and which faults struck."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from k2_shared.core.errors import ConfigError

BATCH = 1_000


class OracleLog:
    """Appends lines in batches; complete on disk after ``flush``. Without a path nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self._lines: list[str] = []
        self._file: IO[str] | None = None
        if path is not None:
            self._file = _create(path)

    @property
    def kept(self) -> bool:
        """Whether there is a log at all."""
        return self._file is not None

    def record(self, entry: Mapping[str, object]) -> None:
        """Note one delivered trade, or what a fault struck."""
        if self._file is None:
            return
        self._lines.append(json.dumps(entry, separators=(",", ":")))
        if len(self._lines) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Write out everything noted so far."""
        if self._file is None or self._file.closed:
            return
        self._file.writelines(f"{line}\n" for line in self._lines)
        self._lines.clear()
        self._file.flush()

    def close(self) -> None:
        """Flush and close."""
        self.flush()
        if self._file is not None:
            self._file.close()


def _create(path: Path) -> IO[str]:
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"the log {path} cannot be written: {error.strerror}") from None
