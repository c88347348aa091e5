"""What ``make bench-maintenance`` judges."""

import json
from dataclasses import replace

import pytest
from tests.bench import maintenance
from tests.bench.maintenance import GOAL_MB, Measured, State, judged, numbers

_STATE = State(files=48, bytes=1_000, rows=9_600, scan_s=1.0)
GOOD = Measured(_STATE, replace(_STATE, files=24), seconds=60.0, memory_mb=GOAL_MB, appended=60, failures=0)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (GOOD, []),
        (replace(GOOD, failures=1, appended=59), ["1 of 60 appends failed"]),
        (replace(GOOD, appended=0), ["nothing was appended meanwhile"]),
        (replace(GOOD, memory_mb=GOAL_MB + 1), ["the maintenance took 4,097 MB of memory, more than 4,096"]),
    ],
)
def test_appends_and_memory_are_judged(found: Measured, said: list[str]) -> None:
    """At the goal is within it."""
    assert judged(found) == said


@pytest.mark.parametrize("failures", [0, 2])
def test_a_failed_append_is_exit_1_after_the_numbers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], failures: int
) -> None:
    """The last line of stdout is JSON, whatever the verdict."""
    found = replace(GOOD, failures=failures)
    monkeypatch.setattr(maintenance, "measure", lambda _: None)
    monkeypatch.setattr(maintenance, "bounded", lambda *_: found)
    monkeypatch.setattr("sys.argv", ["maintenance"])
    if failures:
        with pytest.raises(SystemExit, match="2 of 62 appends failed"):
            maintenance.main()
    else:
        maintenance.main()
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == numbers(found)
