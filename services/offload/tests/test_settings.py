"""Schedules are lines of a crontab, one for each cold table."""

import pytest

from k2_shared.cold.tables import cold_tables
from k2_shared.core.errors import ConfigError
from offload.settings import OffloadSettings


def test_each_table_has_its_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trades before the candles that are made of them; one variable for all candles."""
    monkeypatch.setenv("OFFLOAD_CANDLES_SCHEDULE", "9,39 * * * *")
    settings = OffloadSettings.load()
    found = {name: settings.schedule(name) for name in cold_tables()}
    assert list(found.values()) == ["5 * * * *", "6 * * * *", "7 * * * *", *["9,39 * * * *"] * 6]


@pytest.mark.parametrize("line", ["hourly", "5 * * *", "61 * * * *", "* * * * * *", ""])
def test_what_is_no_line_of_a_crontab_is_refused(line: str) -> None:
    """Six fields too: an offload every second is not meant."""
    with pytest.raises(ConfigError, match=r"OFFLOAD_RAW_SCHEDULE='.*' is not allowed: it is no line of a crontab"):
        OffloadSettings.load(offload_raw_schedule=line)
