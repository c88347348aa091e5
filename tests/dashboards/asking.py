"""What Prometheus says to the questions of a panel, as Grafana would ask them."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from tests.prometheus import Answer, Prometheus

from k2_grafana.panels import Dashboard, Kind, Panel, Series
from k2_grafana.promql import WINDOW

SCRAPES = 4
"""How many scrapes Grafana's window of a rate has at least."""
_POINTS = 200

Asked = Callable[[Series], Series | None]


@dataclass(frozen=True)
class Curve:
    """One series of a panel: its name in the legend, and its values by time."""

    name: str
    values: list[tuple[float, float]]

    @property
    def last(self) -> float:
        """Its newest value."""
        return self.values[-1][1]


@dataclass(frozen=True)
class Asking:
    """A Prometheus that has scraped from ``begin`` on, in seconds since the epoch, every ``interval_s``."""

    prometheus: Prometheus
    begin: float
    interval_s: int

    def silent(self, dashboards: Iterable[Dashboard], now: float) -> list[str]:
        """The questions without an answer, by dashboard and panel."""
        return self._unanswered(dashboards, now, lambda series: series)

    def zeros(self, dashboards: Iterable[Dashboard], now: float) -> list[str]:
        """The questions of rare events that zero alone answered: nothing of the kind had happened."""
        return self._unanswered(dashboards, now, of_events)

    def _unanswered(self, dashboards: Iterable[Dashboard], now: float, asked: Asked) -> list[str]:
        """What is asked of each series, if anything, and has no answer."""
        return [
            f"{dashboard.name}: {panel.title}: {question.expr}"
            for dashboard in dashboards
            for panel in dashboard.panels
            for question in filter(None, map(asked, panel.series))
            if not self._lines(panel, question, now)
        ]

    def lines(self, panel: Panel, now: float) -> list[Curve]:
        """The series of a panel up to now."""
        return [line for series in panel.series for line in self._lines(panel, series, now)]

    def _lines(self, panel: Panel, series: Series, now: float) -> list[Curve]:
        expr = series.expr.replace(WINDOW, f"{SCRAPES * self.interval_s}s")
        step = max(float(self.interval_s), (now - self.begin) / _POINTS)
        is_graph = panel.kind is Kind.GRAPH
        found = self.prometheus.over(expr, self.begin, now, step) if is_graph else self.prometheus.now(expr)
        return lines(series, found)


def of_events(series: Series) -> Series | None:
    """A question without the zero that it ends with, where it does."""
    expr, _, zero = series.expr.rpartition(" or ")
    return replace(series, expr=expr) if zero.startswith(("0 * ", "vector(0)")) else None


def lines(series: Series, answers: Iterable[Answer]) -> list[Curve]:
    """The answers to a question that have values, each under its name in the legend."""
    return [Curve(legend(series.legend, labels), values) for labels, values in answers if values]


def legend(template: str, labels: Mapping[str, str]) -> str:
    """A legend with the labels of a series, as Grafana writes it: nothing for one that it has not."""
    return re.sub(r"{{(\w+)}}", lambda found: labels.get(found[1], ""), template).strip()
