"""The operations page shows each dashboard as it is today."""

import pytest
from tests.dashboards.picture import is_of

from k2_grafana.__main__ import DASHBOARDS, ROOT
from k2_grafana.panels import Dashboard

PAGE = ROOT / "deploy/README.md"
AGAIN = "run: make soak ARGS='--pictures deploy/grafana/pictures', and look at it"


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.name)
def test_a_dashboard_has_a_picture_of_its_panels(dashboard: Dashboard) -> None:
    """A panel that is new is drawn, and one that is gone is not shown any more."""
    place = f"grafana/pictures/{dashboard.name}.png"
    assert f"]({place})" in PAGE.read_text()
    assert is_of(PAGE.parent / place, dashboard), AGAIN
