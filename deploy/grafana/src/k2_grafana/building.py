"""Dashboards as Grafana reads them, by its own types."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from grafana_foundation_sdk.builders import bargauge, common, stat, timeseries
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models import dashboard as models

from k2_grafana import limits
from k2_grafana.alerts import Alert
from k2_grafana.panels import Dashboard, Kind, Panel, Row, Series

DATASOURCE = models.DataSourceRef(type_val="prometheus", uid="prometheus")
REPOSITORY = "https://git.example.org/k2/blob/main"
"""Where this repository is read, so that a panel leads to its runbook: the one line to change, then make dashboards."""
TAG = "k2"
_HEIGHTS = {Kind.GRAPH: 8, Kind.NUMBER: 4, Kind.BARS: 8}

Built = TypeVar("Built", timeseries.Panel, stat.Panel, bargauge.Panel)
Builder = timeseries.Panel | stat.Panel | bargauge.Panel


def text(dashboard: Dashboard, alerts: Mapping[str, Alert], root: Path) -> str:
    """A dashboard's file; ``root`` is the repository, whose READMEs are looked into."""
    return json.dumps(_page(dashboard, alerts, root).build(), cls=JSONEncoder, indent=1, sort_keys=True) + "\n"


def runbooks(row: Row, panel: Panel, alerts: Mapping[str, Alert]) -> list[str]:
    """The READMEs that say what to do: those of the row, and those of the panel's alerts."""
    return list(dict.fromkeys([*(alerts[name].readme for name in panel.alerts), *row.readmes]))


def _page(dashboard: Dashboard, alerts: Mapping[str, Alert], root: Path) -> builders.Dashboard:
    page = builders.Dashboard(dashboard.title).uid(f"{TAG}-{dashboard.name}").description(dashboard.about)
    page.tags([TAG]).readonly().refresh("15s").time("now-1h", "now").timezone("utc")
    page.tooltip(models.DashboardCursorSync.CROSSHAIR)
    page.link(builders.DashboardLink("K2").type(models.DashboardLinkType.DASHBOARDS).tags([TAG]).keep_time(True))
    page.with_variable(builders.TextBoxVariable("repository").label("READMEs at").default_value(REPOSITORY))
    number = 0
    for row in dashboard.rows:
        number += 1
        page.with_row(builders.Row(row.title).id(number))
        for panel in row.panels:
            number += 1
            built = _BUILDERS[panel.kind](panel, limits.steps(panel, alerts))
            page.with_panel(built.id(number).links([_link(readme, root) for readme in runbooks(row, panel, alerts)]))
    return page


def _link(readme: str, root: Path) -> builders.DashboardLink:
    """A link to the heading of a README below which its alerts are."""
    text = (root / readme).read_text()
    (heading,) = (each for each in ("Alerts", "Runbooks") if f"\n## {each}\n" in text)
    url = f"${{repository}}/{readme}#{heading.lower()}"
    title = f"Runbook: {Path(readme).parent.name}"
    return builders.DashboardLink(title).url(url).type(models.DashboardLinkType.LINK).target_blank(True)


def _graph(panel: Panel, steps: list[limits.Step]) -> timeseries.Panel:
    built = _common(timeseries.Panel(), panel, steps, instant=False)
    built.color_scheme(builders.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC))
    built.line_width(1).fill_opacity(8).show_points(shapes.VisibilityMode.NEVER).axis_soft_min(0)
    legend = common.VizLegendOptions().show_legend(True).placement(shapes.LegendPlacement.BOTTOM)
    built.legend(legend.display_mode(shapes.LegendDisplayMode.LIST))
    built.tooltip(common.VizTooltipOptions().mode(shapes.TooltipDisplayMode.MULTI).sort(shapes.SortOrder.DESCENDING))
    style = shapes.GraphThresholdsStyleMode.DASHED if len(steps) > 1 else shapes.GraphThresholdsStyleMode.OFF
    return built.thresholds_style(common.GraphThresholdsStyleConfig().mode(style))


def _number(panel: Panel, steps: list[limits.Step]) -> stat.Panel:
    built = _common(stat.Panel(), panel, steps, instant=True)
    built.color_scheme(builders.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
    built.text_mode(shapes.BigValueTextMode.AUTO).graph_mode(shapes.BigValueGraphMode.NONE)
    return built.color_mode(shapes.BigValueColorMode.VALUE).reduce_options(_last())


def _bars(panel: Panel, steps: list[limits.Step]) -> bargauge.Panel:
    built = _common(bargauge.Panel(), panel, steps, instant=True)
    built.color_scheme(builders.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
    built.orientation(shapes.VizOrientation.HORIZONTAL).display_mode(shapes.BarGaugeDisplayMode.BASIC)
    return built.min(0).reduce_options(_last())


_BUILDERS: Mapping[Kind, Callable[[Panel, list[limits.Step]], Builder]] = {
    Kind.GRAPH: _graph,
    Kind.NUMBER: _number,
    Kind.BARS: _bars,
}


def _common(built: Built, panel: Panel, steps: list[limits.Step], *, instant: bool) -> Built:
    """What every kind of panel has: its words, unit, place, limits and questions."""
    built.title(panel.title).description(panel.about).unit(panel.unit).datasource(DATASOURCE)
    built.span(panel.width).height(_HEIGHTS[panel.kind])
    thresholds = [models.Threshold(value=step.value, color=step.colour) for step in steps]
    built.thresholds(builders.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(thresholds))
    for place, series in enumerate(panel.series):
        built.with_target(_target(series, chr(ord("A") + place), instant=instant))
    return built


def _target(series: Series, reference: str, *, instant: bool) -> Dataquery:
    asked = Dataquery().expr(series.expr).legend_format(series.legend).ref_id(reference).datasource(DATASOURCE)
    return asked.instant() if instant else asked.range()


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)
