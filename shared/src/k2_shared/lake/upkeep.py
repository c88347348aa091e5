"""A table as its maintenance works at it: days that are tagged, and partitions whose retention is over."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from pyiceberg.conversions import from_bytes
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table
from pyiceberg.types import TimestamptzType

from k2_shared.core.retries import RetryBudget
from k2_shared.lake.owned import OwnedTable
from k2_shared.lake.retention import last_before_today
from k2_shared.lake.transaction import replace

TAG_DAYS = 7
"""For how long the last snapshot of a day is kept."""
_TAG = "day-"
_DAY = timedelta(days=1)
_FIRST_DAY = date(1970, 1, 1)
_RECEIVED = "ingestion_timestamp"


@dataclass(frozen=True, slots=True)
class OldPartition:
    """A partition whose retention is over: its day, and its files with the rows that they have."""

    day: date
    files: Sequence[DataFile]

    @property
    def rows(self) -> int:
        """How many rows are in it."""
        return sum(file.record_count for file in self.files)


class KeptTable(OwnedTable):
    """One table of any owner, next to which others commit. Every method blocks; call it from one thread at a time."""

    def __init__(self, table: Table, retries: RetryBudget) -> None:
        super().__init__(table, "maintenance", retries)

    def tag_day(self, now: datetime) -> str | None:
        """Tag the last snapshot before today, and take away tags that are a week old; returns the tag, if it is new.

        Raises:
            Halt: the table was dropped or recreated.
            Unavailable: no attempt succeeded.
        """
        return self._retried("tagged", lambda: self._tag(now))

    def expire_old(self, age_s: float) -> int:
        """Remove the snapshots that nothing needs and that are older than ``age_s``; returns how many.

        Raises:
            Halt: the table was dropped or recreated.
            Unavailable: no attempt succeeded.
        """
        return self._retried("relieved of snapshots", lambda: self.expire(age_s))

    def old_partitions(self, days: int, now: datetime) -> list[OldPartition]:
        """The days that ended ``days`` ago or earlier and of which every row was received as long ago.

        The time of the exchange alone says nothing: a recording of last year is played today.

        Raises:
            Halt: the table was dropped or recreated.
            Unavailable: no attempt succeeded.
        """
        return self._retried("read", lambda: self._old(days, now))

    def drop_old(self, days: int, now: datetime) -> list[OldPartition]:
        """Delete those partitions in one snapshot; what is appended to one meanwhile keeps it.

        Raises:
            Halt: the table was dropped or recreated.
            Unavailable: no attempt succeeded.
        """
        return self._retried("relieved of old partitions", lambda: self._drop_old(days, now))

    def _tag(self, now: datetime) -> str | None:
        self._refresh()
        today = now.astimezone(UTC).date()
        name = f"{_TAG}{today - _DAY}"
        found = last_before_today(self._table.metadata, int(now.timestamp() * 1_000))
        old = [each for each in self._table.metadata.refs if _is_older(each, today - TAG_DAYS * _DAY)]
        is_new = found is not None and name not in self._table.metadata.refs
        if not old and not is_new:
            return None
        self._doing = "tagging the day"
        with self._table.manage_snapshots() as changed:
            for each in old:
                changed.remove_tag(each)
            if is_new and found:
                changed.create_tag(found.snapshot_id, name, max_ref_age_ms=TAG_DAYS * 86_400_000)
        return name if is_new else None

    def _old(self, days: int, now: datetime) -> list[OldPartition]:
        self._refresh()
        self._doing = "reading the table's manifests from the object store"
        limit, files = now.astimezone(UTC) - days * _DAY, dict[date, list[DataFile]]()
        for task in self._table.scan().plan_files():
            files.setdefault(_day(task.file), []).append(task.file)
        return [
            OldPartition(day, found)
            for day, found in sorted(files.items())
            if day + _DAY <= limit.date() and all(self._was_received_before(limit, file) for file in found)
        ]

    def _was_received_before(self, limit: datetime, file: DataFile) -> bool:
        newest = file.upper_bounds.get(self._table.schema().find_field(_RECEIVED).field_id)
        return newest is not None and int(from_bytes(TimestamptzType(), newest)) < limit.timestamp() * 1e6

    def _drop_old(self, days: int, now: datetime) -> list[OldPartition]:
        found = self._old(days, now)
        if found:
            self._doing = "deleting partitions"
            replace(self._table, [file for each in found for file in each.files], [], {}, {})
        return found


def _is_older(tag: str, day: date) -> bool:
    return tag.startswith(_TAG) and tag.removeprefix(_TAG) < str(day)


def _day(file: DataFile) -> date:
    """The day of a file's partition, which such a table's first field is."""
    number: int = file.partition[0]
    return _FIRST_DAY + timedelta(days=number)
