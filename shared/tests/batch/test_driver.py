"""A driver's lines, its failure and its end, with children that are Python alone."""

import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from k2_shared.batch.driver import Driver, Line
from k2_shared.batch.settings import SparkSettings
from k2_shared.core.errors import ConfigError, Halt, K2Error, Unavailable
from k2_support.waiting import wait_for

BEGUN = 'import os, sys, time; print(\'{"event": "begun", "pid": %d}\' % os.getpid(), flush=True)'
WATCHES = f"{BEGUN}; sys.stdin.read(); sys.exit(143)"
DEAF = f"{BEGUN}; time.sleep(600)"
PATIENCE_S = 60


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where modules are found."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def driver(place: Path, code: str, arguments: Sequence[str] = (), **settings: float) -> Driver:
    """A driver that runs some code."""
    (place / "job.py").write_text(code)
    return Driver(SparkSettings.load(spark_python=sys.executable, **settings), "job", arguments)


def test_each_line_is_handed_on(place: Path) -> None:
    """What others print is none, also where it is JSON."""
    code = 'import sys; print(\'noise\'); print(\'[1]\'); print(\'{"event": "done", "given": "%s"}\' % sys.argv[1])'
    told: list[Line] = []
    driver(place, code, ["x"]).run(told.append)
    assert told == [{"event": "done", "given": "x"}]


@pytest.mark.parametrize(("code", "kind"), [(2, ConfigError), (3, Halt), (4, Unavailable), (1, K2Error)])
def test_a_failure_has_its_kind_and_reason(place: Path, code: int, kind: type[K2Error]) -> None:
    """By the exit code, and the last word."""
    failing = driver(place, f'import sys; print(\'{{"event": "failed", "reason": "why"}}\'); sys.exit({code})')
    with pytest.raises(K2Error, match=r"^why$") as raised:
        failing.run(lambda _: None)
    assert type(raised.value) is kind


def test_a_death_without_a_word_shows_what_was_said_last(place: Path) -> None:
    """As of Python's own errors, or of a Java that finds no memory."""
    with pytest.raises(K2Error, match=r"exit code 1: .*ZeroDivisionError"):
        driver(place, "1 / 0").run(lambda _: None)


def test_a_long_chatter_on_stderr_stops_nobody(place: Path) -> None:
    """Spark's logs are larger than a pipe."""
    told: list[Line] = []
    driver(place, "import sys; sys.stderr.write('x' * 1_000_000 + '\\n'); print('{\"event\": \"done\"}')").run(
        told.append
    )
    assert told == [{"event": "done"}]


def test_without_spark_it_is_said_what_to_do(place: Path) -> None:
    """In this environment, and at a Python that is not there."""
    with pytest.raises(ConfigError, match="Spark is not in this environment: run 'make spark'"):
        Driver(SparkSettings.load(), "job").run(lambda _: None)
    absent = SparkSettings.load(spark_python=str(place / "python"))
    with pytest.raises(ConfigError, match=r"SPARK_PYTHON=.* cannot be run \(No such file or directory\)"):
        Driver(absent, "job").run(lambda _: None)


@pytest.mark.parametrize(("code", "grace_s"), [(WATCHES, 60.0), (DEAF, 0.2)])
def test_it_is_stopped_from_another_thread(place: Path, code: str, grace_s: float) -> None:
    """By its stdin; one that does not listen is killed."""
    running = driver(place, code, spark_stop_s=grace_s)
    pids: list[int] = []

    def begun(line: Line) -> None:
        pids.append(line["pid"])
        threading.Thread(target=running.stop).start()

    with pytest.raises(Unavailable, match="was stopped"):
        running.run(begun)
    assert not is_there(pids[0])


def test_one_that_does_not_end_in_time_is_ended(place: Path) -> None:
    """Whatever it is at."""
    told: list[Line] = []
    with pytest.raises(Unavailable, match=r"did not end in 0\.5 s"):
        driver(place, DEAF, spark_stop_s=0.2).run(told.append, 0.5)
    assert not [line for line in told if is_there(line["pid"])]


def test_one_that_ends_in_time_is_let_alone(place: Path) -> None:
    """Its limit does not outlive it."""
    before = set(threading.enumerate())
    driver(place, "pass").run(lambda _: None, 600)
    wait_for(lambda: not _timers() - before, PATIENCE_S, "the end of the limit")


def _timers() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if isinstance(each, threading.Timer)}


def test_what_it_leaves_behind_ends_with_it(place: Path) -> None:
    """As Java does that was just being started: it holds the driver's stdout open, and nobody would tell it to end."""
    left = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"
    code = f"import json, subprocess, sys; print(json.dumps({{'event': 'left', 'pid': {left}.pid}}), flush=True)"
    told: list[Line] = []
    driver(place, code).run(told.append)
    wait_for(lambda: not is_there(told[0]["pid"]), PATIENCE_S, "what was left behind to end")


def is_there(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_one_that_was_stopped_before_does_not_start(place: Path) -> None:
    """A service that ends while it waits for its turn."""
    waiting = driver(place, "open('begun', 'w')")
    waiting.stop()
    with pytest.raises(Unavailable):
        waiting.run(lambda _: None)


def test_it_ends_with_its_parent(place: Path) -> None:
    """That is killed, and can end nothing itself."""
    (place / "job.py").write_text(WATCHES)
    (place / "parent.py").write_text(
        "import sys\n"
        "from k2_shared.batch.driver import Driver\n"
        "from k2_shared.batch.settings import SparkSettings\n"
        "print('started', flush=True)\n"
        "Driver(SparkSettings.load(spark_python=sys.executable), 'job')"
        ".run(lambda line: print(line['pid'], flush=True))\n"
    )
    parent = psutil.Popen([sys.executable, "-m", "parent"], stdout=-1, text=True)
    assert parent.stdout
    assert parent.stdout.readline() == "started\n"
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait(PATIENCE_S)
    wait_for(lambda: not is_there(pid), PATIENCE_S, "the driver to end")
