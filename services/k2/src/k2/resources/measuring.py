"""Measuring what is asked for: containers, processes named by hand, or those of a pipeline's file."""

from collections.abc import Sequence
from pathlib import Path

from k2.resources import containers, finding, processes
from k2.resources.facts import Report, reported
from k2.resources.processes import Sought
from k2.status.settings import Pipeline
from k2_shared.core.errors import ConfigError
from k2_shared.core.resources import resources


def measure(targets: Path | None, compose: str | None, pids: Sequence[str], seconds: float) -> Report:
    """Measure once: a compose project, or processes. Blocks for so many seconds, or until Docker has answered.

    Raises:
        ConfigError: nothing is named, or what is named cannot be measured together.
        Unavailable: Docker does not answer, or nothing of the project runs.
    """
    if compose is None:
        return reported(processes.measured(_sought(targets, pids), seconds), seconds, resources())
    if targets or pids:
        raise ConfigError(
            "--compose has --targets and --pid beside it: Docker measures by itself, leave one of them out"
        )
    return reported(containers.measured(compose), containers.INTERVAL_S, resources())


def _sought(targets: Path | None, pids: Sequence[str]) -> list[Sought]:
    """The processes that are named, or those of the stack of this folder where none is."""
    by_hand = finding.of_pids(pids)
    found = [] if by_hand and not targets else finding.of_targets(Pipeline.find(targets).targets)
    if not found and not by_hand:
        raise ConfigError(
            "there is nothing to measure: name a file of targets by --targets or K2_TARGETS, a compose project by "
            "--compose, or processes by --pid NAME=PID"
        )
    return [*found, *by_hand]
