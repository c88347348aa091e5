"""``k2 maintenance run`` as a person uses it, with a driver that says what it is told to; Spark itself has suites."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from services.k2.tests.gold_rows import k2

from k2_shared.core.settings import RunSettings
from k2_shared.kafka.topics import GOLD, Names
from k2_shared.kafka.turn import turn
from k2_support.spark_driver import SpokenDriver, unit

TABLE = "market_data.gold_crypto_trades"
DONE = {"event": "done", "left": [], "overran": False}
SAID = [
    {"event": "begun", "step": "compact", "table": TABLE},
    {"event": "failed_attempt", "step": "compact", "table": TABLE, "reason": "a conflict"},
    unit("compact", TABLE, files_before=1_314, files_after=2),
    unit("retention", TABLE, partitions=[f"2026-01-0{day}" for day in range(1, 8)], rows=0),
]
pytestmark = [pytest.mark.topics(GOLD), pytest.mark.usefixtures("topics")]


@pytest.fixture
def driver(tmp_path: Path) -> SpokenDriver:
    return SpokenDriver(tmp_path)


def run(driver: SpokenDriver, names: Names, *words: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
    spark = {"PYTHONPATH": str(driver.folder), "SPARK_PYTHON": sys.executable}
    return k2(names, "maintenance", "run", *words, code=code, **spark)


def test_each_step_is_a_row(driver: SpokenDriver, names: Names) -> None:
    """With what came of it; what is under way and what is tried again goes to stderr."""
    driver.says([*SAID, DONE])
    done = run(driver, names)
    assert f"compact    {TABLE}      1.5  files before 1,314, files after 2" in done.stdout
    assert "partitions 2026-01-01, 2026-01-02, 2026-01-03, 2026-01-04, 2026-01-05 and 2 more, rows 0" in done.stdout
    assert done.stderr.splitlines() == [
        f"compact of {TABLE}",
        f"compact of {TABLE}: an attempt failed: a conflict",
    ]


def test_what_is_asked_for_is_handed_on(driver: SpokenDriver, names: Names) -> None:
    """Steps, tables and the dry run."""
    driver.says([*SAID, DONE])
    words = "--step compact --step audit --table gold_crypto_trades --dry-run --json"
    found = json.loads(run(driver, names, *words.split()).stdout)
    assert driver.runs == ["--step=compact --step=audit --table=gold_crypto_trades --dry-run"]
    assert found[0] == {"step": "compact", "table": TABLE, "seconds": 1.5, "files_before": 1_314, "files_after": 2}


def test_what_could_not_be_done_is_told(driver: SpokenDriver, names: Names) -> None:
    """What was done before it, too; exit code 4."""
    reason = "not done: audit of all"
    driver.says([SAID[2], unit("audit", "all", reason="away"), {"event": "failed", "reason": reason}], code=4)
    done = run(driver, names, code=4)
    assert "files after 2" in done.stdout
    assert "away" in done.stdout
    assert done.stderr == f"k2: {reason}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--step", "vacuum"], "there is no step 'vacuum': the steps are compact, "),
        (["--table", "gold"], "there is no table 'gold': the tables are market_data.bronze_crypto_trades, "),
    ],
)
def test_what_does_not_exist_is_refused(driver: SpokenDriver, names: Names, words: list[str], said: str) -> None:
    """Before anything is started."""
    (line,) = run(driver, names, *words, code=2).stderr.splitlines()
    assert said in line
    assert driver.runs == []


def test_without_spark_it_says_what_to_do(names: Names) -> None:
    """In one line, with exit code 2."""
    (line,) = k2(names, "maintenance", "run", code=2).stderr.splitlines()
    assert line.startswith("k2: Spark is not in this environment: run 'make spark'")


async def test_beside_another_it_does_nothing(driver: SpokenDriver, run_settings: RunSettings, names: Names) -> None:
    """It says who is at work."""
    async with turn(run_settings, names, "maintenance"):
        (line,) = run(driver, names, code=4).stderr.splitlines()
    assert line.startswith("k2: maintenance is at work on ")
    assert driver.runs == []
