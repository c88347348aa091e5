"""A test that fails says why without a second run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import os

import pytest
from k2_support.waiting import eventually

def test_its_agent_says_why(tmp_path):
    (tmp_path / "silver.log").write_text("fenced by another owner")
    (tmp_path / "00000000.log").write_text("a segment of Kafka's data")
    assert False

@pytest.mark.timeout(1)
async def test_it_waits_for_ever():
    await eventually(lambda: False, "the first trade")

async def test_it_is_slow(tmp_path):
    moments = iter(range(60))
    await eventually(lambda: next(moments) > 55, "its turn")

def test_it_leaves_something_behind():
    os.environ["K2_PREFIX"] = "left-behind."

def test_it_finds_nothing_of_others():
    assert "K2_PREFIX" not in os.environ
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a run of such tests prints."""
    folder: Path = tmp_path_factory.mktemp("reported")
    (folder / "test_failing.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-o", "asyncio_mode=auto", "--rootdir", str(folder), str(folder)]
    apart = {name: value for name, value in os.environ.items() if name not in ("KAFKA_BOOTSTRAP_SERVERS", "K2_PREFIX")}
    done = subprocess.run(command, cwd=folder, env=apart, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout


def test_the_log_of_its_process_is_in_the_report(report: str) -> None:
    """And not the data of a broker that ran beside it."""
    assert "end of silver.log" in report
    assert "fenced by another owner" in report
    assert "end of 00000000.log" not in report


def test_a_timeout_names_what_was_awaited(report: str) -> None:
    """Stacks of idle threads are not printed."""
    assert "timed out after 1 s, waiting for the first trade" in report
    assert "Stack of" not in report


def test_the_slowest_name_what_they_waited_for(report: str) -> None:
    """With the seconds."""
    assert "s for its turn" in report.partition("slowest tests, and what they waited for")[2]


def test_a_changed_environment_is_an_error_of_who_changed_it(report: str) -> None:
    """And the next test has the one from before."""
    assert "this test left os.environ changed: K2_PREFIX" in report
    assert "test_it_finds_nothing_of_others" not in report
