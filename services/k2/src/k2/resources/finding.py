"""The processes of a pipeline on this machine: of its local stack, of its Spark cluster, and of its agents."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from k2.resources.processes import Sought
from k2_local import Stack, StackSettings
from k2_local.monitoring import Monitoring
from k2_local.processes import listener
from k2_local.spark_cluster import SparkCluster
from k2_local.targets import Agent, Targets
from k2_shared.batch.settings import SparkSettings
from k2_shared.core.errors import ConfigError

_HERE = {"127.0.0.1", "localhost", "::1"}
_FORM = "name a process as NAME=PID, as in gold=4711"


def of_targets(targets: Targets) -> list[Sought]:
    """The servers of the stack that a pipeline's file names, its Spark cluster where that runs, and its agents."""
    servers = list(of_stack(targets.stack)) if targets.stack else []
    return [*servers, *map(_agent, targets.agents)]


def of_stack(state: Path) -> Iterator[Sought]:
    """Every part of a local stack, and what is meant to run beside it: its Prometheus, its Spark cluster."""
    settings = StackSettings.load(k2_state_dir=state)
    stack = Stack(settings)
    running = stack.pids()
    for name in stack.names:
        yield Sought(name, f"'{stack.order('up')}' starts it", running.get(name))
    monitoring = Monitoring(settings)
    watching = monitoring.pids()
    for part in monitoring.shown():
        yield Sought(part.part, f"'{monitoring.order('up')} --metrics' starts it", watching.get(part.part))
    for name, pid in SparkCluster(settings, SparkSettings.load()).pids().items():
        yield Sought(name, f"pid {pid}", pid)


def of_pids(given: Sequence[str]) -> list[Sought]:
    """Processes that are named by hand, ``NAME=PID`` each.

    Raises:
        ConfigError: one is not named like that, or two have one name.
    """
    pairs = [each.partition("=") for each in given]
    for name, _, pid in pairs:
        if not name or not pid.isdecimal() or int(pid) == 0:
            raise ConfigError(f"{name}={pid} is no process: {_FORM}" if pid else f"{name!r} has no pid: {_FORM}")
    if len({name for name, _, _ in pairs}) < len(pairs):
        raise ConfigError(f"one name is given to two processes: {_FORM}, and each its own")
    return [Sought(name, f"there is no process {pid}", _living(int(pid))) for name, _, pid in pairs]


def _living(pid: int) -> int | None:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return pid
    except (ProcessLookupError, OverflowError):
        return None
    return pid


def _agent(agent: Agent) -> Sought:
    """An agent by its web port; one on another machine is not found here."""
    url = urlsplit(agent.url)
    start = f", start it with {agent.start}" if agent.start else ""
    if url.hostname not in _HERE:
        return Sought(agent.name, f"{agent.url} is another machine: measure it there", None)
    pid = listener(url.port) if url.port else None
    return Sought(agent.name, f"no process of ours listens at {agent.url}{start}", pid)
