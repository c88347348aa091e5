"""The driver's side of ``k2_shared.batch.driver``: what it says, how it fails, and that it ends with its parent."""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from k2_shared.batch.driver import EVENT, FAILED, REASON
from k2_shared.batch.settings import SparkSettings
from k2_shared.core.errors import ConfigError, K2Error

_STOPPED = 128 + signal.SIGTERM


def tell(event: str, **facts: Any) -> None:
    """Say what happened, to whoever started this driver."""
    sys.stdout.write(json.dumps({EVENT: event, **facts}) + "\n")
    sys.stdout.flush()


def drive(work: Callable[[], None]) -> NoReturn:
    """Do the work, and exit as K2's programs do; stdin's end ends it, as a parent does that stops or dies."""
    threading.Thread(target=_watch_parent, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_STOPPED))
    try:
        work()
    except K2Error as error:
        tell(FAILED, **{REASON: str(error)})
        sys.exit(error.exit_code)
    finally:
        _end_java()
    sys.exit(0)


def _end_java() -> None:
    """End what this driver has started: a Java that was about to start when its Python ended stays for ever."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.getpgrp() == os.getpid():  # as its starter has it; by hand it may be of a group with others
        os.killpg(os.getpgrp(), signal.SIGTERM)


def _watch_parent() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


def jars(settings: SparkSettings) -> list[Path]:
    """Iceberg's jars: those of ``SPARK_JARS``, else those that the local stack downloads, once. May block.

    Raises:
        ConfigError: there are none.
    """
    if settings.spark_jars:
        found = sorted(Path(settings.spark_jars).glob("*.jar"))
        if not found:
            raise ConfigError(f"SPARK_JARS={settings.spark_jars} has no jars: name the folder of Iceberg's")
        return found
    try:
        from k2_local.artifacts import Cache
        from k2_local.settings import StackSettings
    except ModuleNotFoundError:
        raise ConfigError("SPARK_JARS is not set, and here is no local stack to have them from") from None
    return list(Cache(StackSettings.load().cache, _quietly).jars("spark"))


def _quietly(line: str) -> None:
    sys.stderr.write(line + "\n")
