"""A table whose hours are replaced: the rows of one hour in one commit and one snapshot, exactly once."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Literal
from uuid import UUID, uuid4

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.expressions import BooleanExpression
from pyiceberg.expressions.parser import parse
from pyiceberg.expressions.visitors import _StrictMetricsEvaluator
from pyiceberg.io.pyarrow import ArrowScan, _read_all_delete_files
from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask, Table

from k2_shared.arrow.slices import sliced
from k2_shared.core.retries import RetryBudget
from k2_shared.lake.history import newest_offload, offloads, properties
from k2_shared.lake.memory import Turns
from k2_shared.lake.offload_state import OffloadedHour, advanced, watermark
from k2_shared.lake.owned import OwnedTable
from k2_shared.lake.transaction import replace

HOUR = timedelta(hours=1)
SLICE_ROWS = 100_000
"""How many rows are written at once, of a file that is rewritten: what bounds its memory."""


class Outdated(Exception):
    """What an hour was compared by is not so any more: compare it anew."""


@dataclass(frozen=True, slots=True)
class TableHead:
    """A table at one moment: the file of its metadata, and its current snapshot; None where it has none yet."""

    metadata_location: str
    snapshot_id: int | None


@dataclass(frozen=True, slots=True)
class ComparedHour:
    """An hour to be written: when it begins (UTC), and how many rows of which fingerprint are to be in it.

    ``base`` is the table's snapshot that it was compared with.
    """

    start: datetime
    rows: int
    fingerprint: str
    base: int | None


@dataclass(frozen=True, slots=True)
class WrittenHour:
    """An hour by its commit: when that was made, when the hour begins (UTC), its rows, and the bytes of its files."""

    at: datetime
    start: datetime
    rows: int
    bytes: int


@dataclass
class _Effort:
    """What the attempts at one hour share: its files, and of each file that other hours share with it the others."""

    id: UUID = field(default_factory=uuid4)
    files: list[DataFile] = field(default_factory=list)
    rests: dict[str, list[DataFile]] = field(default_factory=dict)

    @property
    def written(self) -> list[DataFile]:
        """Every file that was written, needed or not."""
        return self.files + [file for rest in self.rests.values() for file in rest]


class HourlyTable(OwnedTable):
    """One table whose rows are replaced by hours of ``column``; ``name`` is the contract's.

    Every method blocks; call it from one thread at a time. Several processes may write one table, also the same hour.
    """

    def __init__(self, table: Table, name: str, column: str, retries: RetryBudget, turns: Turns | None = None) -> None:
        super().__init__(table, "offload", retries, turns)
        self._contract = name
        self._column = column

    def head(self) -> TableHead:
        """Read the table.

        Raises:
            Halt: it was dropped or recreated.
            Unavailable: no attempt could read it.
            Interrupted: attempts failed, and the process is to stop.
        """
        self._retried("read", self._refresh)
        return TableHead(self._table.metadata_location, self._table.metadata.current_snapshot_id)

    @property
    def location(self) -> str:
        """Its place in the object store."""
        return str(self._table.location())

    @property
    def watermark(self) -> datetime | None:
        """When the newest hour begins that was ever written, as the table was read last; None where none was.

        Raises:
            Halt: it was changed by hand.
        """
        return watermark(self._table.metadata.properties, self._contract)

    @property
    def newest(self) -> WrittenHour | None:
        """The hour that was written last, as the table was read last; None where no snapshot says of one.

        Raises:
            Halt: what a snapshot says is damaged.
        """
        found = newest_offload(self._table.metadata, self._contract)
        if found is None:
            return None
        snapshot, hour = found
        size = int(properties(snapshot).get("added-files-size", 0))
        return WrittenHour(datetime.fromtimestamp(snapshot.timestamp_ms / 1_000, UTC), hour.start, hour.rows, size)

    def replace(self, hour: ComparedHour, slices: Iterable[pa.Table]) -> bool:
        """Put these rows in the place of those that the hour has; False where it has them already.

        It is one snapshot: whoever reads the table finds the hour as it was, or as it is to be. Rows of other hours
        stay, also where a file has both. ``slices`` are read once and written one after another, each sorted as the
        table is; none of them is kept.

        Raises:
            Outdated: another process has made the hour something else, or the slices have not so many rows.
            ValueError: a row is not of the hour.
            Halt: the table was dropped or recreated.
            Unavailable: no attempt had a known outcome.
            Interrupted: attempts failed, and the process is to stop; a next run finds out what became of them.
        """
        effort = _Effort()
        if self._retried("read", lambda: self._made(hour, effort)):
            return False
        with self._dropping(effort, Exception):
            for rows in slices:
                self._retried("written", partial(self._add, effort, rows))
            self._check(hour, effort)
        return self._retried("committed", lambda: self._attempt(hour, effort))

    @contextmanager
    def _dropping(self, effort: _Effort, failure: type[Exception]) -> Iterator[None]:
        """Delete what was written, where the block fails so: nothing refers to it."""
        try:
            yield
        except failure:
            self._drop(effort.written)
            raise

    def _add(self, effort: _Effort, rows: pa.Table) -> None:
        effort.files += self._write(self._sorted(rows), effort.id, len(effort.written))

    def _sorted(self, rows: pa.Table) -> pa.Table:
        schema, order = self._table.schema(), self._table.sort_order().fields
        keys = [(schema.find_column_name(field.source_id), "ascending", "at_start") for field in order]
        return rows.take(pc.sort_indices(rows, sort_keys=keys)) if keys else rows

    def _check(self, hour: ComparedHour, effort: _Effort) -> None:
        found = sum(file.record_count for file in effort.files)
        if not all(self._is_within(hour, file) for file in effort.files):
            raise ValueError(f"rows for {self._told(hour)} are of another hour, or of none")
        if found != hour.rows:
            raise Outdated(f"{self._told(hour)} had {hour.rows} rows when it was compared, {found} were read")

    def _told(self, hour: ComparedHour) -> str:
        return f"hour {hour.start:%Y-%m-%d %H:%M} of table {self._name}"

    def _made(self, hour: ComparedHour, effort: _Effort) -> Literal["by us", "by another"] | None:
        """Read the table: by whose commit the hour is as it is to be, since it was compared; None where there is none.

        Raises:
            Outdated: it was made something else.
        """
        self._refresh()
        found = offloads(self._table.metadata, self._contract, hour.start, hour.base)
        if found is None:
            raise Outdated(f"table {self._name} was rolled back: its history lacks snapshot {hour.base}")
        if str(effort.id) in {each.commit_id for each in found}:
            return "by us"
        if found and (found[0].rows, found[0].fingerprint) != (hour.rows, hour.fingerprint):
            raise Outdated(f"{self._told(hour)} was written by another process since it was compared")
        return "by another" if found else None

    def _attempt(self, hour: ComparedHour, effort: _Effort) -> bool:
        """One attempt; a commit asserts the head and the table's id, so one that others have moved refuses it."""
        with self._dropping(effort, Outdated):
            made = self._made(hour, effort)
        if made == "by us":  # an attempt whose reply was lost
            self._tally.add(effort.files)
            return True
        old = [] if made else self._old(hour)
        if made or not (old or effort.files):
            self._drop(effort.written)
            return False
        self._commit(hour, effort, old)
        return True

    def _commit(self, hour: ComparedHour, effort: _Effort, old: list[FileScanTask]) -> None:
        rests = dict(self._rest(hour, task, effort) for task in old)
        made = OffloadedHour(hour.start, hour.rows, hour.fingerprint, str(effort.id))
        properties = advanced(self._table.metadata.properties, self._contract, hour.start)
        new = effort.files + [file for rest in rests.values() for file in rest]
        self._doing = "committing"
        try:
            replace(self._table, (task.file for task in old), new, properties, made.to_summary(self._contract))
        except CommitFailedException as error:
            self._conflicted(error)
            raise
        self._tally.add(new)
        self._drop(file for key, rest in effort.rests.items() if key not in rests for file in rest)

    def _old(self, hour: ComparedHour) -> list[FileScanTask]:
        """The files that may have rows of the hour."""
        self._doing = "reading the table's manifests from the object store"
        return list(self._table.scan(row_filter=self._within(hour)).plan_files())

    def _rest(self, hour: ComparedHour, task: FileScanTask, effort: _Effort) -> tuple[str, list[DataFile]]:
        """A file's rows of other hours and of none, as files of their own, by what they were read from."""
        key = " ".join([task.file.file_path, *sorted(each.file_path for each in task.delete_files)])
        if key not in effort.rests and not self._is_within(hour, task.file):
            written = list[DataFile]()
            for rows in self._others(hour, task):
                written += self._write(rows, effort.id, len(effort.written) + len(written))
            effort.rests[key] = written
        return key, effort.rests.get(key, [])

    def _others(self, hour: ComparedHour, task: FileScanTask) -> Iterator[pa.Table]:
        """A file's rows of other hours and of none, slice by slice in their order."""
        begin, end = _bounds(hour)
        other = parse(f"{self._column} is null or {self._column} < '{begin}' or {self._column} >= '{end}'")
        scan = ArrowScan(self._table.metadata, self._table.io, self._table.schema(), other)
        deletes = _read_all_delete_files(self._table.io, [task])
        yield from sliced(scan._record_batches_from_scan_tasks_and_deletes([task], deletes), SLICE_ROWS)

    def _is_within(self, hour: ComparedHour, file: DataFile) -> bool:
        """Whether a file's statistics say that every row is of the hour."""
        return _StrictMetricsEvaluator(self._table.schema(), self._within(hour)).eval(file)

    def _within(self, hour: ComparedHour) -> BooleanExpression:
        begin, end = _bounds(hour)
        return parse(f"{self._column} >= '{begin}' and {self._column} < '{end}'")


def _bounds(hour: ComparedHour) -> tuple[str, str]:
    return hour.start.isoformat(), (hour.start + HOUR).isoformat()
