"""Write every dashboard of deploy/grafana/dashboards; what has no table here any more goes."""

from collections.abc import Mapping
from pathlib import Path

from k2_grafana import alerts, building, feeds, pipeline, quality, resources, tiers

ROOT = Path(__file__).parents[4]
FOLDER = ROOT / "deploy/grafana/dashboards"
DASHBOARDS = (pipeline.DASHBOARD, feeds.DASHBOARD, quality.DASHBOARD, tiers.DASHBOARD, resources.DASHBOARD)


def files() -> Mapping[str, str]:
    """The text of each file by its name."""
    rules = alerts.read(ROOT / "deploy/prometheus/alerts.yaml")
    return {f"{each.name}.json": building.text(each, rules, ROOT) for each in DASHBOARDS}


def main() -> None:
    """Replace the folder's content."""
    FOLDER.mkdir(exist_ok=True)
    written = files()
    for path in FOLDER.glob("*.json"):
        if path.name not in written:
            path.unlink()
    for name, text in written.items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
