"""The driver of the lake's daily maintenance, which ``k2_shared.batch.driver`` starts.

It says of each step at each table how it ended. What fails is told and holds up nothing else.
"""

import argparse
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, TypeVar

from pyiceberg.catalog import Catalog
from pyspark.sql import SparkSession

from k2_shared.batch.settings import MaintenanceSettings
from k2_shared.batch.steps import Step, Unit, planned, tables
from k2_shared.cold.audit import AuditTable, audited, row
from k2_shared.cold.offload import ColdOffload
from k2_shared.cold.tables import cold_tables, opened
from k2_shared.core import contracts
from k2_shared.core.contracts import IcebergContract, TableContract
from k2_shared.core.errors import K2Error, Unavailable
from k2_shared.core.retries import RetryBudget, UsedUp
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg
from k2_shared.lake.connection import answered
from k2_shared.lake.retries import at_table
from k2_shared.lake.upkeep import KeptTable, OldPartition
from k2_spark.driver import drive, fail_now, has_ended, tell
from k2_spark.failures import SPARK_FAILS, said
from k2_spark.procedures import NAMED_FILES, Procedures
from k2_spark.session import session

T = TypeVar("T")
Facts = dict[str, Any]


class Maintenance:
    """A run: the lake, and a Spark session from the first step that needs one."""

    def __init__(self, settings: MaintenanceSettings, stack: ExitStack, *, dry_run: bool) -> None:
        self._settings = settings
        self._stack = stack
        self._dry_run = dry_run
        self._names = Names(settings.k2_prefix)
        self._contracts = tables()
        self._steps: dict[Step, Callable[[Unit], Facts]] = {
            Step.COMPACT: self._compact,
            Step.MANIFESTS: self._manifests,
            Step.EXPIRE: self._expire,
            Step.AUDIT: self._audit,
            Step.ORPHANS: self._orphans,
            Step.RETENTION: self._retention,
        }

    def work(self, unit: Unit) -> Facts:
        """Do one step at one table; what was found.

        Raises:
            K2Error: it could not be done.
        """
        return self._steps[unit.step](unit)

    @cached_property
    def _catalog(self) -> Catalog:
        return self._answered(lambda: iceberg.connect(self._settings))

    @cached_property
    def _spark(self) -> SparkSession:
        return self._stack.enter_context(session(self._settings, self._settings))

    def _compact(self, unit: Unit) -> Facts:
        table = self._procedures(unit)
        done = Facts()
        if not self._dry_run:
            now, target = datetime.now(UTC), self._settings.maintenance_target_bytes
            done = self._spent(unit, lambda: table.compact(target, now))
        facts = {"files": table.files, "files_in_fullest_partition": table.fullest_partition}
        return {**done, **{name: self._spent(unit, found) for name, found in facts.items()}}

    def _manifests(self, unit: Unit) -> Facts:
        return {} if self._dry_run else self._spent(unit, self._procedures(unit).rewrite_manifests)

    def _orphans(self, unit: Unit) -> Facts:
        """Found first, and told, then deleted."""
        table, age_s = self._procedures(unit), self._settings.maintenance_orphan_age_s
        found = self._spent(unit, lambda: table.remove_orphans(age_s, dry_run=True))
        files = self._spent(unit, table.files)
        facts = {"orphans": len(found), "files": files, "named": found[:NAMED_FILES]}
        if self._dry_run or not found:
            return facts
        tell("orphans", table=unit.table, **facts)
        removed = self._spent(unit, lambda: table.remove_orphans(age_s, dry_run=False))
        return {**facts, "removed": len(removed)}

    def _expire(self, unit: Unit) -> Facts:
        table, contract = self._kept(unit), self._contracts[unit.table]
        if self._dry_run:
            return {"snapshots": table.snapshots}
        of_sink = isinstance(contract, TableContract)
        age_s = self._settings.sink_snapshot_age_s if of_sink else self._settings.maintenance_snapshot_age_s
        tagged = table.tag_day(datetime.now(UTC))
        return {"tagged": tagged, "expired": table.expire_old(age_s), "snapshots": table.snapshots}

    def _retention(self, unit: Unit) -> Facts:
        table, contract = self._kept(unit), self._contracts[unit.table]
        days, now = getattr(contract, "retention_days", None) or 0, datetime.now(UTC)
        old = (table.old_partitions if self._dry_run else table.drop_old)(days, now)
        return _old(old)

    def _audit(self, _unit: Unit) -> Facts:
        now = datetime.now(UTC)
        with ExitStack() as stack:
            offloads = self._answered(lambda: stack.enter_context(self._opened()))
            layers = list(audited(offloads, now))
        facts = {"layers": [each.to_json() for each in layers], "equal": all(each.is_equal for each in layers)}
        if not self._dry_run:
            table = self._found(contracts.audit_tables()["consistency"])
            AuditTable(table, self._budget()).keep([row(each, now) for each in layers])
        return facts

    def _opened(self) -> AbstractContextManager[dict[str, ColdOffload]]:
        return opened(ColdOffload, self._settings, cold_tables(), lambda _: self._budget())

    def _procedures(self, unit: Unit) -> Procedures:
        contract = self._contracts[unit.table]
        return Procedures(self._spark, ".".join(iceberg.identifier(self._names, contract)), contract)

    def _kept(self, unit: Unit) -> KeptTable:
        return KeptTable(self._found(self._contracts[unit.table]), self._budget())

    def _found(self, contract: IcebergContract) -> Any:
        catalog = self._catalog
        return self._answered(lambda: iceberg.found(catalog, self._names, contract))

    def _answered(self, ask: Callable[[], T]) -> T:
        """What the servers answer, asked again where they do not."""
        return answered(self._settings, self._budget(), ask)

    def _budget(self) -> RetryBudget:
        return at_table(self._settings.maintenance_attempts)

    def _spent(self, unit: Unit, work: Callable[[], Any]) -> Any:
        """Do what Spark does, again where it fails: conflicts with those who append are ours to try again."""

        def failed(error: Exception) -> None:
            tell("failed_attempt", step=unit.step, table=unit.table, reason=said(error))
            if why := has_ended():
                raise Unavailable(f"{unit}: {why}: SPARK_DRIVER_MEMORY={self._settings.spark_driver_memory}")

        try:
            return RetryBudget(self._settings.maintenance_attempts, failed, SPARK_FAILS).spend(work)
        except UsedUp as error:
            raise Unavailable(
                f"{unit} failed {self._settings.maintenance_attempts} times: {said(error.last)}"
            ) from None


def _old(found: Sequence[OldPartition]) -> Facts:
    return {"partitions": [str(each.day) for each in found], "rows": sum(each.rows for each in found)}


class Run:
    """The units of a run, worked off in order, for as long as its time goes."""

    def __init__(self, settings: MaintenanceSettings, units: Sequence[Unit], limit_s: float, *, dry_run: bool) -> None:
        self._settings, self._dry_run = settings, dry_run
        self._limit_s = limit_s
        self._waiting = list(units)
        self._failed = list[Unit]()
        self._began = 0.0

    def work(self) -> None:
        """Work all of them off; the end of the time ends the process.

        Raises:
            Unavailable: some failed.
        """
        timer = threading.Timer(self._limit_s, self._over)
        timer.daemon = True
        timer.start()
        with ExitStack() as stack:
            maintenance = Maintenance(self._settings, stack, dry_run=self._dry_run)
            while self._waiting:
                self._try(maintenance, self._waiting[0])
                self._waiting.pop(0)
        timer.cancel()
        tell("done", left=list(map(str, self._failed)), overran=False)
        if self._failed:
            raise Unavailable(f"not done: {', '.join(map(str, self._failed))}")

    def _over(self) -> None:
        """End what is under way, and tell what is left."""
        left = list(map(str, (*self._failed, *self._waiting)))
        why = f"the {self._limit_s:.0f} s of MAINTENANCE_LIMIT_S are over"
        ended = [self._ended(self._waiting[0], {}, why)] if self._waiting else []
        error = Unavailable(f"not done in {self._limit_s:.0f} s: {', '.join(left)}")
        fail_now(error, *ended, {"event": "done", "left": left, "overran": True})

    def _try(self, maintenance: Maintenance, unit: Unit) -> None:
        self._began, facts, why = time.monotonic(), Facts(), ""
        tell("begun", step=unit.step, table=unit.table)
        try:
            facts = maintenance.work(unit)
        except (K2Error, *SPARK_FAILS) as error:
            self._failed.append(unit)
            why = said(error)
        tell(**self._ended(unit, facts, why))

    def _ended(self, unit: Unit, facts: Facts, why: str) -> dict[str, Any]:
        seconds = round(time.monotonic() - self._began, 3)
        return {
            "event": "unit",
            "step": unit.step,
            "table": unit.table,
            "seconds": seconds,
            "facts": facts,
            "reason": why,
        }


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser("k2_spark.maintenance", description=__doc__)
    parser.add_argument("--step", action="append", default=[])
    parser.add_argument("--table", action="append", default=[])
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--limit-s", type=float, help="what is left of MAINTENANCE_LIMIT_S")
    asked = parser.parse_args()
    drive(lambda: _run(asked).work())


def _run(asked: argparse.Namespace) -> Run:
    settings = MaintenanceSettings.load()
    limit_s = settings.maintenance_limit_s if asked.limit_s is None else asked.limit_s
    return Run(settings, planned(asked.step, asked.table), limit_s, dry_run=asked.dry_run)


if __name__ == "__main__":
    main()
