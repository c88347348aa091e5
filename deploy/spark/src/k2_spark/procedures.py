"""Iceberg's procedures for the upkeep of one table, as Spark calls them. Everything blocks."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pyspark.sql import Row, SparkSession

from k2_shared.batch.partitions import closed_rows
from k2_shared.core.contracts import IcebergContract
from k2_spark.literals import literal
from k2_spark.settings import CATALOG

NAMED_FILES = 20
MOST_COMMITS = 1_000
"""Of one compaction. More than there are partitions: of fewer, Iceberg counts some as failed that were never made."""


@dataclass(frozen=True)
class Procedures:
    """The procedures at one table; ``table`` is its namespace and name."""

    spark: SparkSession
    table: str
    contract: IcebergContract

    def compact(self, target_bytes: int, now: datetime) -> dict[str, Any]:
        """Rewrite the small files of closed partitions, sorted where the contract says so; what came of it.

        A partition with one file is left as it is. Each partition is a commit of its own, so what is done stays done
        where another one fails.

        Raises:
            Py4JError: some failed, as of a partition that somebody else has changed meanwhile.
        """
        options = {
            "target-file-size-bytes": target_bytes,
            "min-input-files": 2,
            "partial-progress.enabled": "true",
            "partial-progress.max-commits": MOST_COMMITS,
            "partial-progress.max-failed-commits": 0,
            "max-concurrent-file-group-rewrites": 2,
        }
        (done,) = self._call(
            "rewrite_data_files", self._strategy(), where=closed_rows(self.contract, now), options=options
        )
        return {
            "files_before": done.rewritten_data_files_count,
            "files_after": done.added_data_files_count,
            "bytes": done.rewritten_bytes_count,
        }

    def _strategy(self) -> dict[str, Any]:
        if not self.contract.sort_by:
            return {"strategy": "binpack"}
        order = ", ".join(f"{column} ASC NULLS FIRST" for column in self.contract.sort_by)
        return {"strategy": "sort", "sort_order": order}

    def rewrite_manifests(self) -> dict[str, Any]:
        """Group manifests by partition; how many became how many."""
        (done,) = self._call("rewrite_manifests")
        return {"manifests_before": done.rewritten_manifests_count, "manifests_after": done.added_manifests_count}

    def remove_orphans(self, age_s: int, *, dry_run: bool) -> list[str]:
        """Delete, or only find, files in the table's place that none of its snapshots knows; their names.

        Files younger than ``age_s``, a day at least, are left: they may belong to a commit that is still to come.
        """
        before = datetime.now(UTC) - timedelta(seconds=age_s)
        found = self._call("remove_orphan_files", older_than=before, prefix_listing=True, dry_run=dry_run)
        return [each.orphan_file_location for each in found]

    def files(self) -> int:
        """How many data files the current snapshot has."""
        return int(self.spark.table(f"{CATALOG}.{self.table}.files").count())

    def fullest_partition(self) -> int:
        """The most data files that a partition has."""
        partitions = self.spark.table(f"{CATALOG}.{self.table}.partitions")
        (found,) = partitions.agg({"file_count": "max"}).collect()
        return int(found[0] or 0)

    def _call(self, procedure: str, given: Mapping[str, Any] | None = None, **more: Any) -> list[Row]:
        arguments = {"table": self.table, **(given or {}), **more}
        said = ", ".join(f"{name} => {literal(value)}" for name, value in arguments.items())
        found: list[Row] = self.spark.sql(f"CALL {CATALOG}.system.{procedure}({said})").collect()
        return found
