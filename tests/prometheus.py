"""A real Prometheus for the length of a block, over agents of this machine, with the project's own rules."""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml
from tests.contract.alerts.tools import PROMETHEUS
from tests.served import served

from k2_support.ports import HOST

RULES = Path(__file__).parents[1] / "deploy/prometheus"
_ANSWER_S = 30.0

Answer = tuple[Mapping[str, str], list[tuple[float, float]]]
"""The labels of a series, and its values by time; those that are no number are left out."""


@dataclass(frozen=True)
class Prometheus:
    """One that runs at ``url`` and scrapes these jobs."""

    url: str
    jobs: frozenset[str]

    def now(self, expr: str) -> list[Answer]:
        """What an expression is worth now."""
        return [(each["metric"], _finite([each["value"]])) for each in self._asked("query", query=expr)]

    def over(self, expr: str, begin: float, end: float, step: float) -> list[Answer]:
        """What it was worth from one time to another, in seconds since the epoch."""
        found = self._asked("query_range", query=expr, start=begin, end=end, step=step)
        return [(each["metric"], _finite(each["values"])) for each in found]

    def fired(self, seconds: float) -> list[str]:
        """The alerts that fired in so many seconds, but those of jobs that are not here and cannot be watched."""
        found = self.now(f'count_over_time(ALERTS{{alertstate="firing"}}[{max(1, round(seconds))}s])')
        return sorted({labels["alertname"] for labels, _ in found if labels.get("job", "") in {"", *self.jobs}})

    def _asked(self, what: str, **words: object) -> list[Any]:
        with urlopen(f"{self.url}/api/v1/{what}?{urlencode(words)}", timeout=_ANSWER_S) as answer:  # noqa: S310
            found: list[Any] = json.load(answer)["data"]["result"]
            return found


def _finite(values: list[list[Any]]) -> list[tuple[float, float]]:
    read = [(float(at), float(value)) for at, value in values]
    return [(at, value) for at, value in read if math.isfinite(value)]


@contextmanager
def watching(ports: Mapping[str, int], folder: Path, interval_s: int | None = None) -> Iterator[Prometheus]:
    """Scrape agents by their names and web ports; the data and the log go to ``folder``, which is made.

    Raises:
        ConfigError: it is not here and cannot be fetched.
        Unavailable: it did not start in time.
    """
    folder.mkdir()
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(configuration(ports, interval_s)))
    command = [PROMETHEUS.fetch(), "--config.file=prometheus.yaml", "--storage.tsdb.path=data"]
    with served("prometheus", command, folder) as url:
        yield Prometheus(url, frozenset(ports))


def configuration(ports: Mapping[str, int], interval_s: int | None = None) -> dict[str, Any]:
    """The project's own with other targets, and with another interval where one is given; other jobs are left out."""
    found: dict[str, Any] = yaml.safe_load((RULES / "prometheus.yaml").read_text())
    jobs = [job["job_name"] for job in found["scrape_configs"] if job["job_name"] in ports]
    assert set(jobs) == set(ports), "each agent is a job of prometheus.yaml"
    often = {"scrape_interval": f"{interval_s}s", "evaluation_interval": f"{interval_s}s"} if interval_s else {}
    return {
        "global": found["global"] | often,
        "rule_files": [str(RULES / name) for name in found["rule_files"]],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [f"{HOST}:{ports[job]}"]}]} for job in jobs
        ],
    }
