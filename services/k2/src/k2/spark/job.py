"""The small job by which each worker of a cluster shows that it computes."""

from collections.abc import Mapping
from dataclasses import dataclass
from threading import Timer
from typing import Any

from k2_local.spark_cluster import SparkCluster
from k2_local.spark_facts import ClusterFacts, WorkerFacts
from k2_shared.batch.driver import EVENT, Driver, Line
from k2_shared.batch.settings import SparkSettings
from k2_shared.core.errors import K2Error, Unavailable

NUMBERS = 1_000_000
_MODULE = "k2_spark.test_job"


@dataclass(frozen=True)
class Computed:
    """The sum of the numbers below ``numbers``, and how many of them each worker has counted."""

    numbers: int
    total: int
    workers: Mapping[str, int]  # by the name of the part

    def judge(self) -> None:
        """Return where the sum is right and each worker took part.

        Raises:
            K2Error: it is not, or one did not.
        """
        expected = self.numbers * (self.numbers - 1) // 2
        if self.total != expected or sum(self.workers.values()) != self.numbers:
            raise K2Error(f"the job's result is wrong: the sum is {expected:,}")
        if idle := [name for name, counted in self.workers.items() if not counted]:
            raise K2Error(f"{', '.join(idle)} took no part: 'k2 spark logs' may say why")


def computed(cluster: SparkCluster, timeout_s: float) -> Computed:
    """Run the job on a cluster that is up. Blocks.

    Raises:
        ConfigError: ``SPARK_PYTHON`` has no Spark.
        Unavailable: the cluster is not up, or has no free cores; or the job took too long.
    """
    facts = cluster.facts()
    workers = cluster.workers(facts)
    _check_free(cluster, facts, workers)
    done = _run(cluster, facts, timeout_s)
    counted = {name: done["workers"].get(worker.web, 0) for name, worker in workers.items()}
    return Computed(done["numbers"], done["total"], counted)


def _check_free(cluster: SparkCluster, facts: ClusterFacts, workers: Mapping[str, WorkerFacts]) -> None:
    if lost := [name for name in cluster.worker_names if name not in workers]:
        raise Unavailable(f"{', '.join(lost)} is not alive: '{cluster.order('up')}' starts what does not run")
    busy = [name for name, worker in workers.items() if not worker.cores_free]
    if busy:
        holders = ", ".join(f"{each.name} ({each.id})" for each in facts.applications)
        raise Unavailable(f"no core of {', '.join(busy)} is free, {holders} has them: try again when it has ended")


def _run(cluster: SparkCluster, facts: ClusterFacts, timeout_s: float) -> Mapping[str, Any]:
    cores = sum(worker.cores_free for worker in facts.alive)
    given = (f"--master={facts.master}", f"--cores={cores}", f"--numbers={NUMBERS}")
    driver, told = Driver(SparkSettings.load(), _MODULE, given), list[Line]()
    timer = Timer(timeout_s, driver.stop)
    timer.start()
    try:
        driver.run(told.append)
    except Unavailable:
        if timer.finished.is_set():
            raise Unavailable(f"the job has not ended in {timeout_s:g} s: '{cluster.order('logs')}'") from None
        raise
    finally:
        timer.cancel()
    return next(line for line in told if line[EVENT] == "done")
