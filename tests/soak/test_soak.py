"""What ``make soak`` makes of what it saw: growth, alerts, and what the command line said."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.bench.under_load import STAGES, Sample, Watched
from tests.prometheus import RULES, configuration
from tests.soak.findings import FLOOR_MB, LAYERS, Consistency, Findings, Seen, Trend
from tests.soak.run import numbers, shown

from k2.resources.facts import Usage

EQUAL = Consistency(LAYERS, (), 1_000)
FINE = Findings({"gold": Trend(200.0, 210.0)}, [], Seen([], []), "ok", EQUAL, hour_closed=True)


def layers(count: int = LAYERS, unequal: Sequence[int] = (), rows: int = 10) -> dict[str, Any]:
    """A line of ``k2 consistency --json``."""
    found = [{"layer": f"layer {n}", "cold": rows, "equal": n not in unequal} for n in range(count)]
    return {"rows": found, "equal": not unequal}


def test_a_trend_is_of_the_second_and_the_last_sixth() -> None:
    """What fills caches at the start is no growth, and one sample is no trend."""
    start, second, middle, last = [100.0] * 10, [300.0] * 9 + [9_000.0], [400.0] * 30, [310.0] * 10
    assert Trend.of(start + second + middle + last) == Trend(300.0, 310.0)
    assert Trend.of([5.0]) == Trend(5.0, 5.0)


@pytest.mark.parametrize(
    ("before_mb", "after_mb", "is_flat"),
    [
        (50.0, 50.0 + FLOOR_MB, True),
        (50.0, 51.0 + FLOOR_MB, False),
        (1_000.0, 1_100.0, True),
        (1_000.0, 1_101.0, False),
    ],
)
def test_growth_is_allowed_up_to_a_share_or_a_floor(before_mb: float, after_mb: float, is_flat: bool) -> None:
    """Whichever is more."""
    assert Trend(before_mb, after_mb).is_flat is is_flat


def test_a_run_in_which_all_was_well_has_no_problem() -> None:
    """Nothing grew, nothing fired, nothing differs."""
    assert FINE.problems == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"trends": {"gold": Trend(200.0, 300.0)}}, "gold grew from 200 to 300 MB"),
        ({"ended": ["silver"]}, "silver has ended"),
        ({"saw": Seen(["K2Lag"], [])}, "K2Lag fired"),
        ({"saw": Seen([], ["feeds: Gaps: k2_gaps"])}, "no answer: feeds: Gaps: k2_gaps"),
        ({"saw": None}, "nothing was watched: there is no Prometheus here"),
        ({"status": "gold is not ready"}, "k2 status: gold is not ready"),
        (
            {"consistency": Consistency.of(layers(unequal=[2]))},
            "k2 consistency: 9 layers of 9, 90 cold rows, differing: layer 2",
        ),
        ({"consistency": Consistency.of(layers(8))}, "k2 consistency: 8 layers of 9, 80 cold rows, differing: none"),
        (
            {"consistency": Consistency.of(layers(rows=0))},
            "k2 consistency: 9 layers of 9, 0 cold rows, differing: none",
        ),
    ],
)
def test_whatever_is_not_as_it_must_be_is_a_problem(changes: dict[str, Any], problem: str) -> None:
    """Each alone; what nobody looked at is not well."""
    assert replace(FINE, **changes).problems == [problem]


def test_before_an_hour_has_closed_there_is_nothing_to_compare() -> None:
    """A short run's tiers are equal where both are empty."""
    assert Consistency.of(layers(rows=0)).is_equal(compared=False)


def test_a_rate_that_was_not_held_is_a_problem_of_the_run() -> None:
    """The last line has the numbers of both."""
    found = Watched(1_000.0, ["gold"])
    for at in range(0, 65, 5):
        found.samples.append(Sample(at, dict.fromkeys(STAGES, 900 * at), {"gold": Usage(0.1, 100.0)}))
    said = numbers(found, FINE)
    assert (said["minutes"], said["offered"], said["is_held"]) == (1.0, 1_000.0, False)
    assert said["problems"] == ["900 of 1000 trades a second were held"]
    assert said["memory_mb"] == {"gold": [200.0, 210.0]}
    assert len(shown(found, FINE)) == 1


def test_prometheus_watches_what_is_here_by_the_projects_own_rules() -> None:
    """Each job at its port; a job that is not here is not asked for."""
    found = configuration({"gold": 6_064, "silver": 6_063})
    targets = {each["job_name"]: each["static_configs"][0]["targets"] for each in found["scrape_configs"]}
    assert targets == {"gold": ["127.0.0.1:6064"], "silver": ["127.0.0.1:6063"]}
    assert str(RULES / "alerts.yaml") in found["rule_files"]
