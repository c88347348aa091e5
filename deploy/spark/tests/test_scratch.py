"""What Spark has on disk goes with its driver, and with the next one where it was killed."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from k2_shared.core.errors import ConfigError
from k2_spark.scratch import scratch

WORKS = """
import signal, sys
from k2_spark.scratch import scratch

with scratch(sys.argv[1]) as folder:
    (folder / "block").write_bytes(b"spilled")
    print(folder, flush=True)
    signal.pause()
"""


@pytest.fixture
def driver(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    with ExitStack() as ending:
        child = ending.enter_context(
            subprocess.Popen([sys.executable, "-c", WORKS, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        )
        ending.callback(child.kill)
        yield child


def folder_of(driver: "subprocess.Popen[str]") -> Path:
    assert driver.stdout
    return Path(driver.stdout.readline().strip())


def test_it_is_gone_behind_the_block(tmp_path: Path) -> None:
    """With what is in it."""
    with scratch(str(tmp_path)) as folder:
        (folder / "block").write_bytes(b"spilled")
        assert folder.parent == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_that_of_a_driver_that_was_killed_goes_with_the_next(driver: "subprocess.Popen[str]", tmp_path: Path) -> None:
    """Which would else fill the disk, a day after another."""
    left = folder_of(driver)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    assert (left / "block").exists()
    with scratch(str(tmp_path)) as folder:
        assert list(tmp_path.iterdir()) == [folder]


def test_that_of_a_driver_that_works_stays(driver: "subprocess.Popen[str]", tmp_path: Path) -> None:
    """Beside that of another one."""
    other = folder_of(driver)
    with scratch(str(tmp_path)) as folder:
        assert set(tmp_path.iterdir()) == {folder, other}
    assert (other / "block").exists()


def test_a_folder_that_takes_none_is_refused(tmp_path: Path) -> None:
    """By the setting's name, before Spark is started."""
    refused = pytest.raises(ConfigError, match=r"SPARK_SCRATCH_DIR=\S+/away takes no folder \(No such file")
    with refused, scratch(str(tmp_path / "away")):
        pass


def test_spark_writes_there(spark: SparkSession) -> None:
    """What it spills, too: a container's own /tmp would count as its memory."""
    folder = Path(spark.conf.get("spark.local.dir") or "")
    assert folder.name.startswith("k2-spark-")
    assert list(folder.glob("blockmgr-*"))
