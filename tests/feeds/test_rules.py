"""The judge of the feeds' alerts agrees with Prometheus on every case that Prometheus is tested with."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.feeds.rules import Judge, Labels, Rule, Scrape, seconds

CASES: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[1] / "contract/alerts/feeds.yaml").read_text()
)["tests"]  # fmt: skip
_SERIES = re.compile(r"(\w+)(?:\{(.*)\})?")


def expanded(values: str) -> Iterator[float | None]:
    """Prometheus' shorthand: ``5x3``, ``0+2x10``, ``_x4``, ``stale``."""
    for part in values.split():
        said = re.fullmatch(r"(?P<first>_|stale|-?[\d.e]+)(?:\+(?P<step>[\d.e]+))?(?:x(?P<more>\d+))?", part)
        assert said, part
        first, step, more = said["first"], float(said["step"] or 0), int(said["more"] or 0)
        if first in ("_", "stale"):
            yield from [None] * max(1, more)
        else:
            yield from (float(first) + number * step for number in range(more + 1))


def scrapes(series: list[dict[str, str]]) -> Iterator[Scrape]:
    """Series as what is read of all of them at each moment."""
    keys = []
    for each in series:
        said = _SERIES.fullmatch(each["series"])
        assert said
        keys.append((said[1], frozenset(re.findall(r'(\w+)="([^"]*)"', said[2] or ""))))
    for values in itertools.zip_longest(*(expanded(each["values"]) for each in series)):
        yield {key: value for key, value in zip(keys, values, strict=True) if value is not None}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_judge_says_what_prometheus_says(case: dict[str, Any]) -> None:
    """The cases stand in a file that promtool runs too."""
    every_s = seconds(case["interval"])
    for asked in case["alert_rule_test"]:
        judge = Judge(Rule.read(asked["alertname"]), every_s)
        for scrape in itertools.islice(scrapes(case["input_series"]), round(seconds(asked["eval_time"]) / every_s) + 1):
            judge.take(scrape)
        assert judge.fires == bool(asked["exp_alerts"]), asked


def test_a_rule_is_shortened_in_every_duration() -> None:
    """And in nothing else."""
    rule = Rule("K2Some", "sum by (exchange) (increase(k2_some_total[10m])) > 10", 300.0).shortened(60)
    assert rule.for_s == 5.0
    assert rule.expr == "sum by (exchange) (increase(k2_some_total[10000ms])) > 10"
    begun = Rule("K2Some", "sum by (exchange) (k2_a_total > 0 unless k2_a_total offset 1h) > 0", 0).shortened(3_600)
    assert begun.expr == "sum by (exchange) (k2_a_total > 0 unless k2_a_total offset 1000ms) > 0"


def test_an_alert_starts_over_where_its_series_ended() -> None:
    """What is absent at one moment holds for nothing."""
    judge = Judge(Rule("K2Some", "max by (exchange) (k2_some) > 0", 2.0), 1.0)
    labels: Labels = frozenset({("exchange", "KRAKEN"), ("instance", "a")})
    for scrape in ({("k2_some", labels): 1.0},) * 2 + ({},) + ({("k2_some", labels): 1.0},) * 3:
        judge.take(scrape)
    assert judge.fired == [False] * 5 + [True]
