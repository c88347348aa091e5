"""How a driver ends: with everything that it has started."""

import sys
from pathlib import Path

import psutil
import pytest

from k2_shared.batch.driver import Driver, Line
from k2_shared.batch.settings import SparkSettings
from k2_shared.core.errors import Unavailable
from k2_support.waiting import wait_for

JOB = """
import subprocess, sys
from k2_spark.driver import drive, tell

def work():
    child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    tell("begun", pid=child.pid)
    {then}

drive(work)
"""


@pytest.mark.parametrize("then", ["pass", "child.wait()"])
def test_what_a_driver_has_started_ends_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str) -> None:
    """As a Java that does not hear that its Python has gone; when it is done, and when it is stopped."""
    (tmp_path / "job.py").write_text(JOB.format(then=then))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    driver, told = Driver(SparkSettings.load(spark_python=sys.executable), "job"), list[Line]()

    def hear(line: Line) -> None:
        told.append(line)
        if then != "pass":
            driver.stop()

    if then == "pass":
        driver.run(hear)
    else:
        with pytest.raises(Unavailable, match="stopped"):
            driver.run(hear)
    wait_for(lambda: not _lives(told[0]["pid"]), 60, "the child's end")


def _lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
