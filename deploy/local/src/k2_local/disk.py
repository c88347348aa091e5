"""Files that are whole or absent, locks that die with their holder, and disk errors in one sentence."""

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from k2_shared.core.errors import ConfigError

_FULL = (errno.ENOSPC, errno.EDQUOT)
SPARE_BYTES = 16 * 1_048_576  # with less a broker cannot even create an index


@contextmanager
def explained(folder: Path, variable: str) -> Iterator[None]:
    """Turn an OSError of the block into a sentence about ``folder``, which ``variable`` sets.

    Raises:
        ConfigError: the disk is full, or the folder cannot be used.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise _full(folder, variable) from None
        reason = error.strerror or str(error)
        raise ConfigError(f"cannot use the folder {folder} ({reason}): make it writable, or set {variable}") from None


def require_space(folder: Path, variable: str) -> None:
    """Refuse a disk that is full, or too full to work on.

    Raises:
        ConfigError: there is too little space; names the folder and ``variable``.
    """
    if shutil.disk_usage(folder).free < SPARE_BYTES:
        raise _full(folder, variable)


def _full(folder: Path, variable: str) -> ConfigError:
    return ConfigError(f"no space left on the disk of {folder}: free some, or set {variable} to another disk")


def write_whole(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.touch(mode)
        draft.write_text(text)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_json(path: Path, value: Any, mode: int = 0o644) -> None:
    """``write_whole`` of a JSON document."""
    write_whole(path, json.dumps(value, indent=2) + "\n", mode)


def read_json(path: Path) -> Any:
    """Read a JSON document; None where there is none.

    Raises:
        ConfigError: the file is not JSON.
    """
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except ValueError:
        raise ConfigError(f"{path} is damaged: remove it, or run k2 stack reset") from None


@contextmanager
def locked(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the lock file ``path``, which the kernel frees when its holder dies.

    Calls ``waiting`` once if another process holds it, then blocks until it is free.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
