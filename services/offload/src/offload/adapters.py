"""The cold tables at work: ClickHouse, the catalog and the object store. Everything blocks."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial

from pyiceberg.exceptions import CommitFailedException

from k2_shared.cold.hours import Verdict
from k2_shared.cold.offload import ColdOffload, HourComparison
from k2_shared.cold.rows import DoesNotFit
from k2_shared.cold.tables import cold_tables, opened
from k2_shared.core.logs import logger
from k2_shared.core.metrics import Metrics
from k2_shared.core.retries import Interrupted, RetryBudget, reason
from k2_shared.lake.memory import give_back
from k2_shared.lake.retries import at_table
from offload.domain import Account, named
from offload.settings import SERVICE, OffloadSettings

WRITTEN = "hour_offloaded"
OFFLOADED = "table_offloaded"
WOULD_SHRINK = "hours_would_shrink"
ATTEMPT_FAILED = "table_attempt_failed"
NOT_EXPIRED = "table_snapshots_not_expired"


class ColdTables:
    """Offloads one table at a time, in a thread of the caller's; ``stop`` may be called from another."""

    def __init__(
        self, settings: OffloadSettings, metrics: Metrics, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._contracts = cold_tables()
        self._stopping = threading.Event()
        self._budget: RetryBudget | None = None

    def check(self) -> None:
        """Find out whether both tiers answer and have their tables.

        Raises:
            ConfigError: a table does not exist or is not as its contract says, or a login is refused.
            Unavailable: ClickHouse, the catalog or the store do not answer.
        """
        with opened(ColdOffload, self._settings, self._contracts, self._retries):
            pass

    def stop(self) -> None:
        """Begin no other hour, and make no other attempt."""
        self._stopping.set()
        if self._budget:
            self._budget.interrupt()

    def offload(self, name: str) -> Account:
        """Write every closed hour of a table that differs; the hours that can be written are, whatever one refuses.

        Raises:
            K2Error: it could not be finished; what was written stays.
            DoesNotFit: cold cannot hold some hours; all others are done.
            Interrupted: the process is to stop.
        """
        began, account = time.monotonic(), Account(name)
        try:
            with opened(ColdOffload, self._settings, {name: self._contracts[name]}, self._retries) as tables:
                self._offload(tables[name], account)
        finally:
            self._metrics.offloads.duration.labels(name).set(time.monotonic() - began)
            give_back()
        logger().info(OFFLOADED, table=name, written=account.written, rows=account.rows, **account.labels)
        if account.refusals:
            raise DoesNotFit("; ".join(account.refusals))
        return account

    def _offload(self, offload: ColdOffload, account: Account) -> None:
        now = self._clock()
        for found in self._compared(offload, now):
            if found.verdict is Verdict.TO_WRITE:
                self._write(offload, found, now, account)
            else:
                account.left(found)
        offload.publish(account.verdicts.items(), now)
        self._tell(offload, account)
        self._expire(offload, account.table)

    def _compared(self, offload: ColdOffload, now: datetime) -> Iterator[HourComparison]:
        for found in offload.every(now):
            if self._stopping.is_set():
                raise Interrupted
            yield found

    def _write(self, offload: ColdOffload, found: HourComparison, now: datetime, account: Account) -> None:
        try:
            after = offload.write(found, now)
        except DoesNotFit as error:
            account.refused(found, str(error))
            return
        account.wrote(after)
        rows = after.cold.fingerprint.rows if after.cold else 0
        logger().info(WRITTEN, table=account.table, hour=str(after.hour), rows=rows)
        self._count(offload, account.table, rows)

    def _count(self, offload: ColdOffload, name: str, rows: int) -> None:
        tally, tables = offload.table.tally(), self._metrics.tables
        tables.rows.labels(name).inc(rows)
        tables.files.labels(name).inc(tally.files)
        tables.bytes.labels(name).inc(tally.bytes)
        tables.conflicts.labels(name).inc(tally.conflicts)

    def _tell(self, offload: ColdOffload, account: Account) -> None:
        told = self._metrics.offloads
        for verdict, count in account.labels.items():
            told.hours.labels(account.table, verdict).set(count)
        if complete_to := offload.complete_to:
            told.complete_to.labels(account.table).set(complete_to.timestamp())
        if account.shrinking:
            logger().warning(WOULD_SHRINK, table=account.table, hours=named(account.shrinking))

    def _expire(self, offload: ColdOffload, name: str) -> None:
        """Expire snapshots; where another process commits meanwhile, the next offload does."""
        try:
            expired = offload.table.expire(self._settings.offload_snapshot_age_s)
        except CommitFailedException as error:
            logger().info(NOT_EXPIRED, table=name, reason=reason(error))
            return
        self._metrics.tables.expired.labels(name).inc(expired)
        self._metrics.tables.snapshots.labels(name).set(offload.table.snapshots)

    def _retries(self, name: str) -> RetryBudget:
        self._budget = at_table(self._settings.offload_attempts, partial(self._failed, name))
        return self._budget

    def _failed(self, name: str, error: Exception) -> None:
        self._metrics.errors.labels(SERVICE, type(error).__name__).inc()
        logger().warning(ATTEMPT_FAILED, table=name, reason=reason(error))
