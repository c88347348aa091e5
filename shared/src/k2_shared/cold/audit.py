"""The daily audit: both tiers compared, and a row for each cold table kept in the lake, once. Blocks."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

import pyarrow as pa
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from k2_shared.cold.hours import Verdict
from k2_shared.cold.layers import NAMED_HOURS, Layer
from k2_shared.cold.offload import ColdOffload
from k2_shared.core.retries import RetryBudget
from k2_shared.lake.history import ancestors, properties
from k2_shared.lake.owned import OwnedTable
from k2_shared.lake.transaction import append

_RUN = "audit.run-id"


def audited(offloads: Mapping[str, ColdOffload], now: datetime) -> Iterator[Layer]:
    """Compare both tiers, table by table.

    Raises:
        K2Error: a table or ClickHouse could not be read.
    """
    for name, offload in offloads.items():
        yield Layer.of(name, offload, list(offload.every(now)))


def row(layer: Layer, at: datetime) -> dict[str, Any]:
    """A layer as a row of the audit's table."""
    told = layer.to_json()
    return {
        "audited_at": at,
        "layer": layer.table,
        "warm_rows": layer.warm,
        "cold_rows": layer.cold,
        "hours": told["hours"],
        "hours_open": len(layer.skipped(Verdict.OPEN)),
        "hours_expiring": len(layer.skipped(Verdict.EXPIRING)),
        "hours_differing": len(layer.differing),
        "is_equal": layer.is_equal,
        "first_differences": json.dumps(told["differing"][:NAMED_HOURS]),
    }


class AuditTable(OwnedTable):
    """The table of what audits found."""

    def __init__(self, table: Table, retries: RetryBudget) -> None:
        super().__init__(table, "maintenance", retries)

    def keep(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append the rows of one audit in one snapshot, also where an attempt's reply is lost.

        Raises:
            Halt: the table was dropped or recreated.
            Unavailable: no attempt had a known outcome.
        """
        run, found = uuid4(), pa.Table.from_pylist(list(rows), schema=self.arrow_schema)
        files = list[DataFile]()

        def attempt() -> None:
            self._refresh()
            metadata = self._table.metadata
            if any(
                properties(each).get(_RUN) == str(run) for each in ancestors(metadata, metadata.current_snapshot_id)
            ):
                return
            files[:] = files or self._write(found, run)
            self._doing = "committing"
            append(self._table, files, {}, {_RUN: str(run)})

        self._retried("written", attempt)
