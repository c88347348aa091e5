"""The expiry of a table's snapshots, by its sink and between its commits, which it never holds up."""

import time
from collections.abc import Callable

from pyiceberg.exceptions import CommitFailedException

from iceberg_sink.settings import SinkSettings
from k2_shared.core.logs import logger
from k2_shared.core.metrics import Metrics
from k2_shared.core.retries import reason
from k2_shared.lake.retries import RETRYABLE
from k2_shared.lake.table import LakeTable

EXPIRED = "table_snapshots_expired"
NOT_EXPIRED = "table_snapshots_not_expired"
_SOON_S = 60.0


class Housekeeper:
    """Expires one table's snapshots, at first when it is asked to and then every ``sink_expire_interval_s``."""

    def __init__(
        self,
        name: str,
        table: LakeTable,
        settings: SinkSettings,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._table = table
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._next = clock()

    def due(self) -> bool:
        """Whether it is time to expire snapshots; asked by the sink after each commit."""
        return self._clock() >= self._next

    def work(self) -> None:
        """Expire the snapshots that may go. Blocks; a failure is counted, and the work is due again a minute later."""
        interval = self._settings.sink_expire_interval_s
        try:
            expired = self._table.expire(self._settings.sink_snapshot_age_s)
        except CommitFailedException:
            outcome, pause = "conflict", min(interval, _SOON_S)
        except RETRYABLE as error:
            logger().warning(NOT_EXPIRED, table=self._name, reason=reason(error))
            outcome, pause = "failed", min(interval, _SOON_S)
        else:
            outcome, pause = "done", interval
            self._metrics.tables.expired.labels(self._name).inc(expired)
            if expired:
                logger().info(EXPIRED, table=self._name, snapshots=expired)
        self._metrics.tables.expiries.labels(self._name, outcome).inc()
        self._metrics.tables.snapshots.labels(self._name).set(self._table.snapshots)
        self._next = self._clock() + pause
