"""What ``make bench-core`` judges."""

import json

import pytest
from tests.bench import core
from tests.bench.core import LIMIT_MB, Cost, judged, numbers


def cost(peak_mb: float) -> Cost:
    return Cost(records=100, cpu_s=2.0, clock_s=1.0, peak_mb=peak_mb)


def test_each_of_ours_is_judged_by_its_memory() -> None:
    """At the limit is within it; what others take is told and judged by nobody."""
    costs = {"silver": cost(LIMIT_MB), "gold": cost(LIMIT_MB + 1), "faust": cost(10 * LIMIT_MB)}
    assert judged(costs) == ["gold took 257 MB of memory, more than 256"]
    assert numbers(costs) == {"silver": 50, "gold": 50, "faust": 50, "silver_peak_mb": 256, "gold_peak_mb": 257}


def test_what_was_not_measured_is_not_judged() -> None:
    """With --only."""
    assert judged({"faust": cost(10 * LIMIT_MB)}) == []


@pytest.mark.parametrize(
    ("peak_mb", "said"), [(LIMIT_MB, None), (300.0, "silver took 300 MB of memory, more than 256")]
)
def test_too_much_is_exit_1_after_the_numbers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], peak_mb: float, said: str | None
) -> None:
    """The last line of stdout is JSON, whatever the verdict."""
    costs = {"silver": cost(peak_mb)}
    monkeypatch.setattr(core, "run", lambda *_: None)
    monkeypatch.setattr(core, "bounded", lambda _: (costs, []))
    monkeypatch.setattr("sys.argv", ["core"])
    if said:
        with pytest.raises(SystemExit, match=said):
            core.main()
    else:
        core.main()
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == numbers(costs)
