"""Where Spark puts what its memory does not hold: a sort of a large partition, the rows between two stages."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from k2_shared.core.errors import ConfigError

_PREFIX = "k2-spark-"


@contextmanager
def scratch(within: str) -> Iterator[Path]:
    """A new folder within one, or among the temporary files; it is gone behind the block.

    Those of drivers that were killed go before it: who lives holds a lock on its own.

    Raises:
        ConfigError: none can be made there.
    """
    where = Path(within or tempfile.gettempdir())
    for left in where.glob(f"{_PREFIX}*"):
        _delete_if_left(left)
    try:
        hidden = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}", dir=where))  # until it is locked nobody else may find it
    except OSError as error:
        raise ConfigError(
            f"SPARK_SCRATCH_DIR={where} takes no folder ({error.strerror}): name one that can be written to"
        ) from None
    with _locked(hidden):
        folder = hidden.rename(where / hidden.name[1:])
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Raises OSError where somebody else has locked it, or it is gone."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(opened)


def _delete_if_left(folder: Path) -> None:
    with suppress(OSError), _locked(folder):  # somebody works there, or another one deletes it
        shutil.rmtree(folder, ignore_errors=True)
