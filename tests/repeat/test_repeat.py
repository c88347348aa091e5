"""The repetition of the suite makes every circumstance, and overlooks no failure."""

from pathlib import Path

import pytest
from tests.repeat.plan import NO_TEST, Circumstances, FinishedRun, failures, outcome, planned_runs

FIRST = Circumstances(1, 0, False, None)
REPORT = """<testsuites><testsuite>
<testcase classname="tests.a" name="passes"/>
<testcase classname="tests.a" name="fails"><failure message="no"/></testcase>
<testcase classname="tests.b" name="breaks"><error message="setup"/></testcase>
<testcase classname="tests.b" name="breaks"><error message="teardown"/></testcase>
</testsuite></testsuites>"""


def test_half_of_the_runs_are_beside_a_load_and_in_the_background() -> None:
    """Each of the four pairs of circumstances comes, and no order comes twice but the written one."""
    runs = list(planned_runs(10, 2, seed=5))
    assert [run.load for run in runs] == [0, 2] * 5
    assert {(run.load, run.background) for run in runs} == {(0, False), (2, False), (0, True), (2, True)}
    assert [run.seed for run in runs] == [None, None, *range(7, 15)]
    assert len({run.name for run in runs}) == 10


def test_what_failed_is_named_once_a_run(tmp_path: Path) -> None:
    """Failures and errors of setup and teardown count; what passed does not."""
    junit = tmp_path / "junit.xml"
    junit.write_text(REPORT)
    assert outcome(FIRST, 1.0, 2, junit) == FinishedRun(FIRST, 1.0, 4, ("tests.a::fails", "tests.b::breaks"))


@pytest.mark.parametrize(("code", "failed"), [(0, ()), (2, (NO_TEST,))])
def test_a_run_that_ends_badly_without_a_failed_test_is_a_failure(
    tmp_path: Path, code: int, failed: tuple[str, ...]
) -> None:
    """As where the checks before the tests fail, and no report is written."""
    assert outcome(FIRST, 1.0, code, tmp_path / "none.xml").failed == failed


def test_the_most_frequent_failure_comes_first() -> None:
    """With the runs in which it failed."""
    runs = [FinishedRun(FIRST, 1.0, 2, ("a",)), FinishedRun(FIRST, 1.0, 2, ("b", "a")), FinishedRun(FIRST, 1.0, 2, ())]
    assert [(test, len(found)) for test, found in failures(runs).items()] == [("a", 2), ("b", 1)]
