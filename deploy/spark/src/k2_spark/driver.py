"""The driver's side of ``k2_shared.batch.driver``: what it says, how it fails, and that it ends with its parent."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from pyspark import SparkContext

from k2_shared.batch.driver import EVENT, FAILED, REASON, Line
from k2_shared.batch.settings import SparkSettings
from k2_shared.core.errors import ConfigError, K2Error

_STOPPED = 128 + signal.SIGTERM
_JAVA_ENDS_S = 5.0
_TELLING = threading.RLock()


def tell(event: str, **facts: Any) -> None:
    """Say what happened, to whoever started this driver."""
    with _TELLING:
        sys.stdout.write(json.dumps({EVENT: event, **facts}) + "\n")
        sys.stdout.flush()


def drive(work: Callable[[], None]) -> NoReturn:
    """Do the work, and exit as K2's programs do; stdin's end ends it, as a parent does that stops or dies."""
    threading.Thread(target=_watch_parent, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: _stop())
    try:
        work()
    except K2Error as error:
        tell(FAILED, **{REASON: str(error)})
        sys.exit(error.exit_code)
    finally:
        _end_java()
    sys.exit(0)


def fail_now(error: K2Error, *lines: Line) -> NoReturn:
    """Say these lines and why, and end the process, whatever its other threads are at; from any thread.

    What is raised while Spark works would wait for it: an hour, where a table is large. No commit is half made.
    """
    with _TELLING:  # nobody says more
        for line in lines:
            tell(**line)
        tell(FAILED, **{REASON: str(error)})
        _end_java()
        os._exit(error.exit_code)


def has_ended() -> str:
    """What Spark's Java ended with, as of too little memory; nothing while it works, or has not started."""
    code = SparkContext._gateway.proc.poll() if SparkContext._gateway else None
    return "" if code is None else f"Spark's Java has ended with exit code {code}"


def _end_java() -> None:
    """End it in order, so that it deletes what it has on disk; one that does not is killed."""
    if SparkContext._gateway:
        java = SparkContext._gateway.proc
        java.terminate()
        try:
            java.wait(_JAVA_ENDS_S)
        except subprocess.TimeoutExpired:
            java.kill()


def _watch_parent() -> None:
    sys.stdin.read()
    _stop()


def _stop() -> NoReturn:
    """End now, with all that was started: a Java that was about to start would stay for ever."""
    _end_java()
    if os.getpgrp() == os.getpid():  # as its starter has it; by hand it may be of a group with others
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(_STOPPED)


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
