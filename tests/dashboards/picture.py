"""A dashboard as a picture: each panel in its place, as Grafana would lay it out, drawn by matplotlib."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from itertools import accumulate
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.dates import DateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from tests.dashboards.asking import Asking, Curve
from tests.dashboards.values import written

from k2_grafana import alerts
from k2_grafana.__main__ import DASHBOARDS, ROOT
from k2_grafana.limits import Step, steps
from k2_grafana.panels import Dashboard, Kind, Panel

Asked = Callable[[Panel], Sequence[Curve]]
Limited = Callable[[Panel], Sequence[Step]]

_PAGE, _BOX, _TEXT, _DIM = "#f4f5f5", "#ffffff", "#24292e", "#6e7680"
_COLOURS: Mapping[str, str] = {"green": "#2f9e44", "orange": "#e8780c", "red": "#e02f44"}
_LINES = ("#3871dc", "#e8780c", "#2f9e44", "#a352cc", "#e02f44", "#14a3a8", "#b58900", "#8f3bb8", "#6e7680", "#c15c17")
_WIDE, _DPI, _UNIT = 15.0, 80, 0.27
_HEIGHTS = {Kind.GRAPH: 9, Kind.NUMBER: 4, Kind.BARS: 9}
_HEAD = 2
_NAMED, _BARS_SHOWN = 6, 12
_COLUMNS = 24
_PALETTE = 64
_SHOWS = "panels"


@dataclass(frozen=True)
class _Area:
    """A panel, its place as shares of the figure, and what it shows there."""

    figure: Figure
    left: float
    below: float
    width: float
    height: float
    panel: Panel
    lines: Sequence[Curve]
    steps: Sequence[Step]


def draw_all(asking: Asking, now: float, folder: Path) -> None:
    """Write a picture of each dashboard up to now into a folder, under its name."""
    rules = alerts.read(ROOT / "deploy/prometheus/alerts.yaml")
    folder.mkdir(parents=True, exist_ok=True)
    for dashboard in DASHBOARDS:
        path = folder / f"{dashboard.name}.png"
        draw(dashboard, lambda panel: asking.lines(panel, now), lambda panel: steps(panel, rules), path)


def draw(dashboard: Dashboard, asked: Asked, limited: Limited, path: Path) -> None:
    """Write the picture of a dashboard as PNG."""
    places, height = _places(dashboard)
    figure = Figure(figsize=(_WIDE, height * _UNIT), dpi=_DPI, facecolor=_PAGE)
    _words(figure, 0.008, 1 - 1.2 / height, dashboard.title, 13, weight="bold")
    _words(figure, 0.16, 1 - 1.2 / height, dashboard.about, 10, colour=_DIM)
    top = float(_HEAD)
    for row in dashboard.rows:
        _words(figure, 0.008, 1 - (top + 1.0) / height, row.title, 10, weight="bold")
        top = max(places[panel.title][1] + _HEIGHTS[panel.kind] for panel in row.panels)
    for panel in dashboard.panels:
        begin, above = places[panel.title]
        left, below = begin / _COLUMNS, 1 - (above + _HEIGHTS[panel.kind]) / height
        width, high = panel.width / _COLUMNS, _HEIGHTS[panel.kind] / height
        _panel(_Area(figure, left, below, width, high, panel, asked(panel), limited(panel)))
    _save(figure, path, _titles(dashboard))


def is_of(path: Path, dashboard: Dashboard) -> bool:
    """Whether a picture shows the panels that a dashboard has today."""
    with Image.open(path) as picture:
        return picture.info.get(_SHOWS) == _titles(dashboard)


def _titles(dashboard: Dashboard) -> str:
    return "\n".join(panel.title for panel in dashboard.panels)


def _places(dashboard: Dashboard) -> tuple[dict[str, tuple[int, float]], float]:
    """Where each panel begins, by its title, in columns and units of height; and the height of all."""
    places: dict[str, tuple[int, float]] = {}
    top = float(_HEAD)
    for row in dashboard.rows:
        top += 1.5
        begins = list(accumulate((panel.width for panel in row.panels), initial=0))
        line, tallest = 0, 0
        for panel, begin in zip(row.panels, begins, strict=False):
            if begin // _COLUMNS > line:
                line, top, tallest = begin // _COLUMNS, top + tallest, 0
            places[panel.title] = (begin % _COLUMNS, top)
            tallest = max(tallest, _HEIGHTS[panel.kind])
        top += tallest
    return places, top + 0.3


def _panel(area: _Area) -> None:
    """One panel: a white box, its title and limits, and what it shows."""
    pad, high = 0.003, _UNIT / area.figure.get_figheight()
    frame = area.figure.add_axes(
        (area.left + pad, area.below + 0.12 * high, area.width - 2 * pad, area.height - 0.24 * high)
    )
    frame.set(xticks=[], yticks=[], facecolor=_BOX)
    frame.spines[:].set_color("#d8dadd")
    top = area.below + area.height - 0.95 * high
    _words(area.figure, area.left + 0.008, top, area.panel.title, 8.5, weight="bold")
    if len(area.steps) > 1 and area.panel.kind is not Kind.NUMBER:
        limits = ", ".join(written(step.value, area.panel.unit) for step in area.steps[1:] if step.value is not None)
        _words(area.figure, area.left + area.width - 0.008, top, f"limit {limits}", 7, colour=_DIM, right=True)
    _SHOWN[area.panel.kind](area)


def _graph(area: _Area) -> None:
    axes = _inside(area, left=0.052, below=2.9, above=1.3)
    ranked = sorted(area.lines, key=lambda line: -max(value for _, value in line.values))
    for place, line in enumerate(ranked):
        times = [datetime.fromtimestamp(at, UTC) for at, _ in line.values]
        colour = _LINES[place % len(_LINES)]
        axes.plot(times, [value for _, value in line.values], color=colour, linewidth=1.1)
    bottom, top = axes.get_ylim()
    axes.set_ylim(min(0.0, bottom), top if top > 0 else 1.0)
    for step in area.steps[1:]:
        if step.value is not None and step.value <= 2 * top:
            axes.axhline(step.value, color=_COLOURS[area.steps[-1].colour], linewidth=0.9, linestyle="--")
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: written(value, area.panel.unit)))
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(DateFormatter("%H:%M:%S", tz=UTC))
    axes.grid(color="#e6e8ea", linewidth=0.6)
    _legend(axes, [line.name for line in ranked], columns=3 if area.panel.width > 8 else 2)


def _legend(axes: Axes, names: Sequence[str], columns: int) -> None:
    """The names of the largest series below a graph, whose lines come first, and how many more there are."""
    shown = [_cut(name) for name in names[:_NAMED]]
    if len(names) > _NAMED:
        shown[-1] = f"{shown[-1]} and {len(names) - _NAMED} more"
    axes.legend(
        axes.get_lines()[: len(shown)],
        shown,
        loc="upper left",
        bbox_to_anchor=(-0.035 / axes.get_position().width, -0.16),  # where the numbers at the axis begin
        ncols=columns,
        fontsize=6.5,
        frameon=False,
        labelcolor=_TEXT,
        handlelength=1.2,
        columnspacing=1.0,
        borderaxespad=0,
        labelspacing=0.25,
    )


def _cut(name: str, most: int = 34) -> str:
    return name if len(name) <= most else f"…{name[-most:]}"


def _number(area: _Area) -> None:
    share = area.width / max(1, len(area.lines))
    for place, line in enumerate(sorted(area.lines, key=lambda line: line.name)):
        middle = area.left + share * (place + 0.5)
        said, colour = written(line.last, area.panel.unit), _COLOURS[_colour(line.last, area.steps)]
        area.figure.text(
            middle, area.below + 0.48 * area.height, said, fontsize=16, color=colour, ha="center", va="center"
        )
        area.figure.text(
            middle, area.below + 0.17 * area.height, line.name, fontsize=7, color=_DIM, ha="center", va="center"
        )


def _bars(area: _Area) -> None:
    ranked = sorted(area.lines, key=lambda line: (-line.last, line.name))
    shown = ranked[:_BARS_SHOWN][::-1]
    axes = _inside(area, left=0.4 * area.width, below=0.7, above=1.5)
    colours = [_COLOURS[_colour(line.last, area.steps)] for line in shown]
    axes.barh(range(len(shown)), [line.last for line in shown], color=colours, height=0.62)
    more = f" and {len(ranked) - len(shown)} more" if len(ranked) > len(shown) else ""
    axes.set_yticks(
        range(len(shown)), [f"{_cut(line.name, 26)}{more if not at else ''}" for at, line in enumerate(shown)]
    )
    largest = max((line.last for line in shown), default=0.0) or 1.0
    axes.set(xlim=(0, 1.32 * largest), ylim=(min(-0.6, len(shown) - 6.5), len(shown) - 0.4), xticks=[])
    axes.spines["bottom"].set_visible(False)
    for at, line in enumerate(shown):
        axes.text(
            line.last + 0.02 * largest, at, written(line.last, area.panel.unit), fontsize=7, color=_TEXT, va="center"
        )


_SHOWN = {Kind.GRAPH: _graph, Kind.NUMBER: _number, Kind.BARS: _bars}


def _inside(area: _Area, *, left: float, below: float, above: float) -> Axes:
    """Axes within a panel; ``below`` and ``above`` are in units of height."""
    high = _UNIT / area.figure.get_figheight()
    across, up = area.width - left - 0.012, area.height - (below + above) * high
    axes = area.figure.add_axes((area.left + left, area.below + below * high, across, up))
    axes.set_facecolor(_BOX)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#c7cacd")
    axes.tick_params(labelsize=7, colors=_TEXT, length=0)
    return axes


def _colour(value: float, steps: Sequence[Step]) -> str:
    """The colour of a value: that of the highest step that it has reached."""
    return [step.colour for step in steps if step.value is None or value >= step.value][-1]


def _words(
    figure: Figure,
    left: float,
    below: float,
    said: str,
    points: float,
    *,
    weight: str = "normal",
    colour: str = _TEXT,
    right: bool = False,
) -> None:
    figure.text(left, below, said, fontsize=points, fontweight=weight, color=colour, ha="right" if right else "left")


def _save(figure: Figure, path: Path, shows: str) -> None:
    """As few bytes as a picture of few colours needs, and what it shows as its text."""
    drawn, text = BytesIO(), PngInfo()
    text.add_itxt(_SHOWS, shows)
    figure.savefig(drawn, format="png")
    with Image.open(drawn) as picture:
        picture.convert("RGB").quantize(_PALETTE).save(path, optimize=True, pnginfo=text)
