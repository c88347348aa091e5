"""The Spark cluster on this machine as an operator has it: up, status, a job, kill -9 of anything, down."""

import ipaddress
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from deploy.spark.tests.clusters import DEADLINE_S, ROOT, Cluster, listening

from k2_support.spark_master import application, said, worker
from k2_support.waiting import wait_for

WORKERS = ["spark-worker-1", "spark-worker-2"]
UP = dict.fromkeys(["spark-master", *WORKERS], "up")
HOLDS = """
import sys
from k2_shared.batch.settings import SparkSettings
from k2_spark.session import started

settings = SparkSettings.load(spark_master=sys.argv[1], spark_executor_memory="512m", spark_driver_memory="512m")
options = {"spark.cores.max": "4", "spark.scheduler.minRegisteredResourcesRatio": "1.0"}
with started(settings, options) as session:
    session.range(0, 100, 1, 8).count()
    print(session.sparkContext.applicationId, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One for the whole file; whatever a test has left, nothing of it runs in the end."""
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    yield made
    made.k2("down")
    assert made.running() == []


@pytest.fixture
def cluster(shared: Cluster) -> Cluster:
    """It is up."""
    shared.up()
    return shared


@pytest.fixture
def application_id(cluster: Cluster) -> Iterator[str]:
    """A driver that holds all of both workers' cores until the test is over."""
    command = [sys.executable, "-c", HOLDS, cluster.up()["SPARK_MASTER"]]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0) as driver:
        assert driver.stdout
        yield driver.stdout.readline().strip()
        os.killpg(driver.pid, signal.SIGKILL)  # its Java too, which would look for its master for a while


def test_status_shows_both_workers(cluster: Cluster) -> None:
    """As the master's Web UI has them, with what they lend; exit 0."""
    code, found = cluster.status()
    assert (code, found["cluster"], found["state"]) == (0, "up", "ALIVE")
    assert [(each["state"], each["cores"], each["memory_mb"]) for each in found["workers"]] == [("ALIVE", 2, 1024)] * 2
    assert found["applications"] == []
    assert all(part["pid"] and part["resident_mb"] for part in found["parts"])
    shown = cluster.k2("status")
    assert (shown.returncode, shown.stdout.count("ALIVE")) == (0, 2)
    assert f"the Spark cluster is up: {found['web_ui']}" in shown.stderr


def test_a_job_is_computed_by_both_workers(cluster: Cluster) -> None:
    """It ends with 0, and prints the sum and each worker's share; its application is gone then."""
    done = cluster.k2("test-job --json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["total"] == 499_999_500_000
    assert sorted(found["workers"]) == WORKERS
    assert all(found["workers"].values())
    assert cluster.executors() == []
    assert cluster.status()[1]["applications"] == []


def test_up_twice_is_harmless(cluster: Cluster) -> None:
    """Every process is kept, and the drivers are told the same."""
    before = [cluster.pid(part) for part in UP]
    assert cluster.up() == cluster.up()
    assert [cluster.pid(part) for part in UP] == before


@pytest.mark.usefixtures("application_id")
def test_nothing_listens_beyond_this_machine(cluster: Cluster) -> None:
    """Daemons, Web UIs, executors, and the driver with its Java."""
    assert len(cluster.executors()) == 2
    assert len(cluster.running()) > len(UP) + len(cluster.executors())
    found = {ipaddress.ip_address(host.removeprefix("::ffff:")) for host in listening(cluster.running())}
    assert found
    assert all(host.is_loopback for host in found)


def test_an_application_is_shown_and_holds_what_it_has(cluster: Cluster, application_id: str) -> None:
    """A job that finds no free core is not begun, and names it."""
    (found,) = cluster.status()[1]["applications"]
    assert (found["id"], found["cores"]) == (application_id, 4)
    done = cluster.k2("test-job")
    assert done.returncode == 4
    assert f"({application_id}) has them" in done.stderr


@pytest.mark.usefixtures("application_id")
def test_what_a_master_says_has_the_form_of_the_pretended_one(cluster: Cluster) -> None:
    """So what is tested with that is true of this."""
    real = requests.get(f"{cluster.status()[1]['web_ui']}/json/", timeout=60).json()
    pretended = said("", [worker(1)], [application()])
    assert pretended.keys() <= real.keys()
    for each in ("workers", "activeapps"):
        kinds = {name: type(value) for name, value in pretended[each][0].items()}
        assert kinds == {name: type(value) for name, value in real[each][0].items() if name in kinds}


def test_the_images_health_check_is_true_of_a_real_master(cluster: Cluster) -> None:
    """Of it, of its workers' host, and not of a host that has none."""
    web_ui, script = cluster.status()[1]["web_ui"], ROOT / "deploy/spark/healthcheck.py"
    asked = [[], ["127.0.0.1"], ["elsewhere"]]
    codes = [subprocess.run([sys.executable, script, web_ui, *hosts], check=False).returncode for hosts in asked]
    assert codes == [0, 0, 1]


def test_a_killed_worker_is_told_and_started_again(cluster: Cluster) -> None:
    """By its process, and by the master, for which it is dead; ``up`` starts it alone."""
    master = cluster.pid("spark-master")
    cluster.kill("spark-worker-1")
    wait_for(lambda: "DEAD" in [each["state"] for each in cluster.status()[1]["workers"]], 60, "the master's word")
    code, found = cluster.status()
    assert (code, found["cluster"], cluster.states()) == (1, "half-dead", {**UP, "spark-worker-1": "died"})
    refused = cluster.k2("test-job")
    assert (refused.returncode, "spark-worker-1 is not alive" in refused.stderr) == (4, True)
    cluster.up()
    assert (cluster.states(), cluster.pid("spark-master")) == (UP, master)
    assert cluster.k2("test-job").returncode == 0


def test_a_killed_master_is_told_and_its_workers_come_back_to_it(cluster: Cluster) -> None:
    """Their processes are kept."""
    workers = [cluster.pid(part) for part in WORKERS]
    cluster.kill("spark-master")
    assert cluster.states() == {"spark-master": "died", **dict.fromkeys(WORKERS, "not answering")}
    refused = cluster.k2("test-job")
    assert (refused.returncode, "'k2 spark up" in refused.stderr) == (4, True)
    cluster.up()
    assert (cluster.states(), [cluster.pid(part) for part in WORKERS]) == (UP, workers)


@pytest.mark.usefixtures("application_id")
def test_after_a_kill_of_all_with_their_executors_down_leaves_nothing(cluster: Cluster) -> None:
    """No executor waits for a worker that is gone."""
    for part in UP:
        cluster.kill(part)
    done = cluster.k2("down")
    assert done.returncode == 0
    assert cluster.executors() == []
    assert set(cluster.states().values()) == {"down"}


def test_a_job_whose_command_is_killed_ends(cluster: Cluster) -> None:
    """Its driver, its Java and its executors are gone, and the cluster is free."""
    with cluster.begin("test-job") as job:
        wait_for(lambda: len(cluster.running()) > len(UP), DEADLINE_S, "the driver")
        job.kill()
    wait_for(lambda: {each.pid for each in cluster.running()} == {cluster.pid(part) for part in UP}, 120, "its end")
    assert cluster.status()[1]["applications"] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_start_that_is_interrupted_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    """And says so."""
    fresh = Cluster(tmp_path / "state")
    with fresh.begin("up") as starting:
        wait_for((fresh.state / "spark/run/spark-master.json").exists, DEADLINE_S, "the master's start")
        starting.send_signal(number)
        said_last = starting.communicate(timeout=DEADLINE_S)[1].splitlines()[-1]
    assert starting.returncode == 128 + number
    assert said_last == f"k2: interrupted: nothing runs in {fresh.state}"
    assert fresh.running() == []


def test_a_start_that_is_killed_is_ended_by_down(tmp_path: Path) -> None:
    """What it had started by then."""
    fresh = Cluster(tmp_path / "state")
    with fresh.begin("up") as starting:
        wait_for((fresh.state / "spark/run/spark-worker-1.json").exists, DEADLINE_S, "a worker's start")
        starting.kill()
    assert fresh.k2("down").returncode == 0
    assert fresh.running() == []


def test_down_leaves_nothing(cluster: Cluster) -> None:
    """No process, and no port; the remembered ones are taken again."""
    told = cluster.up()
    assert cluster.k2("down").stderr.count(" is down") == 3
    assert cluster.running() == []
    assert cluster.status()[0] == 1
    assert urlsplit(cluster.up()["SPARK_MASTER"]).port == urlsplit(told["SPARK_MASTER"]).port
