"""A Spark cluster on this machine: a master and two workers, beside the stack and without it."""

import os
import shutil
import subprocess
import sys
from functools import cached_property
from pathlib import Path

from k2_local.artifacts import Downloads
from k2_local.identity import Identity
from k2_local.parts import NotReadyError, Part, Site
from k2_local.servers import Report, Servers, no_report
from k2_local.settings import StackSettings
from k2_local.spark import FirstWorker, SecondWorker, SparkMaster, cluster_facts, end_executors, master_url, web_url
from k2_local.spark_facts import ClusterFacts, WorkerFacts
from k2_shared.batch.driver import INSTALL
from k2_shared.batch.settings import SparkSettings
from k2_shared.core.errors import ConfigError, Unavailable
from k2_support.ports import HOST

_FOLDER = "spark"  # of a stack's: neither's ports, processes and logs are the other's
_NOBODY = Identity("", "", "")  # Spark asks nobody who they are
_FIND_TIMEOUT_S = 60
_FIND = """
import importlib.util
found = importlib.util.find_spec("pyspark")
print(found.submodule_search_locations[0] if found else "")
"""


class SparkCluster(Servers):
    """The master and its workers; see ``Servers``."""

    command = "k2 spark"
    kinds: tuple[type[Part], ...] = (SparkMaster, FirstWorker, SecondWorker)

    def __init__(self, settings: StackSettings, spark: SparkSettings) -> None:
        super().__init__(settings.model_copy(update={"k2_state_dir": settings.state / _FOLDER}))
        self._spark = spark

    @property
    def folder(self) -> Path:
        """See ``Servers``: that of the stack beside it, whether there is one or not."""
        return super().folder.parent

    def up(self, report: Report = no_report) -> dict[str, str]:
        """Start what does not run, wait until both workers get work, and return what drivers are to be told.

        Raises:
            ConfigError: ``SPARK_PYTHON`` has no Spark; nothing is started or written then.
        """
        _ = self._home
        self.start(report)
        return self.env()

    def env(self) -> dict[str, str]:
        """The environment of drivers that compute on the cluster, with executors as large as a worker lends.

        Raises:
            Unavailable: it is not up.
        """
        lent = min((worker.memory_mb for worker in self.facts().alive), default=0)
        return {
            "SPARK_MASTER": master_url(self._site()),
            "SPARK_PYTHON": self._python,
            "SPARK_EXECUTOR_MEMORY": f"{lent}m",
        }

    def facts(self) -> ClusterFacts:
        """What the master says of the cluster; answers within a few seconds.

        Raises:
            Unavailable: it does not run, or does not answer.
        """
        if SparkMaster.name not in self.running():
            raise Unavailable(f"no Spark cluster is up in {self.folder}: '{self.order('up')}' starts it")
        try:
            return cluster_facts(self._site())
        except NotReadyError as error:
            raise Unavailable(f"the Spark master does not answer ({error}): '{self.order('logs')}' says why") from None

    @property
    def worker_names(self) -> tuple[str, ...]:
        """The names of the parts that are workers."""
        return tuple(name for name in self.names if name != SparkMaster.name)

    def workers(self, facts: ClusterFacts) -> dict[str, WorkerFacts]:
        """The workers that get work, by the names of their parts."""
        found = {part.name: facts.alive_at(f"{HOST}:{part.port}") for part in self._parts()}
        return {name: worker for name, worker in found.items() if worker}

    @property
    def web_url(self) -> str:
        """The master's Web UI, once the cluster was up."""
        return web_url(self._site())

    @property
    def _python(self) -> str:
        given = self._spark.spark_python or sys.executable
        return os.path.abspath(shutil.which(given) or given)  # noqa: PTH100  # a link stays one: it is an environment

    @cached_property
    def _home(self) -> Path:
        return spark_home(self._python)

    def _site(self) -> Site:
        return Site(self.settings, _NOBODY, self._state.ports())

    def _downloads(self, report: Report) -> Downloads:
        return Downloads(spark_home=self._home)

    def _stop_part(self, name: str, report: Report) -> None:
        super()._stop_part(name, report)
        end_executors(self.settings.state / name)


def spark_home(python: str) -> Path:
    """The folder of the Spark that a Python has; takes a moment.

    Raises:
        ConfigError: it has none, or cannot be run.
    """
    try:
        done = subprocess.run(
            [python, "-c", _FIND], capture_output=True, text=True, timeout=_FIND_TIMEOUT_S, check=False
        )
    except OSError as error:
        raise ConfigError(f"SPARK_PYTHON={python} cannot be run ({error.strerror}): {INSTALL}") from None
    if not done.stdout.strip():
        raise ConfigError(f"{python} has no Spark: {INSTALL}")
    return Path(done.stdout.strip())
