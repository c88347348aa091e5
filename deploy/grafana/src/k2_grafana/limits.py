"""The colours of a panel's values: good below its limits, or above them where least is what counts."""

from collections.abc import Mapping
from typing import NamedTuple

from k2_grafana.alerts import Alert
from k2_grafana.panels import Panel

GOOD = "green"
_COLOURS = {"ticket": "orange", "page": "red"}


class Step(NamedTuple):
    """From a value on, None for the lowest of all, values have a colour."""

    value: float | None
    colour: str


def steps(panel: Panel, alerts: Mapping[str, Alert]) -> list[Step]:
    """The steps of a panel, from the lowest up: the limits of its alerts, or its own in the worst of their colours."""
    watching = [alerts[name] for name in panel.alerts]
    limits = {limit: _worst(watching) for limit in panel.limits} or {
        alert.limit: _COLOURS[alert.severity] for alert in watching if alert.limit is not None
    }
    values, colours = sorted(limits), [limits[value] for value in sorted(limits)]
    is_least = not panel.limits and any(alert.is_least for alert in watching)
    return [
        Step(*step) for step in zip([None, *values], [*colours, GOOD] if is_least else [GOOD, *colours], strict=True)
    ]


def _worst(watching: list[Alert]) -> str:
    return _COLOURS["page" if any(alert.severity == "page" for alert in watching) else "ticket"]
