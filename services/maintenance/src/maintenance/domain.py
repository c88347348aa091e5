"""What a run's driver says, as metrics and lines of the log; pure but for those."""

from typing import Any

from k2_shared.batch.driver import EVENT, Line
from k2_shared.batch.steps import Step, Told
from k2_shared.core.logs import logger
from k2_shared.core.metrics import MaintenanceMetrics

DONE = "maintenance_step_done"
FAILED = "maintenance_step_failed"
ATTEMPT_FAILED = "maintenance_attempt_failed"
ORPHANS = "orphan_files_found"


class Account:
    """What one run came to."""

    def __init__(self, metrics: MaintenanceMetrics) -> None:
        self._metrics = metrics
        self.overran = False

    def hear(self, line: Line) -> None:
        """Take in one line of the driver's."""
        if told := Told.of(line):
            self._unit(told)
        match line.get(EVENT):
            case "failed_attempt":
                self._metrics.attempts.labels(line["step"]).inc()
                logger().warning(ATTEMPT_FAILED, step=line["step"], table=line["table"], reason=line["reason"])
            case "orphans":
                logger().info(ORPHANS, table=line["table"], orphans=line["orphans"], first=line["named"])
            case "done":
                self.overran = line["overran"]

    def _unit(self, told: Told) -> None:
        step, table = told.unit.step, told.unit.table
        if told.reason:
            logger().warning(FAILED, step=step, table=table, reason=told.reason)
            return
        self._metrics.steps.labels(step, table).set(told.seconds)
        self._facts(step, table, told.facts)
        said = {name: value for name, value in told.facts.items() if isinstance(value, int | str)}
        logger().info(DONE, step=step, table=table, seconds=told.seconds, **said)

    def _facts(self, step: Step, table: str, facts: dict[str, Any]) -> None:
        match step:
            case Step.COMPACT:
                self._metrics.files.labels(table).set(facts["files"])
                self._metrics.fullest.labels(table).set(facts["files_in_fullest_partition"])
            case Step.ORPHANS:
                found = facts["orphans"]
                self._metrics.orphans.labels(table).set(found / max(found + facts["files"], 1))
            case Step.AUDIT:
                for layer in facts["layers"]:
                    self._metrics.layers.labels(layer["layer"]).set(len(layer["differing"]))
