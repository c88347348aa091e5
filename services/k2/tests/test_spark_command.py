"""``k2 spark`` where there is no Spark, and what its job's result is worth; the rest is in deploy/spark/tests."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner

from k2.main import app
from k2.spark.job import Computed
from k2_local.ports import SPARK
from k2_local.processes import Process
from k2_local.stack_state import StackState
from k2_shared.core.errors import K2Error
from k2_support.ports import HOST
from k2_support.spark_master import application, said, web_ui, worker

NUMBERS, TOTAL = 1_000, 499_500
PORTS = {name: 20_001 + number for number, name in enumerate(name for names in SPARK.values() for name in names)}
WORKERS = [worker(PORTS["spark_worker_1"], cores_used=2), worker(PORTS["spark_worker_2"], cores_used=2)]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def k2(state: Path, words: str, **environ: str) -> Any:
    command, *options = words.split()
    given = ["spark", command, "--state", str(state), *options]
    return CliRunner().invoke(app, given, env={"SPARK_PYTHON": sys.executable, **environ})


@pytest.fixture
def pretended(state: Path) -> Iterator[dict[str, Any]]:
    """A cluster whose every process is this one; its Web UI says what is put in here."""
    answer = said(f"spark://{HOST}:{PORTS['spark']}")
    own, remembered = psutil.Process(), StackState(state / "spark")
    with web_ui(answer) as port:
        remembered.remember_ports({**PORTS, "spark_web": port})
        for part in SPARK:
            remembered.remember(part, Process(own.pid, own.create_time()))
        yield answer


def test_up_without_spark_is_one_line_and_exit_2(state: Path) -> None:
    """It says what to install and what to set, and leaves nothing behind."""
    done = k2(state, "up")
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "make spark" in done.stderr
    assert "SPARK_PYTHON" in done.stderr
    assert not state.exists()


def test_up_with_a_python_that_is_none_is_one_line_and_exit_2(state: Path) -> None:
    """It names what was given."""
    done = k2(state, "up", SPARK_PYTHON="/no/python")
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("k2: SPARK_PYTHON=/no/python cannot be run")


def test_where_none_was_started_status_says_so(state: Path) -> None:
    """Exit 1; it needs no Spark."""
    done = k2(state, "status", SPARK_PYTHON="")
    assert done.exit_code == 1
    assert [line.split()[:2] for line in done.stdout.splitlines()[1:]] == [[name, "down"] for name in SPARK]
    assert done.stderr.startswith(f"no cluster was ever started in {state}: 'k2 spark up' starts one, --state or ")
    assert json.loads(k2(state, "status --json").stdout)["cluster"] == "down"


def test_where_none_is_up_there_is_nothing_to_submit_to(state: Path) -> None:
    """Exit 4, and the line says how to start one."""
    done = k2(state, "test-job")
    assert (done.exit_code, done.stdout) == (4, "")
    assert done.stderr == f"k2: no Spark cluster is up in {state}: 'k2 spark up --state {state}' starts it\n"


def test_where_none_was_started_there_is_nothing_to_stop(state: Path) -> None:
    """And nothing is made."""
    assert k2(state, "down").exit_code == 0
    assert not state.exists()


def test_logs_of_none_name_the_folder(state: Path) -> None:
    """And a part that there is none of is refused with those that there are."""
    assert f"there is no log of spark-master in {state}/spark/logs" in k2(state, "logs spark-master").stderr
    done = k2(state, "logs kafka")
    assert (done.exit_code, ", ".join(SPARK) in done.stderr) == (2, True)


def test_status_has_what_the_master_says(state: Path, pretended: dict[str, Any]) -> None:
    """Of workers and applications; where their ports are not their processes', they are not up."""
    pretended |= {"workers": WORKERS, "activeapps": [application("nightly")]}
    done = k2(state, "status")
    assert done.exit_code == 1
    assert f"{HOST}:{PORTS['spark_worker_1']}  ALIVE           2   2     1,024  2,048" in done.stdout
    assert "nightly      RUNNING      4" in done.stdout
    assert "the Spark cluster is half-dead: http://" in done.stderr
    found = json.loads(k2(state, "status --json").stdout)
    assert (found["cluster"], found["master"]) == ("half-dead", f"spark://{HOST}:{PORTS['spark']}")
    assert [(each["state"], each["cores_used"]) for each in found["workers"]] == [("ALIVE", 2)] * 2
    assert [each["name"] for each in found["applications"]] == ["nightly"]


def test_a_cluster_without_a_free_core_gets_no_job(state: Path, pretended: dict[str, Any]) -> None:
    """It would wait for the application that is named."""
    pretended |= {"workers": WORKERS, "activeapps": [application("nightly")]}
    done = k2(state, "test-job")
    assert done.exit_code == 4
    assert "no core of spark-worker-1, spark-worker-2 is free, nightly (app-2026" in done.stderr


def test_a_cluster_that_has_lost_a_worker_gets_no_job(state: Path, pretended: dict[str, Any]) -> None:
    """The line says which, and how to start it."""
    pretended |= {"workers": [worker(PORTS["spark_worker_1"]), worker(PORTS["spark_worker_2"], "DEAD")]}
    done = k2(state, "test-job")
    assert done.exit_code == 4
    assert done.stderr == f"k2: spark-worker-2 is not alive: 'k2 spark up --state {state}' starts what does not run\n"


def test_a_job_that_cannot_be_started_is_one_line(state: Path, pretended: dict[str, Any]) -> None:
    """Here there is no Spark: exit 2 as of ``up`` where there is no such Python."""
    pretended |= {"workers": [worker(PORTS["spark_worker_1"]), worker(PORTS["spark_worker_2"])]}
    done = k2(state, "test-job", SPARK_PYTHON="/no/python")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("k2: SPARK_PYTHON=/no/python cannot be run")


def test_a_right_sum_by_both_workers_is_taken() -> None:
    """It says nothing."""
    Computed(NUMBERS, TOTAL, {"spark-worker-1": 400, "spark-worker-2": 600}).judge()


@pytest.mark.parametrize(
    ("total", "workers", "told"),
    [
        (TOTAL + 1, {"spark-worker-1": 500, "spark-worker-2": 500}, "the sum is 499,500"),
        (TOTAL, {"spark-worker-1": 500, "spark-worker-2": 499}, "the job's result is wrong"),
        (TOTAL, {"spark-worker-1": 0, "spark-worker-2": 1_000}, "spark-worker-1 took no part"),
    ],
)
def test_a_wrong_sum_and_an_idle_worker_are_told(total: int, workers: dict[str, int], told: str) -> None:
    """Each is a failure of the cluster."""
    with pytest.raises(K2Error, match=told) as failed:
        Computed(NUMBERS, total, workers).judge()
    assert failed.value.exit_code == 1
