"""What a dashboard is: rows of panels, each with its question, its expressions and its limits. Values, no behaviour."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial


class Kind(Enum):
    """How a panel shows its series."""

    GRAPH = "timeseries"
    NUMBER = "stat"
    BARS = "bargauge"


@dataclass(frozen=True)
class Series:
    """What is asked of Prometheus, and by which labels its answers are told apart, as ``{{job}}``."""

    expr: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """One question; ``alerts`` are those of Prometheus that watch the same, and their limits are the panel's.

    ``limits`` take their place where the panel does not show what the alert compares: 1, where it counts what is wrong.
    ``width`` is of 24.
    """

    title: str
    about: str
    unit: str
    series: Sequence[Series]
    kind: Kind
    width: int
    alerts: Sequence[str] = ()
    limits: Sequence[float] = ()


@dataclass(frozen=True)
class Row:
    """Panels under one title, and the READMEs of the services that measure what they show."""

    title: str
    readmes: Sequence[str]
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Dashboard:
    """One page: the question that it answers, and the rows that do."""

    name: str
    title: str
    about: str
    rows: Sequence[Row]

    @property
    def panels(self) -> list[Panel]:
        """The panels of all rows, from left to right and from the top down."""
        return [panel for row in self.rows for panel in row.panels]


Asked = tuple[str, str]
"""An expression and its legend."""


def _panel(
    kind: Kind,
    title: str,
    about: str,
    unit: str,
    *asked: Asked,
    alerts: Sequence[str] = (),
    limits: Sequence[float] = (),
    width: int,
) -> Panel:
    series = [Series(expr, legend) for expr, legend in asked]
    return Panel(title, about, unit, series, kind, width, alerts, limits)


graph = partial(_panel, Kind.GRAPH, width=8)
"""A panel with lines over time."""
number = partial(_panel, Kind.NUMBER, width=4)
"""A panel with what is true now, in large print."""
bars = partial(_panel, Kind.BARS, width=8)
"""A panel with what is true now of each of many, beside each other."""
