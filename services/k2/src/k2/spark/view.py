"""A Spark cluster, for people."""

from k2.servers import print_parts
from k2.spark.job import Computed
from k2.terminal import Column, print_table
from k2_local.spark_facts import Application, WorkerFacts
from k2_local.spark_status import ClusterStatus

_WORKERS = (
    Column("worker"),
    Column("state"),
    Column("cores used", 0, "right"),
    Column("of", 0, "right"),
    Column("MiB used", 0, "right"),
    Column("of", 0, "right"),
    Column("web", 1),
)
_APPLICATIONS = (
    Column("application"),
    Column("state"),
    Column("cores", 0, "right"),
    Column("MiB per executor", 1, "right"),
    Column("id", 2),
)
_COMPUTED = (Column("worker"), Column("numbers", 0, "right"))


def print_status(found: ClusterStatus) -> None:
    """The processes; then workers and applications as the master has them, where it answers."""
    print_parts(found.parts)
    if found.facts:
        print_table(_WORKERS, [_worker(each) for each in found.facts.workers])
    if found.facts and found.facts.applications:
        print_table(_APPLICATIONS, [_application(each) for each in found.facts.applications])


def print_computed(found: Computed) -> None:
    """The result, and each worker's share."""
    shares = [(name, f"{counted:,}") for name, counted in found.workers.items()]
    print_table(_COMPUTED, [*shares, ("sum of them", f"{found.total:,}")])


def _worker(of: WorkerFacts) -> tuple[str, ...]:
    memory = f"{of.memory_used_mb:,}", f"{of.memory_mb:,}"
    return of.address, of.state, str(of.cores_used), str(of.cores), *memory, of.web


def _application(of: Application) -> tuple[str, ...]:
    return of.name, of.state, str(of.cores), f"{of.memory_mb:,}", of.id
