"""What is true of the Spark cluster before there is a Spark."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from k2_local import StackSettings
from k2_local.artifacts import Downloads
from k2_local.identity import Identity
from k2_local.parts import NotReadyError, Site
from k2_local.ports import SPARK, PortClaims, assign, choose
from k2_local.processes import Process
from k2_local.spark import FirstWorker, SecondWorker, SparkMaster, cluster_facts
from k2_local.spark_cluster import SparkCluster, spark_home
from k2_local.spark_facts import Application, ClusterFacts, WorkerFacts
from k2_local.spark_status import ClusterStatus
from k2_local.stack_state import StackState
from k2_shared.batch.settings import SparkSettings
from k2_shared.core.errors import ConfigError, Unavailable
from k2_support.ports import HOST
from k2_support.spark_master import application, said, web_ui, worker
from k2_support.waiting import wait_for

EXECUTOR = "org.apache.spark.executor.CoarseGrainedExecutorBackend"
WAITS = "import signal; print('here', flush=True); signal.pause()"
SPARK_HERE = SparkSettings.load(spark_python=sys.executable)


@pytest.fixture
def cluster(settings: StackSettings) -> SparkCluster:
    """One that was never started."""
    return SparkCluster(settings, SPARK_HERE)


@pytest.fixture
def site(cluster: SparkCluster) -> Site:
    """Ports of a cluster on which nobody listens."""
    known: dict[str, int] = {}
    with PortClaims() as claims:
        for part in cluster.names:
            known |= assign(cluster.settings, part, known, print, claims)
    return Site(cluster.settings, Identity("", "", ""), known)


@contextmanager
def answering(site: Site, answer: object, status: int = 200) -> Iterator[None]:
    with web_ui(answer, site.ports["spark_web"], status):
        yield


def url(site: Site) -> str:
    return f"spark://{HOST}:{site.ports['spark']}"


def test_the_masters_words_are_read() -> None:
    """Of a worker that was lost and came back there are two, and only one gets work."""
    found = ClusterFacts.of(said("spark://h:1", [worker(7, "DEAD"), worker(7, cores_used=1)], [application("nightly")]))
    alive = WorkerFacts(f"{HOST}:7", f"http://{HOST}:8", "ALIVE", 2, 1, 2_048, 512)
    assert (found.master, found.state, found.alive) == ("spark://h:1", "ALIVE", (alive,))
    assert found.alive_at(f"{HOST}:7") == alive
    assert found.alive_at(f"{HOST}:8") is None
    assert alive.cores_free == 1
    assert found.applications == (Application("app-20260101000000-0000", "nightly", "RUNNING", 4, 1_024),)


@pytest.mark.parametrize("answer", [{}, [], "no", {"url": 1, "status": 1, "workers": 1, "activeapps": []}])
def test_another_server_is_no_master(site: Site, answer: object) -> None:
    """Whatever JSON it answers with."""
    with answering(site, answer), pytest.raises(NotReadyError, match=r"what answers at .* is no Spark master"):
        cluster_facts(site)


def test_a_master_is_ready_when_it_is_ours_and_alive(site: Site) -> None:
    """Not as long as it recovers, nor if another one answers at its Web UI."""
    master = SparkMaster(site)
    with answering(site, said(url(site))):
        master.check()
    with answering(site, said(url(site), state="RECOVERING")), pytest.raises(NotReadyError, match="is RECOVERING"):
        master.check()
    with answering(site, said("spark://other:1")), pytest.raises(NotReadyError, match="spark://other:1"):
        master.check()
    with pytest.raises(NotReadyError, match="no answer yet"):
        master.check()


def test_a_worker_is_ready_when_the_master_gives_it_work(site: Site) -> None:
    """Not before it is registered, nor after the master has lost it."""
    first, second = FirstWorker(site), SecondWorker(site)
    with answering(site, said(url(site), [worker(first.port), worker(second.port, "DEAD")])):
        first.check()
        with pytest.raises(NotReadyError, match="the master does not count on it"):
            second.check()


@pytest.mark.parametrize("part", [SparkMaster, FirstWorker, SecondWorker])
def test_a_daemon_listens_on_the_loopback_alone(site: Site, part: type[SparkMaster | FirstWorker]) -> None:
    """By --host where it talks to others, by SPARK_LOCAL_IP where its Web UI and its executors listen."""
    launch = part(site).prepare(Downloads(spark_home=Path("/spark")))
    assert launch.argv[launch.argv.index("--host") + 1] == HOST
    assert launch.environ["SPARK_LOCAL_IP"] == HOST
    assert {str(site.ports[name]) for name in SPARK[part.name]} <= set(launch.argv)
    assert "-Dspark.port.maxRetries=0" in launch.argv


def test_a_worker_lends_what_is_set(settings: StackSettings, site: Site) -> None:
    """Cores and MiB."""
    small = settings.model_copy(update={"k2_spark_cores": 1, "k2_spark_memory_mb": 600})
    argv = FirstWorker(Site(small, site.identity, site.ports)).prepare(Downloads()).argv
    assert argv[argv.index("--cores") + 1] == "1"
    assert argv[argv.index("--memory") + 1] == "600M"


def test_a_worker_begins_with_an_empty_folder(site: Site) -> None:
    """What the executors of its last run have left on the disk is removed."""
    part = FirstWorker(site)
    part.prepare(Downloads())
    left = part.folder / "local" / "spill"
    left.parent.mkdir()
    left.touch()
    part.prepare(Downloads())
    assert list(part.folder.iterdir()) == []


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[[Path, str], "subprocess.Popen[bytes]"]]:
    """Starts a process in a folder that waits for its end, and is called as if it were what is given."""
    running: list[subprocess.Popen[bytes]] = []

    def start(folder: Path, called: str) -> "subprocess.Popen[bytes]":
        folder.mkdir(parents=True, exist_ok=True)
        child = subprocess.Popen([sys.executable, "-c", WAITS, called], cwd=folder, stdout=subprocess.PIPE)
        running.append(child)
        assert child.stdout
        child.stdout.readline()
        return child

    yield start
    for each in running:
        each.kill()
        each.communicate()


def test_down_ends_the_executors_that_a_dead_worker_left_and_nobody_else(
    cluster: SparkCluster, started: Callable[[Path, str], "subprocess.Popen[bytes]"], tmp_path: Path
) -> None:
    """Not a shell in the folder, and not an executor of another cluster."""
    folder = cluster.settings.state / FirstWorker.name
    orphan = started(folder / "work" / "app-1" / "0", EXECUTOR)
    shell, other = started(folder, "a shell"), started(tmp_path / "elsewhere", EXECUTOR)
    cluster.down()
    wait_for(lambda: orphan.poll() is not None, 60, "the executor's end")
    assert (shell.poll(), other.poll()) == (None, None)


def test_a_python_without_spark_is_told_what_to_do(cluster: SparkCluster) -> None:
    """Before anything is started or written."""
    with pytest.raises(ConfigError, match=r"has no Spark: run 'make spark' .* set SPARK_PYTHON"):
        cluster.up()
    assert not cluster.folder.exists()


def test_a_python_that_is_none_is_named() -> None:
    """With what to do."""
    with pytest.raises(ConfigError, match=r"SPARK_PYTHON=/no/python cannot be run \(No such file.*make spark"):
        spark_home("/no/python")


def test_the_place_of_spark_is_asked_of_its_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing of Spark is imported for that."""
    package = tmp_path / "pyspark"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert spark_home(sys.executable) == package


def test_a_cluster_lives_beside_a_stack(settings: StackSettings, cluster: SparkCluster) -> None:
    """In a folder of the stack's: k2 stack knows nothing of it, and both are meant by the same --state."""
    assert cluster.folder == settings.state
    assert cluster.settings.state == settings.state / "spark"
    assert cluster.order("up") == f"k2 spark up --state {settings.state}"


def test_the_status_of_none_is_down(cluster: SparkCluster) -> None:
    """And says so of each part."""
    found = ClusterStatus.of(cluster).to_json()
    assert found["cluster"] == "down"
    assert [part["state"] for part in found["parts"]] == ["down"] * 3
    assert (found["master"], found["workers"], found["applications"], found["web_ui"]) == (None, [], [], None)


def test_no_cluster_has_no_environment(cluster: SparkCluster) -> None:
    """The line says how to start one."""
    with pytest.raises(Unavailable, match=r"no Spark cluster is up in .*: 'k2 spark up --state .*' starts it"):
        cluster.env()


def test_a_master_that_is_silent_is_told(cluster: SparkCluster, site: Site) -> None:
    """Its process runs, and says nothing."""
    own = psutil.Process()
    state = StackState(cluster.settings.state)
    state.remember_ports(site.ports)
    state.remember(SparkMaster.name, Process(own.pid, own.create_time()))
    with pytest.raises(Unavailable, match=r"the Spark master does not answer \(no answer yet .*k2 spark logs"):
        cluster.facts()


def test_a_port_set_by_hand_is_taken(settings: StackSettings) -> None:
    """Of the master: where drivers and people find it; workers have what is free."""
    with PortClaims() as claims:
        port, web = (choose(SparkMaster.name, (), claims) for _ in range(2))
    given = settings.model_copy(update={"k2_spark_port": port, "k2_spark_web_port": web})
    with PortClaims() as claims:
        assert assign(given, SparkMaster.name, {}, print, claims) == {"spark": port, "spark_web": web}
        assert set(assign(given, FirstWorker.name, {}, print, claims)) == {"spark_worker_1", "spark_worker_1_web"}
