"""The offload of one cold table: hours compared in both tiers, and those replaced that differ. Everything blocks."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from k2_shared.cold.hours import Chunk, Hour, Rule, TierHour, Verdict, chunks, judged
from k2_shared.cold.rows import cold_rows
from k2_shared.cold.views import definitions, first_warm
from k2_shared.cold.warm_hours import ColdSource, KeyDifference, TierHours
from k2_shared.core.contracts import ColdTableContract
from k2_shared.core.errors import Unavailable
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.lake.replacement import ComparedHour, HourlyTable, Outdated, TableHead

CHUNK_ROWS = 2_000_000
"""Rows of the warm tier that one query compares, if they are of more than one hour."""
_GRACE = timedelta(minutes=5)  # rows of an hour may be under way so long; later ones make the tiers differ
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class HourComparison:
    """An hour in both tiers, of which one has no row where it is None, and what is to be done about it.

    ``base`` is the cold table's snapshot that was looked at.
    """

    hour: Hour
    verdict: Verdict
    warm: TierHour | None
    cold: TierHour | None
    base: int | None


class ColdOffload:
    """The offload of one cold ``table``, by a client of the warm tier's database.

    Every method raises what ``clickhouse_connect`` does; ``warm.client.failures`` tells it.
    """

    def __init__(self, contract: ColdTableContract, settings: LakeSettings, client: Client, table: HourlyTable) -> None:
        self._contract = contract
        self._settings = settings
        self._hours = TierHours(client, contract)
        self.table = table
        self._rule = Rule.of(contract, _GRACE)

    @property
    def complete_to(self) -> datetime | None:
        """When the newest hour ends that was ever written, as the table was read last; None where none was."""
        begin = self.table.watermark
        return None if begin is None else self._rule.end_of(Hour.of(begin))

    def chunks(self, now: datetime, first: Hour | None = None, last: Hour | None = None) -> list[Chunk]:
        """The hours to compare, cut into what one query compares: of None as far as the warm tier has rows."""
        rows = self._hours.populated(first or Hour(0), last or Hour.of(now))
        bounds = [*filter(None, (first, last)), *rows]
        return list(chunks(rows, min(bounds), max(bounds), CHUNK_ROWS)) if bounds else []

    def compared(self, now: datetime, first: Hour, last: Hour) -> list[HourComparison]:
        """Compare the hours from ``first`` to ``last`` that a tier has rows of, in their order.

        Raises:
            Halt: the cold table was dropped or recreated.
            Unavailable: it could not be read.
            Interrupted: attempts failed, and the process is to stop.
        """
        head = self.table.head()
        source = self._source(head)
        warm = self._hours.warm(first, last)
        cold = {} if head.snapshot_id is None else self._hours.cold(source, first, last)
        return [
            self._comparison(source, now, hour, warm.get(hour), cold.get(hour), head.snapshot_id)
            for hour in sorted({*warm, *cold})
        ]

    def every(self, now: datetime) -> Iterator[HourComparison]:
        """Compare all hours that a tier has rows of, in their order, chunk by chunk; raises as ``compared``."""
        for chunk in self.chunks(now):
            yield from self.compared(now, chunk.first, chunk.last)

    def differing(self, found: HourComparison, most: int) -> list[KeyDifference]:
        """The first keys of an hour that differ; none where one tier has no row of it."""
        if found.warm is None or found.cold is None:
            return []
        return self._hours.differing(self._source(self.table.head()), found.hour, most)

    def publish(self, hours: Iterable[tuple[Hour, Verdict]], now: datetime) -> None:
        """Make the view over both tiers anew: by the table as it is, once all ``hours`` were compared."""
        head = self.table.head()
        source = None if head.snapshot_id is None else self._source(head)
        for statement in definitions(self._contract, first_warm(hours, Hour.of(now)), source):
            self._hours.define(statement)

    def write(self, found: HourComparison, now: datetime) -> HourComparison:
        """Put what the warm tier has of an hour in the place of what the cold table has; returns it compared anew.

        Where rows come meanwhile it is written again.

        Raises:
            DoesNotFit: a value has more digits than its column.
            Halt: the cold table was dropped or recreated.
            Unavailable: no attempt had a known outcome, or the hour changed again and again.
            Interrupted: attempts failed, and the process is to stop.
        """
        for _ in range(_ATTEMPTS):
            with suppress(Outdated):
                self._replace(found)
            again = self.compared(now, found.hour, found.hour)
            if not again or again[0].verdict not in (Verdict.EQUAL, Verdict.TO_WRITE):
                break
            found = again[0]
            if found.verdict is Verdict.EQUAL:
                return found
        raise Unavailable(
            f"{found.hour} of {self._contract.relation} changed while it was offloaded, {_ATTEMPTS} times or to what "
            "cannot be written: run it again"
        )

    def _source(self, head: TableHead) -> ColdSource:
        return ColdSource.of(self._settings, self.table.location, head)

    def _comparison(
        self,
        source: ColdSource,
        now: datetime,
        hour: Hour,
        warm: TierHour | None,
        cold: TierHour | None,
        base: int | None,
    ) -> HourComparison:
        verdict = judged(hour, self._rule, now, warm, cold, partial(self._hours.lacking, source, hour))
        return HourComparison(hour, verdict, warm, cold, base)

    def _replace(self, found: HourComparison) -> None:
        if found.warm is None:
            raise ValueError(f"the warm tier has no row of {found.hour}")
        expected = found.warm.fingerprint
        hour = ComparedHour(found.hour.start, expected.rows, str(expected), found.base)
        self.table.replace(hour, self._rows(found.hour))

    def _rows(self, hour: Hour) -> Iterator[pa.Table]:
        return (cold_rows(each, self._contract) for each in self._hours.slices(hour))
