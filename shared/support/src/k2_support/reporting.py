"""Additions to pytest's report: the logs of a failed test's processes, and what the slowest tests waited for."""

import signal
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from k2_support.waiting import WAITS

_BEGAN = pytest.StashKey[tuple[Path, float]]()
_WAITS = "waits"
_LOGS = 12
_LOG_LINES = 40
_LOG_BYTES = 20_000
_SLOWEST = 12
_SLOW_S = 1.0


@pytest.fixture(autouse=True)
def _begun(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Note where this test's processes log, and since when."""
    request.node.stash[_BEGAN] = tmp_path_factory.getbasetemp(), time.time()
    WAITS.made.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to a failed test's report what its processes logged, and to every report what was waited for."""
    report = yield
    if report.when == "call":
        report.user_properties.append((_WAITS, [(wait.what, round(wait.seconds or 0, 1)) for wait in WAITS.made]))
    if report.failed and _BEGAN in item.stash:
        report.sections += [(f"end of {path.name}", text) for path, text in _written_since(*item.stash[_BEGAN])]
    return report


def _written_since(folder: Path, began: float) -> Iterator[tuple[Path, str]]:
    """The ends of the logs that were written to since a time, the newest last."""
    logs = [
        path for path in folder.rglob("*.log") if path.is_file() and not path.stem.isdigit()
    ]  # not Kafka's own data
    written = sorted((path.stat().st_mtime, path) for path in logs)
    for at, path in written[-_LOGS:]:
        if at >= began:
            with path.open("rb") as log:
                log.seek(max(0, path.stat().st_size - _LOG_BYTES))
                yield path, "\n".join(log.read().decode(errors="replace").splitlines()[-_LOG_LINES:])


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_timeout_set_timer(item: Any, settings: Any) -> bool:
    """Fail a test at its time-out by what it waits for, not by the stacks of every idle thread."""

    def expired(_number: int, _frame: FrameType | None) -> None:
        waiting = [wait.what for wait in WAITS.made if wait.seconds is None]
        pytest.fail(f"timed out after {settings.timeout:g} s, waiting for {' and '.join(waiting) or 'something'}")

    def cancel() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)

    item.cancel_timeout = cancel
    signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, settings.timeout)
    return True


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """List the slowest tests and their longest waits."""
    passed = terminalreporter.stats.get("passed", ())
    slow = [report for report in passed if report.when == "call" and report.duration >= _SLOW_S]
    if slow:
        terminalreporter.section("slowest tests, and what they waited for")
    for report in sorted(slow, key=lambda report: report.duration, reverse=True)[:_SLOWEST]:
        terminalreporter.write_line(f"{report.duration:6.1f} s  {report.nodeid}")
        for what, seconds in sorted(dict(report.user_properties).get(_WAITS, ()), key=lambda wait: -wait[1])[:3]:
            if seconds >= _SLOW_S:
                terminalreporter.write_line(f"          {seconds:6.1f} s for {what}")
