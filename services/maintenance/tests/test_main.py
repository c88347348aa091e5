"""When the agent starts its driver, what it makes of its end, and that it ends with it; Spark itself has suites."""

import asyncio
import sys
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

from k2_shared.core.metrics import Metrics
from k2_shared.core.settings import RunSettings
from k2_shared.kafka.topics import GOLD, Names
from k2_shared.kafka.turn import turn
from k2_support.plugin import Agents
from k2_support.spark_driver import SpokenDriver, unit
from k2_support.waiting import eventually, wait_for
from maintenance.main import Maintenance
from maintenance.settings import SERVICE, MaintainerSettings

DONE = {"event": "done", "left": [], "overran": False}
OVERRAN = {"event": "done", "left": ["audit of all"], "overran": True}
TABLE = "market_data.gold_crypto_trades"
IDLE_BYTES = 100e6


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SpokenDriver:
    """It ends well and says nothing, unless it is told otherwise."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("SPARK_PYTHON", sys.executable)
    return SpokenDriver(tmp_path)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(SERVICE, "test")


@pytest.fixture
def maintenance(driver: SpokenDriver, metrics: Metrics, run_settings: RunSettings) -> Maintenance:
    settings = MaintainerSettings.load(k2_prefix=run_settings.k2_prefix, maintenance_retry_s=0.1)
    return Maintenance(settings, metrics.maintenance)


def limit_s(run: str) -> float:
    """For how long a driver was told to work."""
    return float(run.removeprefix("--limit-s="))


def gauge(metrics: Metrics, name: str) -> float | None:
    return metrics.registry.get_sample_value(f"k2_maintenance_{name}")


@pytest.mark.topics(GOLD)
@pytest.mark.usefixtures("topics")
async def test_a_run_that_ends_well_is_told(maintenance: Maintenance, metrics: Metrics, driver: SpokenDriver) -> None:
    """All steps at all tables, once."""
    before = gauge(metrics, "last_success_timestamp_seconds") or 0
    driver.says([unit("compact", TABLE, files=3, files_in_fullest_partition=1), DONE])
    await maintenance.maintain()
    assert list(map(limit_s, driver.runs)) == [pytest.approx(3_600, abs=60)]
    assert (gauge(metrics, "last_success_timestamp_seconds") or 0) > before
    assert (gauge(metrics, "failed"), gauge(metrics, "overran")) == (0, 0)


@pytest.mark.topics(GOLD)
@pytest.mark.usefixtures("topics")
async def test_a_run_that_failed_is_tried_again(
    maintenance: Maintenance, metrics: Metrics, driver: SpokenDriver
) -> None:
    """Within the time of a run, until all is done."""
    driver.says([unit("compact", TABLE, reason="the catalog is away"), OVERRAN], code=4)
    running = asyncio.create_task(maintenance.maintain())
    await eventually(lambda: len(driver.runs) > 1, "a second attempt")
    assert (gauge(metrics, "failed"), gauge(metrics, "overran")) == (1, 1)
    driver.says([DONE])
    await running
    assert (gauge(metrics, "failed"), gauge(metrics, "overran")) == (0, 0)
    first, second = map(limit_s, driver.runs[:2])
    assert second < first, "an attempt has what is left of the time of all"


@pytest.mark.topics(GOLD)
@pytest.mark.usefixtures("topics")
async def test_no_attempt_begins_when_the_time_is_over(
    driver: SpokenDriver, metrics: Metrics, run_settings: RunSettings
) -> None:
    """And a driver that does not end by itself is ended: what is left is the next day's."""
    driver.says([unit("compact", TABLE, files=3, files_in_fullest_partition=1)], waits=True)
    short = {"maintenance_limit_s": 1.0, "maintenance_retry_s": 1.0, "spark_stop_s": 0.5}
    settings = MaintainerSettings.load(k2_prefix=run_settings.k2_prefix, **short)
    await Maintenance(settings, metrics.maintenance).maintain()
    assert len(driver.runs) == 1
    assert (gauge(metrics, "failed"), gauge(metrics, "overran")) == (1, 1)


@pytest.mark.topics(GOLD)
@pytest.mark.usefixtures("topics")
async def test_while_another_is_at_work_there_is_nothing_to_do(
    maintenance: Maintenance, metrics: Metrics, driver: SpokenDriver, run_settings: RunSettings, names: Names
) -> None:
    """Neither a run nor a failure."""
    async with turn(run_settings, names, SERVICE):
        await maintenance.maintain()
    assert driver.runs == []
    assert gauge(metrics, "failed") == 0


@pytest.mark.topics(GOLD)
@pytest.mark.usefixtures("topics")
async def test_it_begins_no_second_run_beside_its_own(maintenance: Maintenance, driver: SpokenDriver) -> None:
    """A timer that fires while it works; and a stop ends the driver."""
    driver.says([unit("compact", TABLE, files=3, files_in_fullest_partition=1)], waits=True)
    running = asyncio.create_task(maintenance.maintain())
    await eventually(lambda: len(driver.runs) == 1, "the run")
    await maintenance.maintain()
    await maintenance.stop()
    await running
    assert len(driver.runs) == 1


@pytest.mark.topics(GOLD)
@pytest.mark.usefixtures("topics")
def test_between_its_runs_it_is_ready_and_small(driver: SpokenDriver, agents: Agents) -> None:
    """Neither Arrow nor Iceberg is imported; it ends at once."""
    child = agents.start("maintenance", PYTHONPATH=str(driver.folder)).wait_ready()
    with urlopen(f"http://127.0.0.1:{child.web_port}/metrics", timeout=60) as answer:
        assert "k2_maintenance_failed 0.0" in answer.read().decode()
    maps = Path(f"/proc/{child.pid}/maps").read_text()
    assert not [name for name in ("pyarrow", "pyiceberg") if f"/{name}/" in maps]
    held = psutil.Process(child.pid).memory_full_info()
    assert getattr(held, "pss", held.rss) < IDLE_BYTES
    assert child.stop() == 0
    assert driver.runs == []


@pytest.mark.long
@pytest.mark.topics(GOLD)
@pytest.mark.usefixtures("topics")
def test_it_works_by_its_schedule(driver: SpokenDriver, agents: Agents) -> None:
    """Every minute here."""
    driver.says([DONE])
    child = agents.start("maintenance", PYTHONPATH=str(driver.folder), MAINTENANCE_SCHEDULE="* * * * *").wait_ready()
    wait_for(lambda: len(driver.runs) > 0, 150, "the minute")
    assert child.stop() == 0
