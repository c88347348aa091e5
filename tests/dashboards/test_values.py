"""Values are written as a person reads them; a question's answers are told apart by their labels."""

import pytest
from tests.dashboards.asking import legend, lines, of_events
from tests.dashboards.values import written
from tests.prometheus import configuration

from k2_grafana.panels import Series


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0, "s", "0 s"),
        (0.0042, "s", "4.2 ms"),
        (90, "s", "1.5 min"),
        (100_000, "short", "100 k"),
        (0, "recps", "0 rec/s"),
        (1_536, "bytes", "1.5 KiB"),
        (1_536, "Bps", "1.5 KiB/s"),
        (0.125, "percentunit", "12.5%"),
        (-3, "short", "-3"),
    ],
)
def test_a_value_is_written_in_the_largest_unit_of_which_it_has_one(value: float, unit: str, said: str) -> None:
    """As Grafana would."""
    assert written(value, unit) == said


def test_a_series_without_values_is_no_answer() -> None:
    """A quantile of nothing has a series, and no number in it."""
    found = lines(Series("up", "{{job}}"), [({"job": "gold"}, [(1.0, 2.0)]), ({"job": "silver"}, [])])
    assert [(line.name, line.last) for line in found] == [("gold", 2.0)]


def test_a_zero_that_stands_for_nothing_is_told_apart() -> None:
    """A question of rare events ends with the zero of who could have them."""
    asked = of_events(Series("sum(lost) > 0 or lost unless lost offset 1h or 0 * max(sockets)", "lost"))
    assert asked
    assert asked.expr == "sum(lost) > 0 or lost unless lost offset 1h"
    assert of_events(Series("rate(a[1m]) or rate(b[1m])", "a")) is None
    assert of_events(Series("up", "up")) is None


def test_a_label_that_a_series_has_not_is_left_out() -> None:
    """As of a zero that stands for all reasons."""
    assert legend("{{exchange}} {{reason}}", {"exchange": "KRAKEN"}) == "KRAKEN"


def test_prometheus_is_configured_as_in_production() -> None:
    """The same jobs and rules, at other places."""
    found = configuration({"gold": 1, "silver": 2}, 5)
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in found["scrape_configs"]}
    assert targets == {"gold": ["127.0.0.1:1"], "silver": ["127.0.0.1:2"]}
    assert all(path.endswith(".yaml") for path in found["rule_files"])
