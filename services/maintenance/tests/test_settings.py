"""When the maintenance works, and what it refuses."""

import pytest

from k2_shared.core.errors import ConfigError
from maintenance.settings import MaintainerSettings


def test_it_works_at_two_in_the_night_for_an_hour() -> None:
    """In UTC, by default, on two threads of its own."""
    settings = MaintainerSettings.load()
    assert (settings.maintenance_schedule, settings.maintenance_limit_s) == ("0 2 * * *", 3_600)
    assert settings.spark_master == "local[2]"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("maintenance_schedule", "daily"),
        ("maintenance_orphan_age_s", 86_399),
        ("spark_master", "yarn"),
        ("spark_driver_memory", "lots"),
    ],
)
def test_what_would_hurt_is_refused(name: str, value: str | int) -> None:
    """Files younger than a day may be someone's who has yet to commit."""
    with pytest.raises(ConfigError, match=f"{name.upper()}="):
        MaintainerSettings.load(**{name: value})
